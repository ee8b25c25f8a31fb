import CExtantSystem

/// What each thread holds, in debug builds: taking a lock against `LockRank` ends the program there and
/// then. In release builds nothing is left of it.
///
/// Lock, Guarded and ReadWriteLock ask by themselves. What makes threads wait otherwise says so here.
public enum LockOrder {
  /// The thread will wait for `object`.
  public static func check(_ object: AnyObject, _ rank: LockRank) {
    #if DEBUG
      guard rank != .unranked else { return }
      let held = unsafe csys_held_against(address(object), rank.rawValue, rank.nests ? 1 : 0)
      guard held >= 0 else { return }
      let other = LockRank(rawValue: UInt8(truncatingIfNeeded: held)) ?? .unranked
      violated("lock order: \(rank) is taken by a thread that holds \(other)")
    #endif
  }

  /// The thread has `object`.
  public static func took(_ object: AnyObject, _ rank: LockRank) {
    #if DEBUG
      guard rank != .unranked else { return }
      if unsafe csys_held_add(address(object), rank.rawValue) == 0 {
        violated("lock order: a thread holds more locks than are kept account of")
      }
    #endif
  }

  public static func gave(_ object: AnyObject, _ rank: LockRank) {
    #if DEBUG
      guard rank != .unranked else { return }
      if unsafe csys_held_remove(address(object)) == 0 {
        violated("lock order: \(rank) is given by a thread that does not hold it")
      }
    #endif
  }

  #if DEBUG
    private static func address(_ object: AnyObject) -> UnsafeRawPointer {
      unsafe UnsafeRawPointer(Unmanaged.passUnretained(object).toOpaque())
    }

    private static func violated(_ text: String) {
      preconditionFailure(text)
    }
  #endif
}
