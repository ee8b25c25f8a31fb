import BlockIO
import ExtantBase
import Threading

/// A device that notes what it is asked to do, in order, and passes it on to another.
///
/// What a crash could leave behind follows from the recording: a write is sure to be on the medium
/// once it is followed by a flush that returned, or was durable by itself; before that, any part of
/// it may be there. `LogWrites` turns a recording into a file that dm-log-writes' tools replay.
public final class RecordingDevice: BlockDevice {
  private struct State {
    var entries: [RecordedRequest] = []
    var isRecording = true
  }

  private let base: any BlockDevice
  private let state = Guarded(State(), .upperDevice)

  public var name: String { base.name }
  public var byteCount: UInt64 { base.byteCount }
  public var isReadOnly: Bool { base.isReadOnly }

  public init(base: any BlockDevice) { self.base = base }

  /// Everything so far.
  public var requests: [RecordedRequest] { state.withLock { $0.entries } }

  /// Forgets everything so far and returns it.
  public func takeRequests() -> [RecordedRequest] {
    state.withLock { state in
      defer { state.entries = [] }
      return state.entries
    }
  }

  /// Whether requests are noted; they are passed on in any case.
  public var isRecording: Bool {
    get { state.withLock { $0.isRecording } }
    set { state.withLock { $0.isRecording = newValue } }
  }

  /// Notes a word of the caller's between the requests: "operation 3 returned".
  public func mark(_ text: String) { append(.mark(text)) }

  private func append(_ request: RecordedRequest) {
    state.withLock { state in
      if state.isRecording { state.entries.append(request) }
    }
  }

  public func read(into bytes: inout MutableRawSpan, at offset: UInt64) throws(FileSystemError) {
    try base.read(into: &bytes, at: offset)
  }

  public func read(into buffers: [BlockBuffer], at offset: UInt64) throws(FileSystemError) {
    try base.read(into: buffers, at: offset)
  }

  public func write(_ bytes: RawSpan, at offset: UInt64) throws(FileSystemError) {
    // Noted first: what fails may have been written in part.
    append(.write(RecordedWrite(offset: offset, bytes: copy(bytes), isDurable: false)))
    try base.write(bytes, at: offset)
  }

  public func write(_ buffers: [BlockBuffer], at offset: UInt64) throws(FileSystemError) {
    var bytes: [UInt8] = []
    bytes.reserveCapacity(buffers.reduce(0) { $0 + $1.byteCount })
    for buffer in buffers { bytes += copy(buffer.bytes) }
    append(.write(RecordedWrite(offset: offset, bytes: bytes, isDurable: false)))
    try base.write(buffers, at: offset)
  }

  public func writeThrough(_ bytes: RawSpan, at offset: UInt64) throws(FileSystemError) {
    append(.write(RecordedWrite(offset: offset, bytes: copy(bytes), isDurable: true)))
    try base.writeThrough(bytes, at: offset)
  }

  public func note(_ event: DeviceEvent) {
    append(.event(event))
    base.note(event)
  }

  /// Noted before it is done: a write that comes while it is under way is not covered by it.
  public func flush() throws(FileSystemError) {
    append(.flush)
    do throws(FileSystemError) { try base.flush() } catch {
      append(.flushFailed)
      throw error
    }
  }

  public func discard(_ range: Range<UInt64>) throws(FileSystemError) {
    append(.discard(range))
    try base.discard(range)
  }

  public func close() throws(FileSystemError) { try base.close() }

  private func copy(_ bytes: RawSpan) -> [UInt8] {
    unsafe bytes.withUnsafeBytes { unsafe [UInt8]($0) }
  }
}

/// What a `RecordingDevice` was asked.
public enum RecordedRequest: Sendable, Equatable {
  case write(RecordedWrite)
  /// Everything that stands before it is durable when the next request that its caller made
  /// begins; at the moment of the request itself nothing more is than was before.
  case flush
  /// The flush before it did not succeed: it made nothing durable.
  case flushFailed
  /// In bytes.
  case discard(Range<UInt64>)
  case mark(String)
  case event(DeviceEvent)
}

/// One write; a gathered one is one.
public struct RecordedWrite: Sendable, Equatable {
  /// In bytes.
  public var offset: UInt64
  public var bytes: [UInt8]
  /// `writeThrough`: on the medium when the call returned. It says nothing of other writes.
  public var isDurable: Bool

  public init(offset: UInt64, bytes: [UInt8], isDurable: Bool) {
    self.offset = offset
    self.bytes = bytes
    self.isDurable = isDurable
  }
}
