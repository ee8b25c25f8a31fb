import BlockIO
import Ext4Format
import ExtantBase
import ExtentMap

/// Applying fast commits: done on a filesystem in memory (`FileSystem+FastCommitReplay`), so that
/// what fails or is interrupted here leaves no traces.
extension FileSystem {
  /// Called by `start`, with the log replayed.
  func apply(_ records: [FastCommitRecord]) throws(FileSystemError) {
    let plan = try FastCommitPlan(records, self)
    for number in plan.reborn { try deleteOld(number) }
    if !plan.reborn.isEmpty { try journal.commit() }
    // Before anything is allocated, so that it does not take these.
    for range in plan.claimed {
      try perform { (operation) throws(FileSystemError) in
        try blocks.claim(range, handle: operation)
        operation.handle.noteChange()
      }
    }
    var left: [Node] = []
    var isNewDirectory: Set<InodeNumber> = []
    for (number, target) in plan.targets.sorted(by: { $0.key < $1.key }) where !target.isNothing {
      let node = try update(number, target)
      left.append(node)
      if target.old == nil, node.kind == .directory { isNewDirectory.insert(number) }
    }
    for range in plan.freed {
      try perform { (operation) throws(FileSystemError) in
        try operation.free(BlockAddress(range.lowerBound), count: UInt64(range.count))
      }
    }
    for name in plan.names {
      let entry = name.entry
      // A directory that went took its names along.
      if let parent = plan.targets[entry.parent], parent.linkCount == 0 { continue }
      guard let target = plan.targets[entry.inode] else { continue }
      if !name.isAdded {
        try remove(name)
      } else if !target.isNothing {
        if name.isNew, isNewDirectory.remove(entry.inode) != nil {
          try initialise(entry.inode, parent: entry.parent)
        }
        try add(entry)
      }
    }
    guard isNewDirectory.isEmpty else {
      throw .corrupt(Corruption("fast commit", "a new directory has no name"))
    }
    // What has no name left goes with its last reference.
    for node in left { release(node) }
    try journal.commit()
  }

  private func deleteOld(_ number: InodeNumber) throws(FileSystemError) {
    let node = try acquire(number)
    try perform { (operation) throws(FileSystemError) in
      node.state.withLock { node.inode.linkCount = 0 }
      addOrphan(node, operation)
      operation.changed(node)
    }
    release(node)
  }

  /// Brings an inode's record and map to what the fast commits say. Returns it with a reference.
  private func update(
    _ number: InodeNumber, _ target: FastCommitPlan.Target
  ) throws(FileSystemError) -> Node {
    if target.old == nil {
      guard let raw = target.raw, let kind = FileKind(mode: raw.rawBytes.le16(0)) else {
        throw .corrupt(Corruption("fast commit", inode: number, "it was never made"))
      }
      try perform { (operation) throws(FileSystemError) in
        try inodes.claim(number, isDirectory: kind == .directory, handle: operation)
      }
    }
    let node = try target.old == nil ? newNode(number, target) : acquire(number)
    let record = try target.raw.map { (raw) throws(FileSystemError) in try decode(raw, number) }
    if let record, let old = target.old {
      guard record.kind == old.kind, record.generation == old.generation else {
        throw .unsupported(
          Unsupported("a fast commit that uses an inode again", "inode \(number.rawValue)"))
      }
    }
    try perform { (operation) throws(FileSystemError) in
      if let raw = target.raw { try write(raw, number, operation) }
      node.state.withLock {
        if let record {
          let before = node.inode
          node.inode = record
          node.inode.blocks512 = before.blocks512
          if node.contents.map != nil { node.inode.blockArea = before.blockArea }
          node.diskSize = record.size
        }
        node.inode.linkCount = target.linkCount
        if node.contents.map != nil {
          let mapped = target.after.reduce(0) { $0 + $1.count }
          let unmapped = target.before.reduce(0) { $0 + $1.count }
          charge(blocks: Int64(clamping: mapped) - Int64(clamping: unmapped), to: node)
        }
      }
      operation.changed(node)
      if node.isUnlinked { addOrphan(node, operation) }
    }
    // A few at a time: each may change a path of the tree.
    for start in stride(from: 0, to: target.edits.count, by: Self.editsAtOnce) {
      try edit(node, target.edits[start..<min(start + Self.editsAtOnce, target.edits.count)])
    }
    return node
  }

  private static var editsAtOnce: Int { 4 }

  private func edit(
    _ node: Node, _ edits: ArraySlice<(range: Range<LogicalBlock>, record: ExtentRecord?)>
  ) throws(FileSystemError) {
    guard let contents = contents(of: node) else { return }
    let needed = node.state.withLock { contents.nodesNeeded(newEntries: 2 * edits.count) }
    try perform(reserving: needed, claim: .tree, credits: journal.maximumCredits) {
      (operation) throws(FileSystemError) in
      try node.withState { () throws(FileSystemError) in
        for (range, extent) in edits {
          if let extent {
            try contents.map.replace(
              range, address: extent.address, state: extent.isUnwritten ? .unwritten : .written)
          } else {
            try contents.map.remove(range)
          }
        }
        operation.reserved = try contents.settleNodes(available: operation.reserved, operation)
      }
      operation.changed(node)
    }
  }

