import BlockIO
import Ext4Format
import ExtantBase

/// The way from a hash tree's root to one of its leaves.
struct HashTreePath {
  struct Frame {
    var block: DirectoryBlock
    var node: HashTreeNode
    /// Which of the node's entries the way follows.
    var position: Int

    var entry: HashTreeEntry { node.entry(position, in: block.buffer.bytes) }
  }

  /// The root first; never empty.
  var frames: [Frame]

  /// The block of the leaf.
  var leaf: LogicalBlock {
    LogicalBlock(UInt64(frames[frames.count - 1].entry.block))
  }

  /// The smallest hash that the leaf may hold.
  var firstHash: UInt32 {
    for frame in frames.reversed() where frame.position > 0 { return frame.entry.majorHash }
    return 0
  }

  /// The entry by which the next leaf begins; nil behind the last leaf.
  var nextEntry: HashTreeEntry? {
    for frame in frames.reversed() where frame.position + 1 < frame.node.count {
      return frame.node.entry(frame.position + 1, in: frame.block.buffer.bytes)
    }
    return nil
  }
}

extension DirectoryEntries {
  func readRoot() throws(FileSystemError) -> (block: DirectoryBlock, info: HashTreeRootInfo) {
    let format = format
    let blockCount = storage.blockCount
    let block = try storage.read(LogicalBlock(0)) { (bytes, address) throws(FileSystemError) in
      try format.verifyHashTree(bytes, .root, at: address, blockCount: blockCount)
    }
    return (block, try format.hashTreeRootInfo(block.buffer.bytes, at: block.address))
  }

  /// The filesystem's hash function in the version that the tree, where it is one, is sorted by.
  func treeHash() throws(FileSystemError) -> DirectoryHash {
    var hash = storage.hash
    if storage.isIndexed { hash.version = try readRoot().info.version }
    return hash
  }

  /// The way to the first leaf that may hold names of the major hash `hash`.
  func probe(_ hash: UInt32) throws(FileSystemError) -> HashTreePath {
    let root = try readRoot()
    return try probe(hash, root.block, root.info)
  }

  /// The way to the first leaf that may hold `name`.
  func probe(
    for name: [UInt8]
  ) throws(FileSystemError) -> (path: HashTreePath, hash: NameHash) {
    let root = try readRoot()
    var function = storage.hash
    function.version = root.info.version
    let hash = function.hash(name)
    return (try probe(hash.major, root.block, root.info), hash)
  }

  private func probe(
    _ hash: UInt32, _ root: DirectoryBlock, _ info: HashTreeRootInfo
  ) throws(FileSystemError) -> HashTreePath {
    var path = HashTreePath(frames: [try frame(root, .root, hash)])
    for _ in 0..<info.indirectLevels { try descend(&path, hash) }
    return path
  }

  /// Goes on to the next leaf. `nextEntry` must not be nil.
  func advance(_ path: inout HashTreePath) throws(FileSystemError) {
    let depth = path.frames.count
    while let last = path.frames.last, last.position + 1 >= last.node.count {
      path.frames.removeLast()
    }
    precondition(!path.frames.isEmpty)
    path.frames[path.frames.count - 1].position += 1
    // Only first entries from here on: 0 is at most any hash.
    while path.frames.count < depth { try descend(&path, 0) }
  }

  private func descend(_ path: inout HashTreePath, _ hash: UInt32) throws(FileSystemError) {
    let format = format
    let blockCount = storage.blockCount
    let logical = try checked(path.leaf, path)
    let block = try storage.read(logical) { (bytes, address) throws(FileSystemError) in
      try format.verifyHashTree(bytes, .node, at: address, blockCount: blockCount)
    }
    path.frames.append(try frame(block, .node, hash))
  }

  private func frame(
    _ block: DirectoryBlock, _ role: HashTreeNode.Role, _ hash: UInt32
  ) throws(FileSystemError) -> HashTreePath.Frame {
    let bytes = block.buffer.bytes
    let node = try format.hashTreeNode(bytes, role, at: block.address)
    return HashTreePath.Frame(
      block: block, node: node, position: node.position(of: hash, in: bytes))
  }

  func readLeaf(_ path: HashTreePath) throws(FileSystemError) -> DirectoryBlock {
    try storage.readEntries(try checked(path.leaf, path))
  }

  /// Throws unless names of the major hash `hash` belong in the path's leaf.
  func check(
    _ hash: UInt32, belongsTo path: HashTreePath, at address: BlockAddress
  ) throws(FileSystemError) {
    let next = path.nextEntry
    let isBelowNext = next.map { hash < $0.majorHash || $0.isContinuation && hash == $0.majorHash }
    guard hash >= path.firstHash, isBelowNext ?? true else {
      throw .corrupt(
        Corruption(
          "hash tree", inode: format.inode, block: address,
          "a name of hash \(hash) is in the leaf that begins with \(path.firstHash)"))
    }
  }

  /// `logical`, unless it is outside the directory or one of the index's blocks on the way there.
  private func checked(
    _ logical: LogicalBlock, _ path: HashTreePath
  ) throws(FileSystemError) -> LogicalBlock {
    let isLoop = path.frames.contains { $0.block.logical == logical }
    guard logical.rawValue < storage.blockCount, !isLoop else {
      throw .corrupt(
        Corruption(
          "hash tree", inode: format.inode, block: path.frames.last?.block.address,
          isLoop
            ? "\(logical) leads back to itself"
            : "\(logical) is none of the directory's \(storage.blockCount)"))
    }
    return logical
  }
}
