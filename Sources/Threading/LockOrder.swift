import CThreads

/// What each thread holds, in debug builds: taking a lock against `LockRank` ends the program there and
/// then. In release builds nothing is left of it.
///
/// Lock, Guarded and ReadWriteLock ask by themselves. What makes threads wait otherwise says so here.
public enum LockOrder {
  /// The thread will wait for `object`.
  @inlinable @inline(__always)
  public static func check(_ object: AnyObject, _ rank: LockRank) {
    #if DEBUG
      HeldLocks.check(object, rank)
    #endif
  }

  /// The thread has `object`.
  @inlinable @inline(__always)
  public static func took(_ object: AnyObject, _ rank: LockRank) {
    #if DEBUG
      HeldLocks.add(object, rank)
    #endif
  }

  @inlinable @inline(__always)
  public static func gave(_ object: AnyObject, _ rank: LockRank) {
    #if DEBUG
      HeldLocks.remove(object, rank)
    #endif
  }
}

#if DEBUG
  /// Those of the calling thread.
  @usableFromInline
  enum HeldLocks {
    @usableFromInline
    static func check(_ object: AnyObject, _ rank: LockRank) {
      guard rank != .unranked else { return }
      let held = unsafe csys_held_against(address(object), rank.rawValue, rank.nests ? 1 : 0)
      guard held >= 0 else { return }
      let other = LockRank(rawValue: UInt8(truncatingIfNeeded: held)) ?? .unranked
      preconditionFailure("lock order: \(rank) is taken by a thread that holds \(other)")
    }

    @usableFromInline
    static func add(_ object: AnyObject, _ rank: LockRank) {
      guard rank != .unranked else { return }
      if unsafe csys_held_add(address(object), rank.rawValue) == 0 {
        preconditionFailure("lock order: a thread holds more locks than are kept account of")
      }
    }

    @usableFromInline
    static func remove(_ object: AnyObject, _ rank: LockRank) {
      guard rank != .unranked else { return }
      if unsafe csys_held_remove(address(object)) == 0 {
        preconditionFailure("lock order: \(rank) is given by a thread that does not hold it")
      }
    }

    private static func address(_ object: AnyObject) -> UnsafeRawPointer {
      unsafe UnsafeRawPointer(Unmanaged.passUnretained(object).toOpaque())
    }
  }
#endif
