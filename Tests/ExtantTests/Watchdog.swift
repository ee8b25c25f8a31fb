import Testing
import Threading

/// Runs the bodies in threads of their own, at once, and says whether all ended in time. Those
/// that did not are left behind: a test that hangs should fail, not hang the others.
func allEnd(
  withinSeconds seconds: UInt64 = 600, _ bodies: [@Sendable () throws -> Void]
) -> Bool {
  let left = Guarded(bodies.count, .unranked)
  let failures = Guarded<[String]>([], .unranked)
  let threads = bodies.compactMap { body in
    WorkerThread(name: "test") {
      do { try body() } catch { failures.withLock { $0.append("\(error)") } }
      left.withLock { $0 -= 1 }
    }
  }
  guard threads.count == bodies.count else { return false }
  let end = Clock.monotonicNanoseconds() + seconds * 1_000_000_000
  while left.withLock({ $0 }) > 0, Clock.monotonicNanoseconds() < end {
    Clock.sleep(nanoseconds: 2_000_000)
  }
  guard left.withLock({ $0 }) == 0 else { return false }
  for thread in threads { thread.join() }
  #expect(failures.withLock { $0 } == [])
  return true
}
