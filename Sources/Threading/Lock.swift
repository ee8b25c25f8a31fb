import CThreads

/// A mutual-exclusion lock. Not recursive.
@safe public final class Lock: @unchecked Sendable {
  let mutex: UnsafeMutablePointer<pthread_mutex_t>
  let rank: LockRank

  public init(_ rank: LockRank) {
    self.rank = rank
    guard let mutex = unsafe csys_mutex_create() else { preconditionFailure("out of memory") }
    unsafe self.mutex = mutex
  }

  deinit { unsafe csys_mutex_destroy(mutex) }

  public func lock() {
    LockOrder.check(self, rank)
    _ = unsafe pthread_mutex_lock(mutex)
    LockOrder.took(self, rank)
  }

  public func unlock() {
    LockOrder.gave(self, rank)
    _ = unsafe pthread_mutex_unlock(mutex)
  }

  /// Waits for nobody: in any order.
  public func tryLock() -> Bool {
    guard unsafe pthread_mutex_trylock(mutex) == 0 else { return false }
    LockOrder.took(self, rank)
    return true
  }

  @inlinable
  public func withLock<R, E: Error>(_ body: () throws(E) -> R) throws(E) -> R {
    lock()
    defer { unlock() }
    return try body()
  }
}

/// Many readers or one writer. Not recursive, and a waiting writer goes before new readers.
@safe public final class ReadWriteLock: @unchecked Sendable {
  let rwlock: UnsafeMutablePointer<pthread_rwlock_t>
  let rank: LockRank

  public init(_ rank: LockRank) {
    self.rank = rank
    guard let rwlock = unsafe csys_rwlock_create() else { preconditionFailure("out of memory") }
    unsafe self.rwlock = rwlock
  }

  deinit { unsafe csys_rwlock_destroy(rwlock) }

  public func lockShared() {
    LockOrder.check(self, rank)
    _ = unsafe pthread_rwlock_rdlock(rwlock)
    LockOrder.took(self, rank)
  }

  public func lockExclusive() {
    LockOrder.check(self, rank)
    _ = unsafe pthread_rwlock_wrlock(rwlock)
    LockOrder.took(self, rank)
  }

  public func unlock() {
    LockOrder.gave(self, rank)
    _ = unsafe pthread_rwlock_unlock(rwlock)
  }

  @inlinable
  public func withSharedLock<R, E: Error>(_ body: () throws(E) -> R) throws(E) -> R {
    lockShared()
    defer { unlock() }
    return try body()
  }

  @inlinable
  public func withExclusiveLock<R, E: Error>(_ body: () throws(E) -> R) throws(E) -> R {
    lockExclusive()
    defer { unlock() }
    return try body()
  }
}

/// A condition variable on the monotonic clock.
@safe public final class Condition: @unchecked Sendable {
  let condition: UnsafeMutablePointer<pthread_cond_t>

  public init() {
    guard let condition = unsafe csys_cond_create() else { preconditionFailure("out of memory") }
    unsafe self.condition = condition
  }

  deinit { unsafe csys_cond_destroy(condition) }

  /// Releases `lock`, waits, takes it again. May wake without cause: test the state in a loop.
  public func wait(_ lock: Lock) {
    LockOrder.gave(lock, lock.rank)
    _ = unsafe pthread_cond_wait(condition, lock.mutex)
    LockOrder.took(lock, lock.rank)
  }

  /// As `wait`, for at most `nanoseconds`; false when the time ran out.
  public func wait(_ lock: Lock, nanoseconds: UInt64) -> Bool {
    LockOrder.gave(lock, lock.rank)
    defer { LockOrder.took(lock, lock.rank) }
    return unsafe csys_cond_wait_for(condition, lock.mutex, nanoseconds) != 0
  }

  public func signal() { _ = unsafe pthread_cond_signal(condition) }
  public func broadcast() { _ = unsafe pthread_cond_broadcast(condition) }
}
