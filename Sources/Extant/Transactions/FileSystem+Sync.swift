import ExtantBase
import Journal

/// fsync and friends.
extension FileSystem {
  /// Makes the node's contents and attributes durable; with `dataOnly` the contents and what is
  /// needed to read them back, which after a mere overwrite is a flush without a commit.
  func sync(_ node: Node, dataOnly: Bool) throws(FileSystemError) {
    guard readOnlyReason == nil else { return }
    // Nothing that was changed since the last commit will ever be durable.
    try requireRunning()
    if let reason = journal.abortReason { throw reason }
    if let contents = contents(of: node) {
      try watch { () throws(FileSystemError) in try contents.writeBack() }
    }
    let ticket = journal.flushTicket
    let change = nodes.lastChange(of: node, dataOnly: dataOnly)
    if change > 0, !isPlanted(.fsyncDoesNotCommit),
      !(dataOnly && isPlanted(.fdatasyncForgetsSize))
    {
      try journal.commit(through: TransactionID(change))
    }
    try journal.flush(after: ticket)
  }

  /// What the flag S of chattr(1), or the option sync, asks for after a change of a file's contents,
  /// as after every write to a descriptor with O_DSYNC. Directories with S or D, and dirsync:
  /// `Operation.mustBeDurable`.
  func syncIfFlagged(_ node: Node) throws(FileSystemError) {
    guard
      options.synchrony == .everything
        || node.state.withLock({ node.inode.flags.contains(.synchronous) })
    else { return }
    try sync(node, dataOnly: true)
  }

  /// Everything so far is durable when this returns.
  public func sync() throws(FileSystemError) {
    guard readOnlyReason == nil else { return }
    try requireRunning()
    if let reason = journal.abortReason { throw reason }
    try watch { () throws(FileSystemError) in try writeEverything() }
  }

  /// fsync(2) of a directory or file by number.
  public func sync(_ inode: InodeNumber) throws(FileSystemError) {
    try withNode(inode) { (node) throws(FileSystemError) in try sync(node, dataOnly: false) }
  }

  /// How `shutDown` treats what is not on the device yet.
  public enum ShutDownMode: Sendable { case flush, noFlush }

  /// Stops the filesystem at once: later changes, syncs and reads of contents are refused with EIO;
  /// names and attributes can still be looked at. What was not yet durable is lost with `noFlush`;
  /// what `flush` could not write is thrown afterwards.
  public func shutDown(_ mode: ShutDownMode) throws(FileSystemError) {
    var failure: FileSystemError?
    if mode == .flush {
      do throws(FileSystemError) { try sync() } catch { failure = error }
      do throws(FileSystemError) { try journal.checkpoint() } catch { failure = failure ?? error }
    }
    hasShutDown.store(true, ordering: .relaxed)
    journal.abort(.refused(.readOnlyFileSystem))
    if let failure { throw failure }
  }
}
