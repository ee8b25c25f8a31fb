import ExtantBase
import Synchronization
import Threading

/// One part of the cache with a lock of its own.
///
/// Lock order: a shard's lock is a leaf, but for `rename`, which takes two in the order of their
/// numbers, and for those of the buffer pool and the error log, taken under it. None is held during a call of
/// the device or of a caller's closure.
final class Shard: @unchecked Sendable {
  let number: Int
  private let lock = Lock(.cacheShard)
  private let completion = Condition()
  private var state: ShardState

  // What eviction and statistics read without the lock; right after each change.
  let smallCount = Atomic(0)
  let mainCount = Atomic(0)
  let dirtyCount = Atomic(0)

  init(number: Int, capacity: Int) {
    self.number = number
    state = ShardState(capacity: capacity)
  }

  @inline(__always)
  func withLock<R, E: Error>(_ body: (inout ShardState) throws(E) -> R) throws(E) -> R {
    lock.lock()
    let completions = state.completions
    defer {
      publish()
      if state.completions != completions { completion.broadcast() }
      lock.unlock()
    }
    return try body(&state)
  }

  /// Two shards at once, for a move between them. They may be the same one: then `body` gets it
  /// as the first, and nil.
  static func withLocks<R>(
    _ a: Shard, _ b: Shard,
    same: (inout ShardState) -> R, different: (inout ShardState, inout ShardState) -> R
  ) -> R {
    if a === b { return a.withLock(same) }
    let (first, second) = a.number < b.number ? (a, b) : (b, a)
    return first.withLock { firstState in
      second.withLock { secondState in
        a === first
          ? different(&firstState, &secondState) : different(&secondState, &firstState)
      }
    }
  }

  /// Waits until some block has stopped being busy or in flight since `completions` was read.
  func waitForCompletion(after completions: UInt64) {
    lock.lock()
    while state.completions == completions { completion.wait(lock) }
    lock.unlock()
  }

  private func publish() {
    smallCount.store(state.small.count, ordering: .relaxed)
    mainCount.store(state.main.count, ordering: .relaxed)
    dirtyCount.store(state.dirty.count, ordering: .relaxed)
  }
}
