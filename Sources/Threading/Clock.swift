import CThreads
import Synchronization

/// The clocks of the engine, so that a test can replace them in one place.
public enum Clock {
  /// Nanoseconds since some fixed moment; never steps back.
  public static func monotonicNanoseconds() -> UInt64 { csys_monotonic_ns() }

  /// Seconds since 1970 at which the time of day stands still; 0: it does not. For tests that want
  /// equal states to be equal to the byte.
  package static let standstill = Atomic<Int64>(0)

  /// The time of day as seconds and nanoseconds since 1970.
  public static func now() -> (seconds: Int64, nanoseconds: UInt32) {
    let fixed = standstill.load(ordering: .relaxed)
    if fixed != 0 { return (fixed, 0) }
    var seconds: Int64 = 0
    var nanoseconds: UInt32 = 0
    unsafe csys_realtime(&seconds, &nanoseconds)
    return (seconds, nanoseconds)
  }

  /// Pauses the calling thread for at least this long.
  public static func sleep(nanoseconds: UInt64) { csys_sleep_ns(nanoseconds) }
}
