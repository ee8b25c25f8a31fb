import BlockIO
import Ext4Format
import ExtantBase
import Threading

import struct SystemPackage.Errno
import ImageIO

/// Groups metadata changes into transactions and makes each durable as a whole, in order.
///
/// One transaction is running and takes changes; at most one is committing. Operations join the
/// running transaction through a `Handle`. A commit first *freezes* it: no new handle starts and
/// the open ones end. Frozen, the client encodes what it changed in memory, and a copy of every
/// changed block is taken, and the data it needs is written. Then operations go on, in the next
/// transaction, while the copies are written.
///
/// With a log the copies go there, and to their homes later (`checkpoint`); without one they go
/// to their homes at once, between two flushes, and a crash there can leave half of them.
///
/// Lock order: `commitLock`, then `lock`. A thread with an open handle must not call `commit` or
/// `begin`: a commit waits for its handle.
public final class Journal: @unchecked Sendable {
  private weak let client: (any TransactionClient)?
  let device: any BlockDevice
  let gate: FlushGate
  let homes: HomeWriter
  let limits: Limits

  let commitLock = Lock(.commit)
  // Under `commitLock`.
  let log: Log?
  /// What the log holds and the homes do not yet: the newest of each block.
  var unwritten: [BlockAddress: LoggedBlock] = [:]
  var statisticsSoFar = Statistics()

  let lock = Lock(.journal)
  private let changed = Condition()
  // Under `lock`.
  private var running: Transaction
  private var openHandles = 0
  /// Threads that wait in `begin`.
  private var waiting = 0
  private var isFrozen = false
  var lastCommitted: TransactionID
  private var failure: FileSystemError?
  /// The last transaction in the log that holds a block, committed or committing.
  var lastLogged: [BlockAddress: TransactionID] = [:]

  struct LoggedBlock {
    let image: BlockBuffer
    let transaction: TransactionID
  }

  struct Limits {
    /// Blocks that one transaction may add to the log.
    var transaction: Int
    /// Blocks kept in memory for a checkpoint.
    var unwritten: Int
  }

  /// - Parameters:
  ///   - log: where the log is, and its superblock, with nothing to recover; nil for none.
  ///   - memoryLimit: in blocks: what a transaction may grow to, and again what may wait for its
  ///     checkpoint.
  ///   - usesBarriers: false leaves out every flush, and with it every promise about power cuts.
  ///   - kind: names metadata blocks for a device that listens to events.
  public init(
    device: any BlockDevice, blockSize: Int,
    log: (area: JournalArea, superblock: JournalSuperblock)?,
    memoryLimit: Int, usesBarriers: Bool = true,
    kind: (@Sendable (BlockAddress, BlockBuffer) -> DeviceEvent)? = nil,
    client: any TransactionClient
  ) throws(FileSystemError) {
    self.device = device
    self.client = client
    gate = FlushGate(device: device, isEnabled: usesBarriers)
    homes = HomeWriter(device: device, blockSize: blockSize, kind: kind)
    var limits = Limits(transaction: max(256, memoryLimit), unwritten: max(256, memoryLimit))
    var ownLog: Log?
    if let log {
      let taken = try Log(area: log.area, superblock: log.superblock, isDurable: usesBarriers)
      // As JBD2: several transactions have room, and one can run while others wait.
      limits.transaction = min(limits.transaction, taken.capacity / 4)
      ownLog = taken
    }
    self.log = ownLog
    self.limits = limits
    lastCommitted = TransactionID(0)
    running = Transaction(id: TransactionID(1))
  }

  /// Whether there is a log: without one a crash can leave half of a commit.
  public var hasLog: Bool { log != nil }

  // MARK: Handles

  /// The most blocks that one operation can add to a transaction.
  public var maximumCredits: Int { limits.transaction / 2 }

  /// Joins the running transaction; waits while a commit has it frozen, and commits it first when
  /// `credits` more blocks would make it too large. The handle must be ended.
  ///
  /// Throws EROFS once the journal is aborted, what failed where that is the commit it makes, and
  /// `unsupported` where no transaction could hold so many.
  public func begin(credits: Int) throws(FileSystemError) -> Handle {
    guard credits < limits.transaction else {
      throw .unsupported(
        Unsupported("a journal this small", "an operation may change \(credits) metadata blocks"))
    }
    LockOrder.check(self, .journalHandle)
    while true {
      if let handle = try join(credits) {
        LockOrder.took(handle, .journalHandle)
        return handle
      }
      try commit()
    }
  }