  private func newNode(
    _ number: InodeNumber, _ target: FastCommitPlan.Target
  ) throws(FileSystemError) -> Node {
    var inode = try decode(target.raw ?? [], number)
    if inode.flags.contains(.extents) {
      inode.blockArea = ExtentNode(depth: 0, entries: .leaf([])).encodeRoot()
    }
    inode.blocks512 = inode.fileACL.rawValue == 0 ? 0 : sectorsPerBlock
    let node = try makeNode(number, inode)
    nodes.insert(node)
    return node
  }

  /// An inode's bytes as a fast commit has them: without what lies behind its fields, and with a
  /// checksum of what they were a part of.
  private func decode(_ raw: [UInt8], _ number: InodeNumber) throws(FileSystemError) -> Inode {
    guard raw.count <= superblock.inodeSize else {
      throw .corrupt(Corruption("fast commit", inode: number, "it has \(raw.count) bytes"))
    }
    var plain = superblock
    plain.features.readOnlyCompat.remove(.metadataCsum)
    let bytes = raw + [UInt8](repeating: 0, count: superblock.inodeSize - raw.count)
    return try Inode(bytes.rawBytes, number: number, superblock: plain)
  }

  /// Puts what `Inode` does not hold into the inode's place; the commit encodes the rest.
  private func write(
    _ raw: [UInt8], _ number: InodeNumber, _ operation: Operation
  ) throws(FileSystemError) {
    let (buffer, address, range) = try inodeSlot(number)
    operation.modify(address, buffer)
    var bytes = buffer.mutableBytes
    bytes.copy(raw, at: range.lowerBound)
  }

  // MARK: Names

  /// A new directory starts empty: fast commits have its inode, and every name that came into it,
  /// but none of its blocks.
  private func initialise(
    _ number: InodeNumber, parent: InodeNumber
  ) throws(FileSystemError) {
    try withNode(number) { (node) throws(FileSystemError) in
      let needed = try node.withState { () throws(FileSystemError) -> UInt64 in
        guard let contents = contents(of: node), contents.map.isEmpty else {
          throw .unsupported(
            Unsupported("a fast commit of a directory's blocks", "inode \(number.rawValue)"))
        }
        node.inode.size = 0
        node.diskSize = 0
        node.inode.flags.remove(.index)
        return 1 + contents.nodesNeeded(newEntries: 1)
      }
      try perform(reserving: needed, claim: .tree) { (operation) throws(FileSystemError) in
        try entries(of: node).initialise(parent: parent, operation)
        node.state.withLock { node.inode.linkCount = max(node.inode.linkCount, 2) }
        operation.changed(node)
      }
    }
  }

  private func checked(_ bytes: [UInt8]) throws(FileSystemError) -> FileName {
    guard let name = try? FileName(bytes), !name.isDotOrDotDot else {
      throw .corrupt(Corruption("fast commit", "a name that no file has"))
    }
    return name
  }

  private func add(_ added: FastCommitName) throws(FileSystemError) {
    let name = try checked(added.name)
    try withNode(added.parent) { (parent) throws(FileSystemError) in
      if let match = try entries(of: parent).lookup(name.bytes) {
        guard match.inode == added.inode else {
          throw .corrupt(
            Corruption("fast commit", inode: added.parent, "the name \(name) is taken"))
        }
        return
      }
      let insertion = try planInsertion(of: name, in: parent)
      // It may have lost all its names again: then it is in memory, but cannot be acquired.
      guard let node = nodes.existing(added.inode) else {
        throw .corrupt(Corruption("fast commit", inode: added.inode, "it is nowhere"))
      }
      try perform(reserving: try blocksNeeded(for: insertion, in: parent), claim: .tree) {
        (operation) throws(FileSystemError) in
        try entries(of: parent).insert(insertion, inode: node.number, node.kind, operation)
        if node.kind == .directory { changeSubdirectoryCount(of: parent, by: 1) }
        operation.changed(parent)
      }
    }
  }

  private func remove(_ name: FastCommitPlan.Name) throws(FileSystemError) {
    let removed = name.entry
    try withNode(removed.parent) { (parent) throws(FileSystemError) in
      // Gone already, or somebody else's by now.
      guard let match = try entries(of: parent).lookup(checked(removed.name).bytes),
        match.inode == removed.inode
      else { return }
      try perform { (operation) throws(FileSystemError) in
        try entries(of: parent).remove(match, operation)
        if name.isDirectory { changeSubdirectoryCount(of: parent, by: -1) }
        operation.changed(parent)
      }
    }
  }
}
