import ExtantBase

/// Something that stores bytes by offset: a file, memory, or a wrapper that records or fails.
///
/// Offsets and lengths are in bytes and need no alignment. Reads and writes are whole or throw
/// `FileSystemError.io`; a call past the end throws EINVAL-like `.io` and touches nothing. Calls
/// may come from any thread at once; overlapping writes are the caller's to order.
public protocol BlockDevice: AnyObject, Sendable {
  /// For messages: a path, or a made-up name.
  var name: String { get }
  var byteCount: UInt64 { get }
  var isReadOnly: Bool { get }

  func read(into bytes: inout MutableRawSpan, at offset: UInt64) throws(FileSystemError)
  func write(_ bytes: RawSpan, at offset: UInt64) throws(FileSystemError)

  /// Reads consecutive blocks into buffers (scatter), in one call where the device can.
  func read(into buffers: [BlockBuffer], at offset: UInt64) throws(FileSystemError)
  /// Writes buffers to consecutive places (gather), in one call where the device can.
  func write(_ buffers: [BlockBuffer], at offset: UInt64) throws(FileSystemError)

  /// Writes, and returns when these bytes are durable; what was written before need not be. One
  /// call where the device can (FUA).
  func writeThrough(_ bytes: RawSpan, at offset: UInt64) throws(FileSystemError)

  /// Told by the engine before it does what `event` names; for devices that record or fail.
  func note(_ event: DeviceEvent)
  /// Whether `note` does anything: finding out what to tell may cost something.
  var listensToEvents: Bool { get }

  /// Where the first byte in `range` lies that may be other than zero; nil where all are known to be
  /// zero. For who would read it all to find out: a device that does not know gives the beginning.
  func firstData(in range: Range<UInt64>) throws(FileSystemError) -> UInt64?
  /// Makes the range zero where the device can do that without being written to; false: it cannot,
  /// and nothing was done.
  func zeroOut(_ range: Range<UInt64>) throws(FileSystemError) -> Bool

  /// Returns when everything written before the call is durable.
  func flush() throws(FileSystemError)
  /// Tells the device that the range is unused. A hint: its later contents are undefined.
  func discard(_ range: Range<UInt64>) throws(FileSystemError)
  /// Releases the device and its lock. Later calls throw EBADF.
  func close() throws(FileSystemError)
}

extension BlockDevice {
  public func note(_ event: DeviceEvent) {}
  public var listensToEvents: Bool { false }

  public func firstData(in range: Range<UInt64>) throws(FileSystemError) -> UInt64? {
    range.isEmpty ? nil : range.lowerBound
  }

  public func zeroOut(_ range: Range<UInt64>) throws(FileSystemError) -> Bool { false }

  public func writeThrough(_ bytes: RawSpan, at offset: UInt64) throws(FileSystemError) {
    try write(bytes, at: offset)
    try flush()
  }

  public func read(into buffers: [BlockBuffer], at offset: UInt64) throws(FileSystemError) {
    var offset = offset
    for buffer in buffers {
      var bytes = buffer.mutableBytes
      try read(into: &bytes, at: offset)
      offset += UInt64(buffer.byteCount)
    }
  }

  public func write(_ buffers: [BlockBuffer], at offset: UInt64) throws(FileSystemError) {
    var offset = offset
    for buffer in buffers {
      try write(buffer.bytes, at: offset)
      offset += UInt64(buffer.byteCount)
    }
  }
}
