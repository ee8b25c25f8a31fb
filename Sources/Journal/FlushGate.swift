import BlockIO
import ExtantBase
import Threading

/// Flushes of one device, shared: who waits while one runs needs at most the next one.
final class FlushGate: @unchecked Sendable {
  private let device: any BlockDevice
  /// Without barriers nothing is flushed.
  private let isEnabled: Bool
  private let lock = Lock(.flushGate)
  private let ended = Condition()

  // Under `lock`: flushes begun, and the last one that ended well.
  private var begun: UInt64 = 0
  private var done: UInt64 = 0
  private var isRunning = false

  init(device: any BlockDevice, isEnabled: Bool) {
    self.device = device
    self.isEnabled = isEnabled
  }

  /// What has been written until now is covered by every flush with a greater number.
  var ticket: UInt64 { lock.withLock { begun } }

  /// Returns when a flush that began after `ticket` was drawn has ended.
  func flush(after ticket: UInt64) throws(FileSystemError) {
    guard isEnabled, let number = claim(after: ticket) else { return }
    var failure: FileSystemError?
    device.note(.flush)
    do throws(FileSystemError) { try device.flush() } catch { failure = error }
    lock.withLock {
      isRunning = false
      if failure == nil { done = max(done, number) }
      ended.broadcast()
    }
    if let failure { throw failure }
  }

  /// The number of the flush that the caller is to do; nil when somebody else's was enough.
  private func claim(after ticket: UInt64) -> UInt64? {
    lock.withLock {
      while isRunning && done <= ticket { ended.wait(lock) }
      guard done <= ticket else { return nil }
      isRunning = true
      begun += 1
      return begun
    }
  }

  /// Everything written before the call is durable when it returns.
  func flush() throws(FileSystemError) { try flush(after: ticket) }
}
