import ExtantBase
import Threading

/// Requests to read ahead, and the thread that does them. The thread starts with the first.
///
/// A request is a hint: when many wait, the oldest is dropped.
final class PrefetchQueue: @unchecked Sendable {
  typealias Work = @Sendable (BlockAddress, Int) -> Void

  private let lock = Lock(.cacheBooks)
  private let wakeUp = Condition()
  private var waiting: [(address: BlockAddress, count: Int, work: Work)] = []
  private var closed = false
  private var thread: WorkerThread?

  func add(_ address: BlockAddress, _ count: Int, _ work: @escaping Work) {
    lock.withLock {
      guard !closed else { return }
      if waiting.count >= 16 { waiting.removeFirst() }
      waiting.append((address, count, work))
      if thread == nil { thread = WorkerThread(name: "read-ahead") { [self] in run() } }
      wakeUp.signal()
    }
  }

  /// Ends the thread, after the request it is at.
  func close() {
    let thread = lock.withLock {
      closed = true
      waiting = []
      wakeUp.signal()
      defer { self.thread = nil }
      return self.thread
    }
    // When the thread itself held the last reference to the cache, this returns at once.
    thread?.join()
  }

  private func run() {
    while let next = take() { next.work(next.address, next.count) }
  }

  private func take() -> (address: BlockAddress, count: Int, work: Work)? {
    lock.withLock {
      while waiting.isEmpty, !closed { wakeUp.wait(lock) }
      return waiting.isEmpty ? nil : waiting.removeFirst()
    }
  }
}
