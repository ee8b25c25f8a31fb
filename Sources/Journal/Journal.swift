import BlockIO
import ExtantBase
import Threading

/// Groups metadata changes into transactions and makes each durable as a whole, in order.
///
/// One transaction is running and takes changes; at most one is committing. Operations join the
/// running transaction through a `Handle`. A commit first *freezes* it: no new handle starts and
/// the open ones end. Frozen, the client encodes what it changed in memory, and a copy of every
/// changed block is taken, and the data it needs is written. Then operations go on, in the next
/// transaction, while the copies are written (`MetadataWriter`).
///
/// Lock order: `commitLock`, then `lock`. A thread with an open handle must not call `commit` or
/// `begin`: a commit waits for its handle.
public final class Journal: @unchecked Sendable {
  private let writer: MetadataWriter
  private weak let client: (any TransactionClient)?

  private let commitLock = Lock()
  private let lock = Lock()
  private let changed = Condition()

  // Under `lock`.
  private var running: Transaction
  private var openHandles = 0
  private var isFrozen = false
  private var lastCommitted: TransactionID
  private var failure: FileSystemError?

  public init(device: any BlockDevice, blockSize: Int, client: any TransactionClient) {
    self.writer = MetadataWriter(device: device, blockSize: blockSize)
    self.client = client
    self.lastCommitted = TransactionID(0)
    self.running = Transaction(id: TransactionID(1))
  }

  /// Joins the running transaction; waits while a commit has it frozen. The handle must be
  /// ended. Throws the error that aborted the journal, once it is aborted.
  public func begin() throws(FileSystemError) -> Handle {
    lock.lock()
    defer { lock.unlock() }
    while isFrozen && failure == nil { changed.wait(lock) }
    if let failure { throw failure }
    openHandles += 1
    return Handle(journal: self, transaction: running.id)
  }

  func end(_ handle: Handle) {
    lock.withLock {
      openHandles -= 1
      if openHandles == 0 { changed.broadcast() }
    }
  }

  /// True when the block was not part of the running transaction before.
  func add(_ buffer: BlockBuffer, at address: BlockAddress) -> Bool {
    lock.withLock { running.metadata.updateValue(buffer, forKey: address) == nil }
  }

  /// True when the block was part of the running transaction.
  func remove(_ address: BlockAddress) -> Bool {
    lock.withLock { running.metadata.removeValue(forKey: address) != nil }
  }

  func order(_ inode: InodeNumber) {
    lock.withLock { _ = running.orderedInodes.insert(inode) }
  }

  func noteChange() {
    lock.withLock { running.hasChanges = true }
  }

  /// The transaction that takes changes now.
  public var runningTransaction: TransactionID { lock.withLock { running.id } }

  /// Blocks of metadata that the running transaction will write.
  public var runningBlockCount: Int { lock.withLock { running.metadata.count } }

  /// The error that stopped the journal.
  public var abortReason: FileSystemError? { lock.withLock { failure } }

  /// Stops: nothing more is written, every later call throws `error`.
  public func abort(_ error: FileSystemError) {
    lock.withLock {
      if failure == nil { failure = error }
      changed.broadcast()
    }
  }

  /// Returns when `transaction` and all before it are durable; by default everything so far.
  ///
  /// A failure to write aborts the journal: what is on the device is unknown from then on.
  ///
  /// Returns whether there was anything to do: the device has been flushed then.
  @discardableResult
  public func commit(
    through transaction: TransactionID? = nil
  ) throws(FileSystemError) -> Bool {
    let target = transaction ?? runningTransaction
    return try commitLock.withLock { () throws(FileSystemError) -> Bool in
      if let failure = abortReason { throw failure }
      guard lock.withLock({ lastCommitted < target && !running.isEmpty }) else { return false }
      do throws(FileSystemError) {
        try commitRunning()
      } catch {
        abort(error)
        throw error
      }
      return true
    }
  }

  private func commitRunning() throws(FileSystemError) {
    guard let client else { return }
    // Most of the data goes while operations run on, so that little is left to write frozen.
    try client.writeData(of: lock.withLock { running.orderedInodes })
    let frozen = try takeRunning(client)
    try writer.write(frozen)
    lock.withLock { lastCommitted = frozen.id }
    client.didCommit(frozen.id, blocks: frozen.addresses)
  }

  /// Encodes and copies the running transaction, writes what data it still needs, and starts the
  /// next one. Later, an operation of the next transaction could drop that data from the cache,
  /// as a punch does, and a crash would show what lay in its blocks before.
  private func takeRunning(
    _ client: any TransactionClient
  ) throws(FileSystemError) -> FrozenTransaction {
    freeze()
    defer { thaw() }
    // An operation that failed half way may have been the last that the freeze waited for.
    if let failure = abortReason { throw failure }
    try client.encode(Handle(journal: self, transaction: runningTransaction))
    try client.writeData(of: lock.withLock { running.orderedInodes })
    let transaction = lock.withLock {
      let taken = running
      running = Transaction(id: taken.id.next)
      return taken
    }
    return FrozenTransaction(transaction)
  }

  private func freeze() {
    lock.withLock {
      isFrozen = true
      while openHandles > 0 { changed.wait(lock) }
    }
  }

  private func thaw() {
    lock.withLock {
      isFrozen = false
      changed.broadcast()
    }
  }
}

/// What the journal asks of the engine around a commit.
public protocol TransactionClient: AnyObject, Sendable {
  /// Called frozen: bring every changed structure into its blocks and announce them to `handle`.
  func encode(_ handle: Handle) throws(FileSystemError)
  /// Write the data that must be on the device before this transaction's metadata is. Called
  /// before the freeze, and again frozen.
  func writeData(of inodes: Set<InodeNumber>) throws(FileSystemError)
  /// The transaction is durable; `blocks` are the metadata blocks it wrote.
  func didCommit(_ transaction: TransactionID, blocks: [BlockAddress])
}
