import ExtantBase
import Synchronization
import Threading

/// What orders a shift against the reads and writes of one inode.
///
/// The kernel takes no lock for an ioctl, so the daemon must. A shift moves bytes below pages that
/// the kernel has cached: not one may be left that was filled before it, for a mapping could dirty
/// such a page and write it back to a place that is no longer its own. So, from `beginShift` on,
/// reads and writes note what they touched, and a shift goes ahead only in a moment in which
/// everything touched since was dropped again. Programs that fault pages in without pause would
/// never leave it such a moment; they are held up for it, but only for a bounded time, because
/// dropping a page may wait for the very read that is held up.
final class InodeGate: Sendable {
  /// Reads and writes hold it shared, the shift itself alone.
  private let lock = ReadWriteLock(.inodeGate)
  /// Whether a shift is under way: the one thing that reads and writes look at otherwise.
  private let isShifting = Atomic(false)

  private struct Watch {
    var isShifting = false
    /// For how long a read or write is held up, in nanoseconds.
    var hold: UInt64 = 0
    /// In bytes.
    var touched: [Range<Int64>] = []
  }

  private let watchLock = Lock(.innermost)
  private let ended = Condition()
  nonisolated(unsafe) private var watch = Watch()

  /// A read or write of `range`, in bytes. `leavesPages`: it fills pages of the kernel's cache, as
  /// all do but the kernel's own writes of such pages.
  func transfer<R>(
    _ range: Range<Int64>, leavesPages: Bool, _ body: () throws(FileSystemError) -> R
  ) throws(FileSystemError) -> R {
    if leavesPages, isShifting.load(ordering: .acquiring) { waitForEnd() }
    lock.lockShared()
    defer { lock.unlock() }
    if leavesPages, isShifting.load(ordering: .acquiring) {
      watchLock.withLock { unsafe watch.touched.append(range) }
    }
    return try body()
  }

  private func waitForEnd() {
    watchLock.lock()
    defer { watchLock.unlock() }
    let deadline = unsafe Clock.monotonicNanoseconds() &+ watch.hold
    while unsafe watch.isShifting {
      let now = Clock.monotonicNanoseconds()
      guard now < deadline else { return }
      _ = ended.wait(watchLock, nanoseconds: deadline - now)
    }
  }

  /// From now on is noted what is touched. One shift at a time.
  func beginShift() {
    watchLock.withLock { unsafe watch = Watch(isShifting: true) }
    isShifting.store(true, ordering: .sequentiallyConsistent)
    // Whoever did not see the flag has filled its pages when this returns.
    lock.lockExclusive()
    lock.unlock()
  }

  /// What was touched since the last call; from now on others are held up for up to `hold`
  /// nanoseconds.
  func takeTouched(hold: UInt64) -> [Range<Int64>] {
    watchLock.withLock {
      unsafe watch.hold = hold
      let touched = unsafe watch.touched
      unsafe watch.touched = []
      return touched
    }
  }

  /// Closes the gate to all others if nothing was touched since `takeTouched`, or if it must.
  func close(inAnyCase: Bool) -> Bool {
    lock.lockExclusive()
    if inAnyCase || watchLock.withLock({ unsafe watch.touched.isEmpty }) { return true }
    lock.unlock()
    return false
  }

  /// Opens the gate that `close` has closed, and ends the shift.
  func endShift() {
    isShifting.store(false, ordering: .sequentiallyConsistent)
    watchLock.withLock {
      unsafe watch = Watch()
      ended.broadcast()
    }
    lock.unlock()
  }
}

/// The gates of all inodes that are open.
final class InodeGates: Sendable {
  private struct Users {
    let gate = InodeGate()
    var count = 0
    var writers = 0
  }

  private let users = Guarded<[InodeNumber: Users]>([:], .innermost)

  func enter(_ inode: InodeNumber, isWritable: Bool) -> InodeGate {
    users.withLock { users in
      var user = users[inode] ?? Users()
      user.count += 1
      if isWritable { user.writers += 1 }
      users[inode] = user
      return user.gate
    }
  }

  func leave(_ inode: InodeNumber, isWritable: Bool) {
    users.withLock { users in
      guard var user = users[inode] else { return }
      user.count -= 1
      if isWritable { user.writers -= 1 }
      users[inode] = user.count > 0 ? user : nil
    }
  }

  /// Whether anybody has the inode open to write.
  func hasWriters(_ inode: InodeNumber) -> Bool {
    users.withLock { $0[inode].map { $0.writers > 0 } ?? false }
  }
}
