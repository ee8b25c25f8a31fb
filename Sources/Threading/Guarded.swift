/// A value that is reached only with its lock held.
public final class Guarded<Value>: @unchecked Sendable {
  @usableFromInline let lock: Lock
  @usableFromInline var value: Value

  public init(_ value: Value, _ rank: LockRank) {
    self.value = value
    lock = Lock(rank)
  }

  @inlinable
  public func withLock<R, E: Error>(_ body: (inout Value) throws(E) -> R) throws(E) -> R {
    lock.lock()
    defer { lock.unlock() }
    return try body(&value)
  }
}
