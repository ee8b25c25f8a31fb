import BlockIO
import Ext4Format
import ExtantBase

/// A block of a directory, read and verified.
struct DirectoryBlock {
  var logical: LogicalBlock
  var address: BlockAddress
  var buffer: BlockBuffer
}

/// What the entries of a directory need of the directory's inode.
///
/// Whoever calls holds the directory's lock: shared for what reads, exclusive for what changes.
protocol DirectoryStorage: AnyObject {
  /// What announces changes, and gives the blocks that were reserved.
  associatedtype Handle: MetadataHandle

  var format: DirectoryBlockFormat { get }
  /// The filesystem's hash function; an existing tree's version is in its root.
  var hash: DirectoryHash { get }
  /// The feature `dir_index`: a directory that outgrows one block becomes a hash tree.
  var mayBeIndexed: Bool { get }
  /// The inode's flag INDEX.
  var hasIndexFlag: Bool { get }
  /// The directory's size in blocks.
  var blockCount: UInt64 { get }

  /// The block at `logical`, below `blockCount`. `verify` runs when it comes from the device,
  /// before anyone else sees it. A hole in a directory is a corruption.
  func read(
    _ logical: LogicalBlock,
    verify: (RawSpan, BlockAddress) throws(FileSystemError) -> Void
  ) throws(FileSystemError) -> DirectoryBlock

  /// A zeroed block behind the last one; the directory grows by it. The caller of the operation
  /// has reserved it, so that this fails only with the device.
  func append(_ handle: Handle) throws(FileSystemError) -> DirectoryBlock

  /// A leaf is about to be split: told to devices that listen.
  func willSplit()

  /// Sets the inode's flag INDEX.
  func setIndexFlag(_ handle: Handle)
}

extension DirectoryStorage {
  func willSplit() {}

  /// Whether the directory is a hash tree. The flag means nothing without the feature.
  var isIndexed: Bool { mayBeIndexed && hasIndexFlag }

  /// Reads a block that holds entries and no index.
  func readEntries(_ logical: LogicalBlock) throws(FileSystemError) -> DirectoryBlock {
    let format = format
    let block = try read(logical) { (bytes, address) throws(FileSystemError) in
      try format.verify(bytes, at: address)
    }
    // An index that leads to one of its own nodes would find it in the cache, verified as one.
    try format.verifyTail(block.buffer.bytes, at: block.address)
    return block
  }
}
