import BlockIO
import ExtantBase
import SystemPackage
import Threading

/// An image on a disk some of whose places take no writes, for good or for so many tries.
final class BadSectorDevice: BlockDevice {
  private let inner: FileDevice
  /// In bytes, each with the writes that still fail there.
  private let bad = Guarded<[(range: Range<UInt64>, failures: Int)]>([])

  init(_ path: String) throws { inner = try FileDevice(path: path, access: .readWrite) }

  var name: String { inner.name }
  var byteCount: UInt64 { inner.byteCount }
  var isReadOnly: Bool { false }

  func spoil(_ range: Range<UInt64>, failures: Int = .max) {
    bad.withLock { $0.append((range, failures)) }
  }

  private func check(_ range: Range<UInt64>) throws(FileSystemError) {
    let failed = bad.withLock { bad -> UInt64? in
      guard let place = bad.firstIndex(where: { $0.range.overlaps(range) && $0.failures > 0 })
      else { return nil }
      bad[place].failures -= 1
      return bad[place].range.lowerBound
    }
    if let failed { throw .io(DeviceFailure(.write, .ioError, offset: failed, device: name)) }
  }

  func read(into bytes: inout MutableRawSpan, at offset: UInt64) throws(FileSystemError) {
    try inner.read(into: &bytes, at: offset)
  }
  func write(_ bytes: RawSpan, at offset: UInt64) throws(FileSystemError) {
    try check(offset..<offset + UInt64(bytes.byteCount))
    try inner.write(bytes, at: offset)
  }
  func flush() throws(FileSystemError) { try inner.flush() }
  func discard(_ range: Range<UInt64>) throws(FileSystemError) { try inner.discard(range) }
  func close() throws(FileSystemError) { try inner.close() }
}
