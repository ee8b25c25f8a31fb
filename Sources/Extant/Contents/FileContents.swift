import BlockCache
import BlockIO
import Ext4Format
import ExtantBase
import ExtentMap
import Journal

/// The contents of an inode that maps blocks, and what is done with them: reading and writing,
/// write-back, the fallocate family, removal. A few references, made for each call.
///
/// Where a method says nothing else, its caller holds `node.lock`: shared for what reads, exclusive for
/// what changes.
struct FileContents {
  let node: Node
  let mapping: any BlockMapping
  let map: ExtentMap
  let fileSystem: FileSystem

  init(_ fileSystem: FileSystem, _ node: Node, _ mapping: any BlockMapping) {
    self.fileSystem = fileSystem
    self.node = node
    self.mapping = mapping
    map = mapping.map
  }
}

extension FileSystem {
  /// The contents of a node that maps blocks; nil of any other.
  func contents(of node: Node) -> FileContents? {
    guard case .mapped(let mapping) = node.contents else { return nil }
    return FileContents(self, node, mapping)
  }

  /// EINVAL where the node maps no blocks.
  func mappedContents(of node: Node) throws(FileSystemError) -> FileContents {
    guard let contents = contents(of: node) else { throw .refused(.invalidArgument) }
    return contents
  }
}

/// What contents need of the filesystem that they are in.
extension FileContents {
  var device: any BlockDevice { fileSystem.device }
  var cache: BlockCache { fileSystem.cache }
  var journal: Journal { fileSystem.journal }
  /// The allocator.
  var blocks: BlockAllocator { fileSystem.blocks }
  var blockSize: Int { fileSystem.blockSize }
  var blockSize64: UInt64 { fileSystem.blockSize64 }

  /// Where the blocks of the inode go when it has none yet.
  var homeGoal: BlockAddress {
    fileSystem.inodes.goalBlock(for: node.number, isFileData: node.kind == .regular)
  }

  /// The seed of the checksums of the inode's own blocks. Called under `node.state`.
  var checksumSeed: UInt32? {
    fileSystem.checksumSeed(inode: node.number, generation: node.inode.generation)
  }

  func perform<R>(
    credits: Int = FileSystem.ordinaryCredits,
    _ body: (Operation) throws(FileSystemError) -> R
  ) throws(FileSystemError) -> R {
    try fileSystem.perform(credits: credits, body)
  }

  func perform<R>(
    reserved: UInt64, credits: Int, _ body: (Operation) throws(FileSystemError) -> R
  ) throws(FileSystemError) -> R {
    try fileSystem.perform(reserved: reserved, credits: credits, body)
  }

  /// Blocks that come to the inode, or leave it. Called under `node.state`.
  func charge(blocks change: Int64) { fileSystem.charge(blocks: change, to: node) }

  /// Contents changed: modification and change time. Called under `node.state`.
  func touch() { fileSystem.touchContents(node) }
}
