import BlockIO
import Ext4Format
import ExtantBase
import ExtentMap

extension FileSystem {
  /// The node of `number`, referenced; give it back with `release`.
  func acquire(_ number: InodeNumber) throws(FileSystemError) -> Node {
    try watch { () throws(FileSystemError) -> Node in
      try nodes.acquire(number) { () throws(FileSystemError) -> Node in try loadNode(number) }
    }
  }

  /// The node that an entry of a directory names, referenced. The directory's lock is held, so that
  /// the inode cannot be deleted meanwhile.
  func acquire(namedBy number: InodeNumber) throws(FileSystemError) -> Node {
    try watch { () throws(FileSystemError) -> Node in
      do throws(FileSystemError) {
        return try acquire(number)
      } catch .refused(.noSuchFileOrDirectory) {
        throw .corrupt(
          Corruption("directory entry", inode: number, "it names an inode not in use"))
      }
    }
  }

  /// Gives references back; the last one of an unlinked inode deletes it.
  func release(_ node: Node, count: UInt64 = 1) {
    if nodes.release(node, count: count), node.isUnlinked { deleteUnreferenced(node) }
  }

  /// Runs `body` with the node of `number` referenced.
  func withNode<R>(
    _ number: InodeNumber, _ body: (Node) throws(FileSystemError) -> R
  ) throws(FileSystemError) -> R {
    let node = try acquire(number)
    defer { release(node) }
    return try watch { () throws(FileSystemError) -> R in try body(node) }
  }

  private func loadNode(_ number: InodeNumber) throws(FileSystemError) -> Node {
    // The journal and its like are files, but no name leads there.
    guard number == .root || number.rawValue >= superblock.firstInode,
      number != superblock.orphanFileInode
    else { throw .corrupt(Corruption("inode", inode: number, "it is reserved")) }
    let inode = try readInode(number)
    guard inode.linkCount > 0 else { throw .refused(.noSuchFileOrDirectory) }
    return try makeNode(number, inode)
  }

  /// The inode as its table holds it, verified.
  func readInode(_ number: InodeNumber) throws(FileSystemError) -> Inode {
    let (buffer, _, range) = try inodeSlot(number)
    let bytes = buffer.bytes.extracting(range)
    guard !Inode.isUnused(bytes) else { throw .refused(.noSuchFileOrDirectory) }
    return try Inode(bytes, number: number, superblock: superblock)
  }

  /// Where an inode lies: its table block and the bytes in it.
  func inodeSlot(
    _ number: InodeNumber
  ) throws(FileSystemError) -> (buffer: BlockBuffer, address: BlockAddress, range: Range<Int>) {
    let place = try inodes.location(of: number)
    let range = place.offset..<place.offset + superblock.inodeSize
    guard place.offset >= 0, range.upperBound <= superblock.blockSize else {
      throw .corrupt(Corruption("inode table", inode: number, "inode lies outside its block"))
    }
    // Each inode in the block is verified on its own.
    let buffer = try read(place.block) { _ in }
    return (buffer, place.block, range)
  }

  /// As `inodeSlot`, for whoever will change the slot and so write the whole block: what comes from
  /// the device must hold the inode, or it is another block, and the other inodes in it would be
  /// lost. A new inode's block does not come from there before its first commit.
  func inodeSlotToChange(
    _ number: InodeNumber
  ) throws(FileSystemError) -> (buffer: BlockBuffer, address: BlockAddress, range: Range<Int>) {
    let place = try inodes.location(of: number)
    let range = place.offset..<place.offset + superblock.inodeSize
    _ = try read(place.block) { (bytes) throws(FileSystemError) in
      guard place.offset >= 0, range.upperBound <= bytes.byteCount else { return }
      try Inode.verifyInUse(bytes.extracting(range), number: number, superblock: superblock)
    }
    return try inodeSlot(number)
  }

  func makeNode(_ number: InodeNumber, _ inode: Inode) throws(FileSystemError) -> Node {
    guard let kind = inode.kind else {
      throw .corrupt(Corruption("inode", inode: number, "mode names no kind of file"))
    }
    return Node(
      number: number, kind: kind, inode: inode, contents: try makeContents(number, inode, kind))
  }

  private func makeContents(
    _ number: InodeNumber, _ inode: Inode, _ kind: FileKind
  ) throws(FileSystemError) -> NodeContents {
    switch kind {
    case .regular, .directory: break
    case .symbolicLink where inode.isFastSymlink(superblock: superblock): return .target
    case .symbolicLink: break
    default: return .none
    }
    guard inode.flags.contains(.extents) else {
      throw .unsupported(
        Unsupported("block-mapped inode", "inode \(number.rawValue) has no extents"))
    }
    let context = extentContext(number, generation: inode.generation)
    let root = try ExtentNode(root: inode.blockArea, context)
    try ExtentNodeReader.check(root, groups.zones, number)
    return try extentTree(
      ExtentRoot(depth: Int(root.depth), contents: ExtentNodeContents(root)), context)
  }

  /// The contents of an inode whose extent tree has this root.
  func extentTree(
    _ root: ExtentRoot, _ context: ExtentTreeContext
  ) throws(FileSystemError) -> NodeContents {
    let source = ExtentNodeReader(reader: reader, context: context, zones: groups.zones)
    return .mapped(
      ExtentTree(try ExtentMap(capacities: extentCapacities, root: root, source: source)))
  }

  func extentContext(_ number: InodeNumber, generation: UInt32) -> ExtentTreeContext {
    ExtentTreeContext(
      inode: number, firstDataBlock: BlockAddress(UInt64(superblock.firstDataBlock)),
      blockCount: superblock.blockCount,
      checksumSeed: checksumSeed(inode: number, generation: generation))
  }
}

extension Node {
  /// Nothing of it is only in memory. Called under the table's lock, with no reference left.
  var mayBeEvicted: Bool {
    guard state.tryLock() else { return false }
    defer { state.unlock() }
    guard reservedNodes == 0, !isDeleted, !isUnfinished, pendingShift == nil else { return false }
    return contents.map.map { $0.delayedBlockCount == 0 } ?? true
  }
}
