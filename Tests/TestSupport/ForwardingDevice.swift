import BlockIO
import ExtantBase

/// A device over another, which passes on whatever its type does not replace.
///
/// Gathered requests, writes through and ranges to be made zero come as single reads, writes and
/// flushes, so that who replaces those sees everything.
public protocol ForwardingDevice: BlockDevice {
  var base: any BlockDevice { get }
}

extension ForwardingDevice {
  public var name: String { base.name }
  public var byteCount: UInt64 { base.byteCount }
  public var isReadOnly: Bool { base.isReadOnly }
  public var listensToEvents: Bool { base.listensToEvents }

  public func note(_ event: DeviceEvent) { base.note(event) }
  public func read(into bytes: inout MutableRawSpan, at offset: UInt64) throws(FileSystemError) {
    try base.read(into: &bytes, at: offset)
  }
  public func write(_ bytes: RawSpan, at offset: UInt64) throws(FileSystemError) {
    try base.write(bytes, at: offset)
  }
  public func firstData(in range: Range<UInt64>) throws(FileSystemError) -> UInt64? {
    try base.firstData(in: range)
  }
  public func flush() throws(FileSystemError) { try base.flush() }
  public func discard(_ range: Range<UInt64>) throws(FileSystemError) { try base.discard(range) }
  public func close() throws(FileSystemError) { try base.close() }
}

/// A device whose base outlives whoever closes it.
public final class KeptOpen: ForwardingDevice {
  public let base: any BlockDevice

  public init(_ base: any BlockDevice) { self.base = base }

  public func close() throws(FileSystemError) {}
}
