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
  /// The operation returns only when its transaction is durable.
  var mustBeDurable = false
  /// Blocks that it added to the transaction, and charged it for.
  private(set) var spentCredits = 0

  init(fileSystem: FileSystem, handle: Handle, reserved: UInt64) {
    self.fileSystem = fileSystem
    self.handle = handle
    self.reserved = reserved
  }

  var transaction: UInt64 { handle.transaction.rawValue }

  func modify(_ address: BlockAddress, _ buffer: BlockBuffer) {
    if handle.modify(address, buffer) {
      fileSystem.cache.pin(address)
      spentCredits += 1
    }
  }

  func newBlock(_ address: BlockAddress) -> BlockBuffer {
    let buffer = fileSystem.cache.newBlock(at: address)
    modify(address, buffer)
    return buffer
  }

  /// As `newBlock`, for a block that the next commit writes straight to its home, past the log:
  /// the block must be free on the device as it is now.
  func newUnloggedBlock(_ address: BlockAddress) -> BlockBuffer {
    let buffer = fileSystem.cache.newBlock(at: address)
    if handle.addUnlogged(address, buffer) { fileSystem.cache.pin(address) }
    return buffer
  }

  func forget(_ address: BlockAddress) {
    handle.forget(address, count: 1)
    fileSystem.cache.discard(address, count: 1)
  }

  /// The encoding at commit will add this many blocks that nobody announces before.
  func charge(_ blocks: Int) {
    guard blocks > 0 else { return }
    handle.charge(blocks)
    spentCredits += blocks
  }

  /// The inode changed in memory; it is encoded when the transaction commits. `onlyTimes`: what was
  /// written can be read back without this change.
  func changed(_ node: Node, onlyTimes: Bool = false) {
    handle.noteChange()
    if fileSystem.nodes.noteDirty(
      node, transaction: handle.transaction, onlyTimes: onlyTimes)
    {
      charge(1)
    }
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
    handle.forget(start, count: count)
    fileSystem.cache.discard(start, count: count)
    try fileSystem.blocks.free(start, count: count, transaction: transaction, handle: self)
  }
}
