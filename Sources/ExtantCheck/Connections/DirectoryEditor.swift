import BlockIO
import Ext4Format
import ExtantBase

/// A directory that names are put into: lost+found, or the root.
///
/// It goes through the blocks once, from the first to the last, and then makes the directory grow:
/// putting in a hundred thousand names takes a hundred thousand steps, not their square.
final class DirectoryEditor {
  /// The round that has it: without a cycle, or nothing of either would ever be given back.
  unowned let round: CheckRound
  let number: InodeNumber
  private(set) var raw: RawInode
  /// In logical order. Between them are holes, which nothing can be put into.
  private var runs: [MapRun] = []
  /// The block that the next name is tried in: a run, and the block in it.
  private var position: (run: Int, block: UInt64) = (0, 0)
  private var buffer: BlockBuffer
  /// Whether `buffer` holds the block at `position`.
  private var isLoaded = false
  /// Names that begin with "#": those given to what was found before.
  private var names: Set<[UInt8]> = []
  private var format: DirectoryBlockFormat

  /// - Parameter asItIs: the directory is used only where neither an index nor its place in the inode
  ///   is in the way.
  /// - Returns: nil where nothing can be put into the directory.
  init?(
    _ round: CheckRound, _ number: InodeNumber, asItIs: Bool = false
  ) throws(FileSystemError) {
    self.round = round
    self.number = number
    var raw = try round.readInode(number)
    guard raw.kind == .directory, !raw.flags.contains(.encrypted) else { return nil }
    if asItIs, !raw.flags.isDisjoint(with: [.inlineData, .index]) { return nil }
    if raw.flags.contains(.inlineData) {
      guard try round.expandInlineDirectory(number, &raw) else { return nil }
    }
    self.raw = raw
    format = round.directoryFormat(number, raw)
    buffer = BlockBuffer(byteCount: round.superblock.blockSize)
    try loadRuns()
    if raw.flags.contains(.index) { try dropIndex() }
    try loadNames()
  }

  private func loadRuns() throws(FileSystemError) {
    try round.forEachRun(number, raw) { (run: MapRun) throws(FileSystemError) -> Bool in
      runs.append(run)
      return true
    }
  }

  /// One past the last block of the contents.
  private var end: UInt64 {
    raw.size(round.superblock) / UInt64(round.superblock.blockSize)
  }

  /// The first block from `position` on that is of the contents; moves there. Nil where there is none.
  private func currentBlock() -> BlockAddress? {
    while position.run < runs.count {
      let run = runs[position.run]
      if !run.isUnwritten, position.block < run.count, run.logical + position.block < end {
        return run.address + position.block
      }
      position = (position.run + 1, 0)
    }
    return nil
  }

  /// Makes it a directory without an index: the blocks of the index become blocks of entries.
  private func dropIndex() throws(FileSystemError) {
    position = (0, 0)
    while let address = currentBlock() {
      let isFirst = runs[position.run].logical + position.block == 0
      position.block += 1
      try round.image.read(address, into: buffer)
      var bytes = buffer.mutableBytes
      if isFirst {
        let parent = InodeNumber(buffer.bytes.le32(12))
        format.initialise(&bytes, parent: parent)
      } else if (try? format.hashTreeNode(buffer.bytes, .node, at: address)) != nil {
        format.clear(&bytes)
      } else {
        continue
      }
      format.seal(&bytes)
      try round.image.write(buffer, at: address)
    }
    position = (0, 0)
    raw.flags.remove(.index)
    try round.writeInode(number, raw)
  }

  private func loadNames() throws(FileSystemError) {
    position = (0, 0)
    defer { position = (0, 0) }
    while let address = currentBlock() {
      position.block += 1
      try round.image.read(address, into: buffer)
      let bytes = buffer.bytes
      // A block that cannot be read to its end was to stay as it is.
      _ = try? format.forEachRecord(bytes) { (record) throws(FileSystemError) in
        if record.isUsed, record.nameLength > 0, bytes.u8(record.nameRange.lowerBound) == 0x23 {
          names.insert(bytes.array(record.nameRange))
        }
        return true
      }
    }
  }

  /// Names the inode by its number, `#12`. The name is counted.
  ///
  /// - Returns: false where there is no room, and none can be made.
  func connect(_ target: InodeNumber, _ kind: FileKind) throws(FileSystemError) -> Bool {
    var name = Array("#\(target.rawValue)".utf8)
    var again = 1
    while names.contains(name) {
      name = Array("#\(target.rawValue).\(again)".utf8)
      again += 1
    }
    guard try insert(name, target, kind) else { return false }
    names.insert(name)
    return true
  }

  /// Puts a name into the directory, which must not have it. It is counted.
  ///
  /// - Returns: false where there is no room, and none can be made.
  func insert(
    _ name: [UInt8], _ target: InodeNumber, _ kind: FileKind
  ) throws(FileSystemError) -> Bool {
    let image = DirectoryEntryImage(
      inode: target.rawValue, fileType: format.hasFileType ? kind.directoryCode : 0, name: name)
    while true {
      var current = currentBlock()
      if current == nil { current = try grow() }
      guard let address = current else { return false }
      if !isLoaded {
        try round.image.read(address, into: buffer)
        isLoaded = true
      }
      if (try? format.verifyTail(buffer.bytes, at: address)) != nil,
        let room = try? format.room(for: name.count, in: buffer.bytes)
      {
        var bytes = buffer.mutableBytes
        format.insert(&bytes, into: room, image)
        format.seal(&bytes)
        try round.image.write(buffer, at: address)
        round.inodes[target].namesCounted &+= 1
        return true
      }
      position.block += 1
      isLoaded = false
    }
  }

