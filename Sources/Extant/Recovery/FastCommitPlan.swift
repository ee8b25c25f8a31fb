import Ext4Format
import ExtantBase
import ExtentMap

/// What fast commits come to in the end, inode by inode, worked out before anything is changed:
/// their records name blocks and inodes in an order in which these could not be freed and taken.
struct FastCommitPlan {
  struct Target {
    /// Nil where the inode is not in use before.
    var old: Inode?
    /// The last record of its bytes.
    var raw: [UInt8]?
    var linkCount: UInt16
    /// What to do with its map, in order; nil as a record: unmapped.
    var edits: [(range: Range<LogicalBlock>, record: ExtentRecord?)] = []
    /// Mapped before, and in the end.
    var before: [ExtentRun] = []
    var after: [ExtentRun] = []

    /// Made and removed between two commits: nothing of it was ever there.
    var isNothing: Bool { old == nil && linkCount == 0 }

    var generation: UInt32? { raw?.rawBytes.le32(0x64) ?? old?.generation }

    var isDirectory: Bool {
      raw.map { FileKind(mode: $0.rawBytes.le16(0)) == .directory } ?? (old?.kind == .directory)
    }
  }

  struct Name {
    let entry: FastCommitName
    let isAdded: Bool
    /// Of an inode that was made with this name.
    let isNew: Bool
    let isDirectory: Bool
    /// Of what had the inode's number on disk, and was removed.
    var isOld = false
  }

  private(set) var targets: [InodeNumber: Target] = [:]
  /// Inodes that were deleted and made again: what they were goes first, as a whole.
  private(set) var reborn: [InodeNumber] = []
  /// Names that come and go, in order.
  private(set) var names: [Name] = []

  /// Blocks that become a file's, and that are nobody's in the end.
  private(set) var claimed: [Range<UInt64>] = []
  private(set) var freed: [Range<UInt64>] = []

  init(_ records: [FastCommitRecord], _ fileSystem: FileSystem) throws(FileSystemError) {
    for record in records { try note(record, fileSystem) }
    for (number, target) in targets where !target.isNothing {
      targets[number] = try mapped(number, target, fileSystem)
    }
    var before: [Range<UInt64>] = []
    var after: [Range<UInt64>] = []
    for target in targets.values where !target.isNothing {
      before += target.before.map(Self.blocks)
      after += target.after.map(Self.blocks)
    }
    let old = Self.merged(before)
    let new = Self.merged(after)
    guard Self.count(new) == Self.count(after) else {
      throw Self.broken("two files have a block")
    }
    claimed = Self.subtracting(old, from: new)
    freed = Self.subtracting(new, from: old)
  }

  private static func broken(_ rule: String, _ inode: InodeNumber? = nil) -> FileSystemError {
    .corrupt(Corruption("fast commit", inode: inode, rule))
  }

  private mutating func note(
    _ record: FastCommitRecord, _ fileSystem: FileSystem
  ) throws(FileSystemError) {
    switch record {
    case .inode(let number, let raw):
      let generation = raw.rawBytes.le32(0x64)
      if let known = targets[number] {
        // Of what was made and removed between two commits only the removal is told.
        let isOther = known.generation.map { $0 != generation } ?? (known.linkCount == 0)
        if isOther { try end(number) }
      }
      try change(number, fileSystem) { (target) throws(FileSystemError) in
        // Its end would have been told before.
        guard target.generation.map({ $0 == generation }) ?? true else {
          throw Self.usedAgain(number)
        }
        target.raw = raw
        target.linkCount = raw.rawBytes.le16(0x1A)
      }
    case .addRange(let number, let record):
      let end = UInt64(record.logical) + UInt64(record.length)
      guard end <= LogicalBlock.limit.rawValue else {
        throw Self.broken("it maps blocks past \(LogicalBlock.limit)", number)
      }
      let range = LogicalBlock(UInt64(record.logical))..<LogicalBlock(end)
      try change(number, fileSystem) { $0.edits.append((range, record)) }
    case .deleteRange(let number, let logical, let count):
      let end = min(UInt64(logical) + UInt64(count), LogicalBlock.limit.rawValue)
      guard UInt64(logical) < end else { return }
      let range = LogicalBlock(UInt64(logical))..<LogicalBlock(end)
      try change(number, fileSystem) { $0.edits.append((range, nil)) }
    case .create(let name):
      try change(name.inode, fileSystem) { $0.linkCount = max($0.linkCount, 1) }
      note(name, isAdded: true, isNew: true)
    case .link(let name):
      try change(name.inode, fileSystem) { $0.linkCount = $0.linkCount &+ 1 }
      note(name, isAdded: true)
    case .unlink(let name):
      try change(name.inode, fileSystem) { target in
        target.linkCount = target.isDirectory ? 0 : target.linkCount - min(target.linkCount, 1)
      }
      note(name, isAdded: false)
    }
  }

