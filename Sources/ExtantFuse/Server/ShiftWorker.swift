import Threading

/// The thread on which fallocate by ioctl runs, and what makes a file immutable.
///
/// Such a call makes the kernel write its cached pages back, as requests that other threads must be
/// free to serve. So it never occupies a thread of the request loop, however many programs shift
/// at once.
final class ShiftWorker: Sendable {
  private struct Queue {
    var jobs: [@Sendable () -> Void] = []
    var isClosed = false
  }

  private let lock = Lock(.innermost)
  private let changed = Condition()
  nonisolated(unsafe) private var queue = Queue()
  nonisolated(unsafe) private var thread: WorkerThread?

  /// False when the system has no thread to give.
  func start() -> Bool {
    let thread = WorkerThread(name: "extant-shift") { [self] in
      while let job = next() { job() }
    }
    unsafe self.thread = thread
    return thread != nil
  }

  /// Runs `job` after all earlier ones.
  func run(_ job: @escaping @Sendable () -> Void) {
    lock.withLock {
      unsafe queue.jobs.append(job)
      changed.signal()
    }
  }

  /// Returns when all jobs are done.
  func close() {
    lock.withLock {
      unsafe queue.isClosed = true
      changed.signal()
    }
    unsafe thread?.join()
  }

  private func next() -> (@Sendable () -> Void)? {
    lock.lock()
    defer { lock.unlock() }
    while unsafe queue.jobs.isEmpty {
      if unsafe queue.isClosed { return nil }
      changed.wait(lock)
    }
    return unsafe queue.jobs.removeFirst()
  }
}
