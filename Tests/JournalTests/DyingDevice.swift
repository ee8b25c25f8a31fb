import BlockIO
import ExtantBase
import Synchronization
import SystemPackage
import TestSupport

@testable import Ext4Format

/// A device that fails every write and flush after a number of them, the next write half done.
final class DyingDevice: ForwardingDevice {
  let base: any BlockDevice
  private let left: Atomic<Int>

  init(_ base: any BlockDevice, writes: Int) {
    self.base = base
    left = Atomic(writes)
  }

  func write(_ bytes: RawSpan, at offset: UInt64) throws(FileSystemError) {
    let now = left.subtract(1, ordering: .relaxed).oldValue
    if now == 0 {
      try base.write(bytes.extracting(0..<bytes.byteCount / 2 / 512 * 512), at: offset)
    }
    guard now > 0 else { throw .io(DeviceFailure(.write, .ioError, offset: offset, device: name)) }
    try base.write(bytes, at: offset)
  }

  func flush() throws(FileSystemError) {
    guard left.load(ordering: .relaxed) > 0 else {
      throw .io(DeviceFailure(.flush, .ioError, device: name))
    }
    try base.flush()
  }

  func discard(_ range: Range<UInt64>) throws(FileSystemError) {}
}

extension BlockDevice {
  func contents() throws(FileSystemError) -> [UInt8] {
    var bytes = [UInt8](repeating: 0, count: Int(byteCount))
    try bytes.withMutableBytes { (span) throws(FileSystemError) in
      try read(into: &span, at: 0)
    }
    return bytes
  }
}

extension Scribe {
  /// The superblock that a replay left, or the one that the test began with where none was written.
  func superblockOnDevice() throws -> JournalSuperblock {
    let bytes = try blockOf(0)
    guard bytes.contains(where: { $0 != 0 }) else { return superblock }
    var read = superblock
    read.raw = Array(bytes[..<1024])
    read.withoutChecksum()
    return read
  }
}

extension JournalSuperblock {
  /// As decoding leaves it.
  mutating func withoutChecksum() { set32(Field.checksum, 0) }
}