  /// Nil when the transaction is too full and must be committed.
  private func join(_ credits: Int) throws(FileSystemError) -> Handle? {
    lock.lock()
    defer { lock.unlock() }
    while true {
      if failure != nil { throw .refused(.readOnlyFileSystem) }
      if !isFrozen {
        let bound = running.loggedBound
        if bound + credits <= limits.transaction || bound == 1 { break }
        // What is open may end without having changed anything.
        guard running.isEmpty else { return nil }
      }
      waiting += 1
      changed.wait(lock)
      waiting -= 1
    }
    openHandles += 1
    running.openCredits += credits
    return Handle(journal: self, transaction: running.id, credits: credits)
  }

  func end(_ handle: Handle) {
    LockOrder.gave(handle, .journalHandle)
    lock.withLock {
      openHandles -= 1
      running.openCredits -= handle.credits
      if openHandles == 0 || waiting > 0 { changed.broadcast() }
    }
  }

  func add(_ buffer: BlockBuffer, at address: BlockAddress) -> Bool {
    lock.withLock {
      guard running.unlogged[address] == nil else { return false }
      return running.metadata.updateValue(buffer, forKey: address) == nil
    }
  }

  func addUnlogged(_ buffer: BlockBuffer, at address: BlockAddress) -> Bool {
    lock.withLock { running.unlogged.updateValue(buffer, forKey: address) == nil }
  }

  func remove(_ start: BlockAddress, count: UInt64) {
    let end = start.rawValue.addingReportingOverflow(count)
    let range = start.rawValue..<(end.overflow ? .max : end.partialValue)
    lock.withLock {
      // Of a block that neither the transaction nor the log holds nothing else is left here.
      running.hasChanges = true
      running.metadata.removeAll(in: range)
      running.unlogged.removeAll(in: range)
      lastLogged.forEachKey(in: range) { running.revoked.insert($0) }
    }
  }

  func order(_ inode: InodeNumber, _ blocks: Range<BlockAddress>?) {
    lock.withLock { running.order(inode, blocks) }
  }

  func noteChange() {
    lock.withLock { running.hasChanges = true }
  }

  func charge(_ blocks: Int) {
    lock.withLock { running.charged += max(0, blocks) }
  }

  /// The transaction that takes changes now.
  public var runningTransaction: TransactionID { lock.withLock { running.id } }

  /// Whether the running transaction has grown so far that it should be committed.
  public var isNearlyFull: Bool {
    lock.withLock { running.loggedBound > limits.transaction / 4 * 3 }
  }

  /// Blocks of metadata that the running transaction holds.
  public var runningBlockCount: Int {
    lock.withLock { running.metadata.count + running.unlogged.count }
  }

  // MARK: Failure

  /// The error that stopped the journal.
  public var abortReason: FileSystemError? { lock.withLock { failure } }

  /// Stops: nothing more is written, every later call throws `error`. A fault is noted in the log's
  /// superblock, for the next who opens it.
  public func abort(_ error: FileSystemError) {
    let isFirst = lock.withLock {
      defer { changed.broadcast() }
      guard failure == nil else { return false }
      failure = error
      return true
    }
    guard isFirst else { return }
    // A commit that is on its way notes it when it ends.
    if commitLock.tryLock() {
      noteAbort()
      commitLock.unlock()
    }
    client?.didAbort(error)
  }

  /// Notes in the log's superblock that it was aborted, as far as that still works: EIO, as JBD2
  /// does. Called under `commitLock`, once or twice.
  func noteAbort() {
    guard let failure = abortReason, failure != .refused(.readOnlyFileSystem) else { return }
    try? log?.record(errno: -Errno.ioError.rawValue)
  }

  // MARK: Commit

  /// Draw one when data was written; `flush(after:)` then waits for no more than it must.
  public var flushTicket: UInt64 { gate.ticket }

  /// What was written to the device before `ticket` was drawn is durable when this returns. A
  /// commit in between has done that already.
  public func flush(after ticket: UInt64) throws(FileSystemError) {
    try gate.flush(after: ticket)
  }

  /// Returns when `transaction` and all before it are durable; by default everything so far.
  /// Threads that wait for the same commit share it.
  ///
  /// A failure to write aborts the journal: what is on the device is unknown from then on.
  public func commit(through transaction: TransactionID? = nil) throws(FileSystemError) {
    let target = transaction ?? runningTransaction
    try commitLock.withLock { () throws(FileSystemError) in
      if let failure = abortReason { throw failure }
      guard lock.withLock({ lastCommitted < target && !running.isEmpty }) else { return }
      try abortingOnFailure { () throws(FileSystemError) in try commitRunning() }
      if abortReason != nil { noteAbort() }
    }
  }