  private mutating func note(_ entry: FastCommitName, isAdded: Bool, isNew: Bool = false) {
    let isDirectory = targets[entry.inode]?.isDirectory ?? false
    names.append(Name(entry: entry, isAdded: isAdded, isNew: isNew, isDirectory: isDirectory))
  }

  private static func usedAgain(_ inode: InodeNumber) -> FileSystemError {
    .unsupported(
      Unsupported("a fast commit that uses an inode again", "inode \(inode.rawValue)"))
  }

  /// An inode that was removed and whose number another has now: nothing that was noted of it holds
  /// for that one. What is on disk of it goes as a whole; its names there are other directories'.
  private mutating func end(_ number: InodeNumber) throws(FileSystemError) {
    guard let target = targets[number], target.linkCount == 0 else { throw Self.usedAgain(number) }
    targets[number] = Target(old: nil, linkCount: 0)
    names.removeAll {
      $0.entry.parent == number || $0.entry.inode == number && $0.isAdded
    }
    if target.old != nil {
      reborn.append(number)
      for index in names.indices where names[index].entry.inode == number {
        names[index].isOld = true
      }
    } else {
      names.removeAll { $0.entry.inode == number && !$0.isOld }
    }
  }

  private mutating func change(
    _ number: InodeNumber, _ fileSystem: FileSystem,
    _ body: (inout Target) throws(FileSystemError) -> Void
  ) throws(FileSystemError) {
    var target: Target
    if let known = targets[number] {
      target = known
    } else {
      guard number == .root || number.rawValue >= fileSystem.superblock.firstInode,
        number.rawValue <= fileSystem.superblock.inodeCount
      else { throw Self.broken("it is no file's", number) }
      let old: Inode? =
        try fileSystem.inodes.isAllocated(number) ? fileSystem.readInode(number) : nil
      target = Target(old: old, linkCount: old?.linkCount ?? 0)
    }
    try body(&target)
    targets[number] = target
  }

  /// Works out what is mapped before and in the end.
  private func mapped(
    _ number: InodeNumber, _ target: Target, _ fileSystem: FileSystem
  ) throws(FileSystemError) -> Target {
    var target = target
    guard !target.edits.isEmpty else { return target }
    let scratch = try ExtentMap(
      capacities: fileSystem.extentCapacities, root: .empty,
      source: ExtentNodeReader(
        reader: fileSystem.reader, context: fileSystem.extentContext(.root, generation: 0),
        zones: fileSystem.groups.zones))
    if let old = target.old, let map = try fileSystem.makeNode(number, old).contents.map {
      target.before = try map.runs()
      for run in target.before {
        try scratch.replace(run.range, address: run.address, state: run.state)
      }
    }
    for (range, record) in target.edits {
      if let record {
        try scratch.replace(
          range, address: record.address, state: record.isUnwritten ? .unwritten : .written)
      } else {
        try scratch.remove(range)
      }
    }
    target.after = try scratch.runs()
    return target
  }

  // MARK: Sets of blocks

  private static func blocks(_ run: ExtentRun) -> Range<UInt64> {
    run.address.rawValue..<run.address.rawValue + run.count
  }

  private static func count(_ ranges: [Range<UInt64>]) -> UInt64 {
    ranges.reduce(0) { $0 + UInt64($1.count) }
  }

  static func merged(_ ranges: [Range<UInt64>]) -> [Range<UInt64>] {
    var merged: [Range<UInt64>] = []
    for range in ranges.sorted(by: { $0.lowerBound < $1.lowerBound }) where !range.isEmpty {
      if let last = merged.last, range.lowerBound <= last.upperBound {
        merged[merged.count - 1] = last.lowerBound..<max(last.upperBound, range.upperBound)
      } else {
        merged.append(range)
      }
    }
    return merged
  }

  /// Both merged.
  static func subtracting(
    _ other: [Range<UInt64>], from ranges: [Range<UInt64>]
  ) -> [Range<UInt64>] {
    var left: [Range<UInt64>] = []
    var index = 0
    for range in ranges {
      var start = range.lowerBound
      while index < other.count, other[index].upperBound <= start { index += 1 }
      var next = index
      while next < other.count, other[next].lowerBound < range.upperBound {
        if start < other[next].lowerBound { left.append(start..<other[next].lowerBound) }
        start = max(start, other[next].upperBound)
        next += 1
      }
      if start < range.upperBound { left.append(start..<range.upperBound) }
    }
    return left
  }
}
