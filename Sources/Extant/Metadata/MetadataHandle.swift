import BlockIO
import ExtantBase

/// Reads metadata blocks: copied to private memory, verified once, then shared.
protocol MetadataReader: AnyObject, Sendable {
  /// The block at `address`. `verify` runs when the block comes from the device, before anyone
  /// else sees it; what it throws is thrown here and the block is not kept.
  func read(
    _ address: BlockAddress, verify: (RawSpan) throws(FileSystemError) -> Void
  ) throws(FileSystemError) -> BlockBuffer

  /// Records a fault that `read` left to its caller, or that the caller found. Called with no lock
  /// held but a handle.
  func record(_ fault: FileSystemError)
}

/// One operation's share of the running transaction.
///
/// Every change of a metadata block is announced here first. After the first announcement an
/// operation must not fail: an error then aborts the filesystem. Look up, verify and reserve
/// before; change after.
protocol MetadataHandle: AnyObject {
  /// Announces that `buffer`, the block at `address`, is about to change. Cheap when repeated.
  func modify(_ address: BlockAddress, _ buffer: BlockBuffer)

  /// A zeroed buffer for a block that was just allocated as metadata; part of the transaction.
  func newBlock(_ address: BlockAddress) -> BlockBuffer

  /// The metadata block at `address` is being freed: it leaves the transaction and the cache.
  func forget(_ address: BlockAddress)
}
