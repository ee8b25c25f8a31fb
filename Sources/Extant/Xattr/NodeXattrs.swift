import BlockIO
import Ext4Format
import ExtantBase
import Threading

/// Where a node keeps its extended attributes, for `ExtendedAttributes`: the end of its slot in
/// the inode table, and the attribute block.
///
/// Whoever calls holds the node's lock: shared for what reads, exclusive for what changes.
final class NodeXattrs {
  private unowned let fileSystem: FileSystem
  private let node: Node

  /// The inode's bytes for attributes as they are now, from their magic number on
  /// (`Inode.xattrRange`); nil where it has none.
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

  /// The filesystem's one lock around the contents of attribute blocks, which inodes of different
  /// locks may share. Held for moments, never around a read from the device; nothing that may wait
  /// is called under it.
  var xattrBlockLock: Lock { fileSystem.attributeBlockLock }

  /// The filesystem's checksum seed, not the inode's; nil without `metadata_csum`.
  var xattrChecksumSeed: UInt32? {
    let superblock = fileSystem.superblock
    return superblock.hasMetadataChecksums ? superblock.checksumSeed : nil
  }

  /// `i_file_acl`; nil for 0.
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

  /// Replaces the bytes of `xattrRegion` by as many others.
  func setXattrRegion(_ bytes: [UInt8], _ operation: Operation) throws(FileSystemError) {
    guard let region = regionInSlot else { return }
    let (buffer, address, slot) = try fileSystem.inodeSlotToChange(node.number)
    operation.modify(address, buffer)
    var target = buffer.mutableBytes
    target.copy(bytes, at: slot.lowerBound + region.lowerBound)
    xattrRegion = bytes
    // The inode's checksum covers these bytes too.
    operation.changed(node)
  }

  /// Sets `i_file_acl`, and counts the block in `i_blocks` or no longer.
  func setXattrBlock(_ address: BlockAddress?, _ operation: Operation) {
    node.state.withLock {
      let had = node.inode.fileACL.rawValue != 0
      node.inode.fileACL = address ?? BlockAddress(0)
      if had != (address != nil) { fileSystem.charge(blocks: had ? -1 : 1, to: node) }
    }
    operation.changed(node)
  }

  /// A block that the caller of the operation has reserved.
  func allocateXattrBlock(_ operation: Operation) throws(FileSystemError) -> BlockAddress {
    try operation.allocateMetadataBlock(
      near:
        fileSystem.inodes.goalBlock(for: node.number, isFileData: node.kind == .regular))
  }

  func freeXattrBlock(
    _ address: BlockAddress, _ operation: Operation
  ) throws(FileSystemError) {
    operation.forget(address)
    try operation.free(address, count: 1)
  }
}
