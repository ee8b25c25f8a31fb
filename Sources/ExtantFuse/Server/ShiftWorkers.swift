import ExtantBase
import Threading

/// The threads on which fallocate by ioctl runs, and what makes a file immutable.
///
/// Such a call makes the kernel write its cached pages back, as requests that other threads must be
/// free to serve. So it never occupies a thread of the request loop, however many programs shift
/// at once. Those of one inode run one after another, in their order; those of others do not wait for
/// them, as long as there are threads: a program that faults pages in without pause can hold up a shift
/// of its own file for seconds.
final class ShiftWorkers: Sendable {
  private typealias Job = @Sendable () -> Void

  private struct Queue {
    /// Of each inode that has any; one that a thread works for is here also with none.
    var waiting: [InodeNumber: [Job]] = [:]
    /// Inodes with jobs that no thread works for.
    var ready: [InodeNumber] = []
    var isClosed = false
  }

  private static let threadCount = 4

  private let lock = Lock(.innermost)
  private let changed = Condition()
  nonisolated(unsafe) private var queue = Queue()
  nonisolated(unsafe) private var threads: [WorkerThread] = []

  /// False when the system has no thread to give.
  func start() -> Bool {
    for _ in 0..<Self.threadCount {
      let thread = WorkerThread(name: "extant-shift") { [self] in
        while let (inode, job) = next() {
          job()
          finish(inode)
        }
      }
      guard let thread else { break }
      unsafe threads.append(thread)
    }
    return unsafe !threads.isEmpty
  }

  /// Runs `job` after all earlier ones for this inode.
  func run(for inode: InodeNumber, _ job: @escaping @Sendable () -> Void) {
    lock.withLock {
      if unsafe queue.waiting[inode]?.append(job) == nil {
        unsafe queue.waiting[inode] = [job]
        unsafe queue.ready.append(inode)
        changed.signal()
      }
    }
  }

  /// Returns when all jobs are done.
  func close() {
    lock.withLock {
      unsafe queue.isClosed = true
      changed.broadcast()
    }
    for thread in unsafe threads { thread.join() }
  }

  private func next() -> (InodeNumber, Job)? {
    lock.lock()
    defer { lock.unlock() }
    while true {
      while unsafe !queue.ready.isEmpty {
        let inode = unsafe queue.ready.removeFirst()
        guard let job = unsafe queue.waiting[inode]?.first else { continue }
        unsafe queue.waiting[inode]?.removeFirst()
        return (inode, job)
      }
      if unsafe queue.isClosed && queue.waiting.isEmpty { return nil }
      changed.wait(lock)
    }
  }

  private func finish(_ inode: InodeNumber) {
    lock.withLock {
      if unsafe queue.waiting[inode]?.isEmpty == false {
        unsafe queue.ready.append(inode)
        changed.signal()
      } else {
        unsafe queue.waiting[inode] = nil
        if unsafe queue.isClosed { changed.broadcast() }
      }
    }
  }
}
