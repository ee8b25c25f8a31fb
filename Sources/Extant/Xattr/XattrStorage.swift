import BlockIO
import Ext4Format
import ExtantBase
import Threading

/// What the extended attributes of an inode need of it.
///
/// Whoever calls holds the inode's lock: shared for what reads, exclusive for what changes.
protocol XattrStorage: AnyObject {
  var number: InodeNumber { get }
  /// The inode's bytes for attributes, from their magic number on (`Inode.xattrRange`); nil where
  /// it has none.
  var xattrRegion: [UInt8]? { get }
  /// `i_file_acl`; nil for 0.
  var xattrBlock: BlockAddress? { get }
  var blockSize: Int { get }
  /// The filesystem's checksum seed, not the inode's; nil without `metadata_csum`.
  var xattrChecksumSeed: UInt32? { get }
  /// The filesystem's one lock around the contents of attribute blocks, which inodes of different
  /// locks may share. Held for moments, never around a read from the device; nothing that may wait
  /// is called under it.
  var xattrBlockLock: Lock { get }

  func read(
    _ address: BlockAddress, verify: (RawSpan) throws(FileSystemError) -> Void
  ) throws(FileSystemError) -> BlockBuffer

  /// Replaces the bytes of `xattrRegion` by as many others.
  func setXattrRegion(_ bytes: [UInt8], _ handle: any MetadataHandle) throws(FileSystemError)
  /// Sets `i_file_acl`, and counts the block in `i_blocks` or no longer.
  func setXattrBlock(
    _ address: BlockAddress?, _ handle: any MetadataHandle
  ) throws(FileSystemError)
  /// A block that the caller of the operation has reserved.
  func allocateXattrBlock(_ handle: any MetadataHandle) throws(FileSystemError) -> BlockAddress
  func freeXattrBlock(
    _ address: BlockAddress, _ handle: any MetadataHandle
  ) throws(FileSystemError)
}
