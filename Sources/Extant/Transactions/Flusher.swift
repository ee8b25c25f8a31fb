import Threading

/// The thread that writes changed data and metadata to the device after some seconds.
final class Flusher: @unchecked Sendable {
  private let lock = Lock(.innermost)
  private let wake = Condition()
  private var isStopping = false
  private var thread: WorkerThread?

  /// Runs `flush` every `seconds`, until stopped.
  init(seconds: Int, _ flush: @escaping @Sendable () -> Void) {
    let period = UInt64(seconds) * 1_000_000_000
    thread = WorkerThread(name: "extant-flush") { [weak self] in
      while let self, self.sleep(period) { flush() }
    }
  }

  /// False when it is time to end.
  private func sleep(_ nanoseconds: UInt64) -> Bool {
    let end = Clock.monotonicNanoseconds() + nanoseconds
    lock.lock()
    defer { lock.unlock() }
    while !isStopping {
      let now = Clock.monotonicNanoseconds()
      if now >= end { return true }
      _ = wake.wait(lock, nanoseconds: end - now)
    }
    return false
  }

  /// Returns when the thread has ended.
  func stop() {
    lock.withLock {
      isStopping = true
      wake.broadcast()
    }
    thread?.join()
  }
}
