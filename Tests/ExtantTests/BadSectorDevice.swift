import BlockIO
import Ext4Format
import ExtantBase
import SystemPackage
import TestSupport
import Threading

/// An image on a disk some of whose places take no writes, for good or for so many tries, or no writes
/// of some contents: as if the places were bad that they happen to be for.
final class BadSectorDevice: ForwardingDevice {
  let base: any BlockDevice
  /// In bytes, each with the writes that still fail there.
  private let bad = Guarded<[(range: Range<UInt64>, failures: Int)]>([], .unranked)

  init(_ path: String) throws { base = try FileDevice(path: path, access: .readWrite) }

  func spoil(_ range: Range<UInt64>, failures: Int = .max) {
    bad.withLock { $0.append((range, failures)) }
  }

  /// What a block begins with that cannot be written.
  static let mark: [UInt8] = [0xbd, 0x0d, 0xba, 0xdd, 0xbd, 0x0d, 0xba, 0xdd]
  private let refusesMarked = Guarded(false, .unranked)

  func refuseMarked(_ refuses: Bool) { refusesMarked.withLock { $0 = refuses } }

  private func checkContents(_ bytes: RawSpan, at offset: UInt64) throws(FileSystemError) {
    guard refusesMarked.withLock({ $0 }) else { return }
    for start in stride(from: 0, to: bytes.byteCount - Self.mark.count + 1, by: 1024)
    where Self.mark.indices.allSatisfy({ bytes.u8(start + $0) == Self.mark[$0] }) {
      throw .io(
        DeviceFailure(.write, .ioError, offset: offset + UInt64(start), device: name))
    }
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

  func write(_ bytes: RawSpan, at offset: UInt64) throws(FileSystemError) {
    try check(offset..<offset + UInt64(bytes.byteCount))
    try checkContents(bytes, at: offset)
    try base.write(bytes, at: offset)
  }
}