  func abortingOnFailure(
    _ body: () throws(FileSystemError) -> Void
  ) throws(FileSystemError) {
    do throws(FileSystemError) {
      try body()
    } catch {
      abort(error)
      noteAbort()
      throw error
    }
  }

  private func commitRunning() throws(FileSystemError) {
    guard let client else { return }
    // Most of the data goes while operations run on, so that little is left to write frozen. What
    // fails is tried again there.
    if !isPlanted(.dataAfterCommit) {
      client.writeData(of: lock.withLock { Array(running.ordered.keys) })
    }
    let frozen = try takeRunning(client)
    try homes.write(frozen.unlogged)
    if let log {
      try append(frozen, to: log)
    } else {
      try gate.flush()
      try homes.write(frozen.logged)
      try gate.flush()
      client.release(frozen.logged.addresses)
    }
    client.release(frozen.unlogged.addresses)
    lock.withLock { lastCommitted = frozen.id }
    statisticsSoFar.note(frozen)
    client.didCommit(frozen.id)
    if let log { try checkpointIfDue(log) }
  }

  /// Writes what data the running transaction still needs, encodes and copies it, and starts the
  /// next one. Later, an operation of the next transaction could drop that data from the cache,
  /// as a punch does, and a crash would show what lay in its blocks before.
  private func takeRunning(
    _ client: any TransactionClient
  ) throws(FileSystemError) -> FrozenTransaction {
    freeze()
    defer { thaw() }
    // An operation that failed half way may have been the last that the freeze waited for.
    if let failure = abortReason { throw failure }
    let handle = Handle(journal: self, transaction: runningTransaction, credits: 0)
    // Before the encoding: blocks that cannot be written become no part of their file.
    if !isPlanted(.dataAfterCommit) {
      try client.settleData(lock.withLock { running.ordered }, handle)
    }
    let bound = lock.withLock { running.loggedBound }
    try client.encode(handle)
    // What was not announced could be more than the log has room for.
    assert(lock.withLock { running.metadata.count } <= bound, "encoding adds more than announced")
    let transaction = lock.withLock {
      let taken = running
      running = Transaction(id: taken.id.next)
      if log != nil { for address in taken.metadata.keys { lastLogged[address] = taken.id } }
      return taken
    }
    return FrozenTransaction(transaction)
  }

  private func append(
    _ transaction: FrozenTransaction, to log: Log
  ) throws(FileSystemError) {
    let needed = log.blocksNeeded(transaction)
    if log.usedBlocks + needed > log.capacity {
      try checkpoint(log, keeping: max(0, log.capacity / 2 - needed))
    }
    let (seconds, nanoseconds) = Clock.now()
    let time = Timestamp(seconds: seconds, nanoseconds: nanoseconds)
    let flushAll = { [gate, device] () throws(FileSystemError) in
      try gate.flush()
      if !log.isOn(device) { try log.flush() }
    }
    if isPlanted(.halfTransaction), transaction.logged.count > 1 {
      let half = transaction.logged.count / 2
      let first = FrozenTransaction(
        id: transaction.id, logged: transaction.logged.part(0..<half), revoked: [])
      let second = FrozenTransaction(
        id: transaction.id, logged: transaction.logged.part(half..<transaction.logged.count),
        revoked: transaction.revoked)
      try log.append(first, time: time, flush: flushAll)
      try log.append(second, time: time, flush: flushAll)
    } else {
      try log.append(transaction, time: time, flush: flushAll)
    }
    keep(transaction)
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

  func release(_ blocks: [BlockAddress]) { client?.release(blocks) }
}

/// What the journal asks of the engine around a commit.
public protocol TransactionClient: AnyObject, Sendable {
  /// Write data of these inodes, as far as that works. Called before the freeze.
  func writeData(of inodes: [InodeNumber])
  /// Called frozen: write the data that must be on the device before this transaction's metadata is,
  /// and see to it that the metadata shows nobody the blocks that cannot be written.
  func settleData(_ data: OrderedData, _ handle: Handle) throws(FileSystemError)
  /// Called frozen, after that: bring every changed structure into its blocks and announce them to
  /// `handle`.
  func encode(_ handle: Handle) throws(FileSystemError)
  /// The transaction is durable.
  func didCommit(_ transaction: TransactionID)
  /// These blocks are in their homes as some transaction had them: each loses one claim to stay
  /// in memory, which its announcement in that transaction gave it.
  func release(_ blocks: [BlockAddress])
  /// The journal has stopped for good, for this reason. Called once; the thread may hold the commit
  /// lock.
  func didAbort(_ error: FileSystemError)
}
