import BlockIO
import ExtantBase

/// One operation's membership in the running transaction. Ended exactly once, by its operation;
/// not shared between threads.
public final class Handle {
  private let journal: Journal
  public let transaction: TransactionID
  /// The most metadata blocks that the operation adds to the transaction.
  let credits: Int
  /// Whether this operation changed anything yet: past that point it must not fail.
  public private(set) var hasChanges = false

  init(journal: Journal, transaction: TransactionID, credits: Int) {
    self.journal = journal
    self.transaction = transaction
    self.credits = credits
  }

  public func end() { journal.end(self) }

  /// Announces a change of the metadata block at `address`. True when the block was not part of
  /// this transaction before.
  public func modify(_ address: BlockAddress, _ buffer: BlockBuffer) -> Bool {
    hasChanges = true
    return journal.add(buffer, at: address)
  }

  /// Announces the contents of a block that was free until this transaction: it is written to
  /// its home before the commit record, past the log. True when the block was not part of this
  /// transaction before.
  public func addUnlogged(_ address: BlockAddress, _ buffer: BlockBuffer) -> Bool {
    hasChanges = true
    return journal.addUnlogged(buffer, at: address)
  }

  /// Freed blocks leave the transaction; what the log says of them is revoked.
  public func forget(_ start: BlockAddress, count: UInt64) {
    hasChanges = true
    journal.remove(start, count: count)
  }

  /// The data of `inode` must be on the device before this transaction's metadata is: all of it, and
  /// first of all `blocks`, which show what lay there before once they are part of the file.
  public func order(_ inode: InodeNumber, blocks: Range<BlockAddress>? = nil) {
    hasChanges = true
    journal.order(inode, blocks)
  }

  /// Something changed in memory that the client will encode at commit.
  public func noteChange() {
    guard !hasChanges else { return }
    hasChanges = true
    journal.noteChange()
  }

  /// The encoding will add this many blocks that nobody announces before.
  public func charge(_ blocks: Int) { journal.charge(blocks) }
}
