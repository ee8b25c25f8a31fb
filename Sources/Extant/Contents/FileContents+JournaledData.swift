import BlockCache
import ExtantBase
import ExtentMap
import Journal

/// data=journal, and files with the flag `j` of chattr(1): their contents enter the transaction as
/// metadata does, are logged with it, and come home with a checkpoint.
///
/// A block's contents join the transaction in the operation that makes it part of the file: a
/// write into a block that has a home, or the allocation of a delayed one. What else changes
/// contents (zeros in a part of a block) joins before the operation does that needs it. Freed
/// blocks are revoked as metadata's are.
extension FileContents {
  /// Whether the file's contents go through the journal. Called under `node.state`.
  var journalsData: Bool {
    guard journal.hasLog, node.kind == .regular else { return false }
    return fileSystem.journalsAllData || node.inode.flags.contains(.journalData)
  }

  /// In blocks: how much of such a file one operation puts into the transaction. Each block may be
  /// an extent that changes with it.
  var journaledStep: Int {
    max(
      1, (journal.maximumCredits - FileSystem.ordinaryCredits) / (FileSystem.creditsPerExtent + 1))
  }

  /// Puts what is dirty of these blocks of the file into the operation's transaction. Called under
  /// `node.state`.
  func journalData(
    _ start: BlockAddress, count: UInt64, _ operation: Operation
  ) {
    guard !start.isVirtual else { return }
    for step in 0..<count {
      let address = start + step
      guard let copy = cache.takeForJournal(address, owner: node.number) else { continue }
      // One pin for each transaction that has the block.
      if !operation.handle.modify(address, copy) { cache.unpin(address) }
    }
  }

  /// As `journalData`, for all that is dirty of a file and has a home.
  func journalDirtyData() throws(FileSystemError) {
    let dirty = cache.dirtyHomes(of: node.number)
    for first in stride(from: 0, to: dirty.count, by: journaledStep) {
      let part = dirty[first..<min(dirty.count, first + journaledStep)]
      try perform(credits: part.count + 1) { (operation) throws(FileSystemError) in
        node.state.withLock {
          for address in part { journalData(address, count: 1, operation) }
          operation.changed(node)
        }
      }
    }
  }

  /// Before the flag `j` of a file changes: nothing of it is left in memory or in the log, where it
  /// would be in the way of contents that do not go there, or the other way round.
  func settleJournaledData() throws(FileSystemError) {
    guard journal.hasLog, node.kind == .regular else { return }
    if let failure = writeBackUntold() { throw failure }
    try journal.commit()
    try journal.checkpoint()
  }
}
