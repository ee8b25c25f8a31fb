import Synchronization
import Threading

/// Raised once, seen by all tasks.
final class Flag: Sendable {
  private let raised = Atomic(false)
  var isRaised: Bool { raised.load(ordering: .acquiring) }
  func raise() { raised.store(true, ordering: .releasing) }
}

/// Runs each body on a thread of its own, tasks share too few, and returns when all have ended.
func inParallel(_ bodies: [@Sendable () -> Void]) {
  let threads = bodies.enumerated().map { WorkerThread(name: "test-\($0.offset)", $0.element) }
  for thread in threads { thread?.join() }
}
