import CThreads

/// A thread that runs one body and is joined before its owner goes away.
@safe public final class WorkerThread: @unchecked Sendable {
  private final class Body {
    let run: @Sendable () -> Void
    init(_ run: @escaping @Sendable () -> Void) { self.run = run }
  }

  private var thread = pthread_t()
  private let joined = Guarded(false, .innermost)

  /// Starts the thread, with all signals blocked. Nil when the system has no thread to give.
  public init?(name: String, _ body: @escaping @Sendable () -> Void) {
    let context = unsafe Unmanaged.passRetained(Body(body))
    let error = unsafe name.withCString { name in
      unsafe csys_thread_start(
        &thread, name,
        { context in
          guard let context = unsafe context else { return }
          unsafe Unmanaged<Body>.fromOpaque(context).takeRetainedValue().run()
        }, context.toOpaque())
    }
    guard error == 0 else {
      unsafe context.release()
      return nil
    }
  }

  /// Waits for the body's end. A second call returns at once, and so does one of the thread itself:
  /// it ends soon.
  public func join() {
    let first = joined.withLock { joined in
      defer { joined = true }
      return !joined
    }
    guard first else { return }
    if pthread_equal(thread, pthread_self()) != 0 {
      _ = pthread_detach(thread)
    } else {
      _ = pthread_join(thread, nil)
    }
  }
}
