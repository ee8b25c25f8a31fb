import BlockIO
import Ext4Format
import ExtantBase
import ExtentMap

/// A directory's blocks, for `DirectoryEntries`. The caller holds the node's lock.
final class NodeDirectory: DirectoryStorage {
  private unowned let fileSystem: FileSystem
  private let node: Node
  let format: DirectoryBlockFormat
  let hash: DirectoryHash

  init(_ node: Node, _ fileSystem: FileSystem) {
    self.fileSystem = fileSystem
    self.node = node
    let superblock = fileSystem.superblock
    let generation = node.state.withLock { node.inode.generation }
    format = DirectoryBlockFormat(
      inode: node.number, blockSize: superblock.blockSize,
      hasFileType: superblock.features.incompat.contains(.filetype),
      checksumSeed: fileSystem.checksumSeed(inode: node.number, generation: generation),
      inodeCount: superblock.inodeCount)
    hash = fileSystem.directoryHash
  }

  var mayBeIndexed: Bool { fileSystem.superblock.features.compat.contains(.dirIndex) }

  var hasIndexFlag: Bool { node.state.withLock { node.inode.flags.contains(.index) } }

  var blockCount: UInt64 { node.size / fileSystem.blockSize64 }

  func read(
    _ logical: LogicalBlock,
    verify: (RawSpan, BlockAddress) throws(FileSystemError) -> Void
  ) throws(FileSystemError) -> DirectoryBlock {
    let address = try node.withState { () throws(FileSystemError) -> BlockAddress in
      guard let map = node.contents.map, case .extent(let run) = try map.run(at: logical),
        run.state == .written
      else {
        throw .corrupt(
          Corruption("directory", inode: node.number, "\(logical) is not mapped"))
      }
      return run.address(of: logical)
    }
    let buffer = try fileSystem.read(address) { (bytes) throws(FileSystemError) in
      try verify(bytes, address)
    }
    return DirectoryBlock(logical: logical, address: address, buffer: buffer)
  }

  func append(_ operation: Operation) throws(FileSystemError) -> DirectoryBlock {
    try node.withState { () throws(FileSystemError) -> DirectoryBlock in
      let contents = try fileSystem.mappedContents(of: node)
      let logical = LogicalBlock(node.inode.size / fileSystem.blockSize64)
      let address = try operation.allocateMetadataBlock(
        near: try contents.goal(at: logical))
      // Blocks behind the end belong to nobody here; a directory has none.
      try contents.map.set(logical..<logical + 1, address: address, state: .written)
      operation.reserved = try contents.settleNodes(
        available: operation.reserved, operation)
      node.inode.size += fileSystem.blockSize64
      node.diskSize = node.inode.size
      contents.charge(blocks: 1)
      operation.changed(node)
      return DirectoryBlock(
        logical: logical, address: address, buffer: operation.newBlock(address))
    }
  }

  func willSplit() { fileSystem.device.note(.directorySplit) }

  func setIndexFlag(_ operation: Operation) {
    node.state.withLock { _ = node.inode.flags.insert(.index) }
    operation.changed(node)
  }
}
