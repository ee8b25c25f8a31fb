import BlockIO
import ExtantBase

/// One operation's membership in the running transaction. Ended exactly once, by its operation;
/// not shared between threads.
public final class Handle {
  private let journal: Journal
  public let transaction: TransactionID
  /// Whether this operation changed anything yet: past that point it must not fail.
  public private(set) var hasChanges = false

  init(journal: Journal, transaction: TransactionID) {
    self.journal = journal
    self.transaction = transaction
  }

  public func end() { journal.end(self) }

  /// Announces a change of the metadata block at `address`. True when the block was not part of
  /// this transaction before.
  public func modify(_ address: BlockAddress, _ buffer: BlockBuffer) -> Bool {
    hasChanges = true
    return journal.add(buffer, at: address)
  }

  /// Takes a freed metadata block out of the transaction. True when it was part of it.
  public func forget(_ address: BlockAddress) -> Bool {
    hasChanges = true
    return journal.remove(address)
  }

  /// The data of `inode` must be on the device before this transaction's metadata is.
  public func order(_ inode: InodeNumber) {
    hasChanges = true
    journal.order(inode)
  }

  /// Something changed in memory that the client will encode at commit.
  public func noteChange() {
    guard !hasChanges else { return }
    hasChanges = true
    journal.noteChange()
  }
}