  /// Appends an empty block, and moves there. Nil where there is none free, or the directory may not
  /// be larger.
  private func grow() throws(FileSystemError) -> BlockAddress? {
    let superblock = round.superblock
    let blockSize = UInt64(superblock.blockSize)
    let logical = max(
      raw.size(superblock) / blockSize, runs.last.map { $0.logical + $0.count } ?? 0)
    let hasLargeSize = superblock.features.incompat.contains(.largedir)
    guard (logical + 1) * blockSize < (hasLargeSize ? 1 << 32 : 1 << 31) else { return nil }

    var grown = runs
    let address: BlockAddress
    let ratio = UInt64(1) << round.claims.clusterShift
    var isNew = false
    if let last = runs.last, last.logical + last.count == logical, logical % ratio != 0 {
      // The rest of the last cluster is the directory's own already.
      address = last.address + last.count
    } else {
      guard let free = round.claims.allocate(near: runs.last?.address ?? round.goal(of: number))
      else { return nil }
      address = free + logical % ratio
      isNew = true
    }
    if let last = grown.last, last.logical + last.count == logical,
      last.address + last.count == address, !last.isUnwritten
    {
      grown[grown.count - 1].count += 1
    } else {
      grown.append(MapRun(logical: logical, address: address, count: 1))
    }
    guard try round.writeMap(number, &raw, grown) else {
      if isNew { round.claims.release(address) }
      return nil
    }
    runs = grown
    raw.wholeSize = (logical + 1) * blockSize
    try round.writeInode(number, raw)
    var bytes = buffer.mutableBytes
    format.clear(&bytes)
    format.seal(&bytes)
    try round.image.write(buffer, at: address)
    isLoaded = true
    let last = runs.count - 1
    position = (last, runs[last].count - 1)
    round.directories.runs.append(
      DirectoryList.Run(inode: number, logical: logical, address: address, count: 1))
    return address
  }

  /// The inode was written by somebody else.
  func reload() throws(FileSystemError) { raw = try round.readInode(number) }
}

extension CheckRound {
  /// How the blocks of a directory are laid out.
  func directoryFormat(_ number: InodeNumber, _ raw: RawInode) -> DirectoryBlockFormat {
    DirectoryBlockFormat(
      inode: number, blockSize: superblock.blockSize,
      hasFileType: superblock.features.incompat.contains(.filetype),
      checksumSeed: raw.checksumSeed(number, superblock), inodeCount: superblock.inodeCount)
  }

  /// Where to look for blocks of an inode that has none: at the start of its group.
  func goal(of number: InodeNumber) -> BlockAddress {
    superblock.groupFirstBlock(superblock.group(of: number) ?? GroupIndex(0))
  }

  /// Moves the entries of a directory that lies in its inode to a block of its own. The inode is
  /// written.
  ///
  /// - Returns: false, with nothing changed, where there is no block for it.
  func expandInlineDirectory(
    _ number: InodeNumber, _ raw: inout RawInode
  ) throws(FileSystemError) -> Bool {
    guard
      try found(.connection(.lostFoundInline), .inode(number)),
      let address = claims.allocate(near: goal(of: number))
    else { return false }
    let format = directoryFormat(number, raw)
    let data = inlineData(raw)
    var expanded = raw
    removeInlineData(&expanded)
    if superblock.features.incompat.contains(.extents) { expanded.flags.insert(.extents) }
    guard try writeMap(number, &expanded, [MapRun(logical: 0, address: address, count: 1)]) else {
      claims.release(address)
      return false
    }
    let buffer = BlockBuffer(byteCount: superblock.blockSize)
    var bytes = buffer.mutableBytes
    let parent = InodeNumber(data.rawBytes.le32(0))
    format.initialise(&bytes, parent: parent)
    // Entries lie in i_block behind the parent's number, and in the attribute: never in both.
    let head = Inode.blockAreaByteCount
    for area in [4..<head, head..<data.count] {
      var offset = area.lowerBound
      while let record = try? format.record(data.rawBytes, at: offset, end: area.upperBound) {
        offset = record.end
        guard record.isUsed, let room = try? format.room(for: record.nameLength, in: bytes.bytes)
        else { continue }
        let image = DirectoryEntryImage(
          inode: record.inode, fileType: record.fileType,
          name: data.rawBytes.array(record.nameRange))
        format.insert(&bytes, into: room, image)
      }
    }
    format.seal(&bytes)
    try image.write(buffer, at: address)
    expanded.wholeSize = UInt64(superblock.blockSize)
    try writeInode(number, expanded)
    raw = expanded
    directories.runs.append(
      DirectoryList.Run(inode: number, logical: 0, address: address, count: 1))
    if let place = directories.index(of: number) { directories[place].isInline = false }
    return true
  }
}
