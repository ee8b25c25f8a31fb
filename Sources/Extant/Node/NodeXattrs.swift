import BlockIO
import Ext4Format
import ExtantBase
import Threading

/// Where a node keeps its extended attributes, for `ExtendedAttributes`: the end of its slot in
/// the inode table, and the attribute block. The caller holds the node's lock.
final class NodeXattrs: XattrStorage {
  private unowned let fileSystem: FileSystem
  private let node: Node

  /// The region's bytes as they are now.
  private(set) var xattrRegion: [UInt8]?

  init(_ node: Node, _ fileSystem: FileSystem) throws(FileSystemError) {
    self.fileSystem = fileSystem
    self.node = node
    guard let region = regionInSlot else { return }
    let (buffer, _, slot) = try fileSystem.inodeSlot(node.number)
    xattrRegion = buffer.bytes.array(
      slot.lowerBound + region.lowerBound..<slot.lowerBound + region.upperBound)
  }

  var number: InodeNumber { node.number }
  var blockSize: Int { fileSystem.blockSize }
  var xattrBlockLock: Lock { fileSystem.attributeBlockLock }

  var xattrChecksumSeed: UInt32? {
    let superblock = fileSystem.superblock
    return superblock.hasMetadataChecksums ? superblock.checksumSeed : nil
  }

  var xattrBlock: BlockAddress? {
    let address = node.state.withLock { node.inode.fileACL }
    return address.rawValue == 0 ? nil : address
  }

  private var regionInSlot: Range<Int>? {
    let size = fileSystem.superblock.inodeSize
    return node.state.withLock { node.inode.xattrRange(inodeSize: size) }
  }

  func read(
    _ address: BlockAddress, verify: (RawSpan) throws(FileSystemError) -> Void
  ) throws(FileSystemError) -> BlockBuffer {
    try fileSystem.read(address, verify: verify)
  }

  func setXattrRegion(
    _ bytes: [UInt8], _ handle: any MetadataHandle
  ) throws(FileSystemError) {
    let operation = try operation(handle)
    guard let region = regionInSlot else { return }
    let (buffer, address, slot) = try fileSystem.inodeSlotToChange(node.number)
    operation.modify(address, buffer)
    var target = buffer.mutableBytes
    target.copy(bytes, at: slot.lowerBound + region.lowerBound)
    xattrRegion = bytes
    // The inode's checksum covers these bytes too.
    operation.changed(node)
  }

  func setXattrBlock(
    _ address: BlockAddress?, _ handle: any MetadataHandle
  ) throws(FileSystemError) {
    let operation = try operation(handle)
    node.state.withLock {
      let had = node.inode.fileACL.rawValue != 0
      node.inode.fileACL = address ?? BlockAddress(0)
      let sectors = fileSystem.sectorsPerBlock
      if address != nil, !had { node.inode.blocks512 += sectors }
      if address == nil, had {
        node.inode.blocks512 -= min(node.inode.blocks512, sectors)
      }
    }
    operation.changed(node)
  }

  func allocateXattrBlock(
    _ handle: any MetadataHandle
  ) throws(FileSystemError) -> BlockAddress {
    try operation(handle).allocateMetadataBlock(near: fileSystem.homeGoal(of: node))
  }

  func freeXattrBlock(
    _ address: BlockAddress, _ handle: any MetadataHandle
  ) throws(FileSystemError) {
    let operation = try operation(handle)
    operation.forget(address)
    try operation.free(address, count: 1)
  }

  private func operation(_ handle: any MetadataHandle) throws(FileSystemError) -> Operation {
    guard let operation = handle as? Operation else { throw .refused(.invalidArgument) }
    return operation
  }
}
