import BlockCache
import BlockIO
import ExtantBase
import Journal

/// One operation of the engine inside the running transaction: a journal handle, the cache it
/// changes, and the blocks reserved so that it cannot run out of space half way.
///
/// Made by `FileSystem.perform`, used by one thread.
final class Operation: MetadataHandle {
  unowned let fileSystem: FileSystem
  let handle: Handle
  /// Blocks still reserved for this operation. What is left is released at its end.
  var reserved: UInt64

  init(fileSystem: FileSystem, handle: Handle, reserved: UInt64) {
    self.fileSystem = fileSystem
    self.handle = handle
    self.reserved = reserved
  }

  var transaction: UInt64 { handle.transaction.rawValue }

  func modify(_ address: BlockAddress, _ buffer: BlockBuffer) {
    if handle.modify(address, buffer) { fileSystem.cache.pin(address) }
  }

  func newBlock(_ address: BlockAddress) -> BlockBuffer {
    let buffer = fileSystem.cache.newBlock(at: address)
    modify(address, buffer)
    return buffer
  }

  func forget(_ address: BlockAddress) {
    if handle.forget(address) { fileSystem.cache.unpin(address) }
    fileSystem.cache.discard(address, count: 1)
  }

  /// The inode changed in memory; it is encoded when the transaction commits.
  func changed(_ node: Node) {
    handle.noteChange()
    fileSystem.nodes.noteDirty(node, transaction: handle.transaction)
  }

  /// Allocates one block of metadata out of the operation's reservation.
  func allocateMetadataBlock(near goal: BlockAddress) throws(FileSystemError) -> BlockAddress {
    guard reserved > 0 else { throw .refused(.noSpace) }
    let block = try fileSystem.blocks.allocateMetadataBlock(
      goal: goal, reserved: true, handle: self)
    reserved -= 1
    return block
  }

  /// Frees blocks: they leave the cache, and become free for others after the commit.
  func free(_ start: BlockAddress, count: UInt64) throws(FileSystemError) {
    fileSystem.cache.discard(start, count: count)
    try fileSystem.blocks.free(start, count: count, transaction: transaction, handle: self)
  }
}
