import BlockIO
import ExtantBase
import SystemPackage
import TestSupport
import Threading

/// A memory device that fails where it is told, notes what it is asked, and can hold a transfer.
final class ScriptedDevice: ForwardingDevice {
  struct Script {
    /// Offsets of blocks whose reads, or writes, fail.
    var badReads: Set<UInt64> = []
    var badWrites: Set<UInt64> = []
    /// What was read and written, in bytes, in the order of the calls.
    var reads: [Range<UInt64>] = []
    var writes: [Range<UInt64>] = []
    /// While one is true, transfers of that kind wait before they do anything.
    var holdsReads = false
    var holdsWrites = false
    /// How many wait.
    var held = 0
    /// Transfers that are under way, to see that none overlap a write.
    var writing: [Range<UInt64>] = []
    var overlappingWrites = 0
  }

  let memory: MemoryDevice
  let script = Guarded(Script(), .unranked)
  var base: any BlockDevice { memory }

  init(byteCount: UInt64) { memory = MemoryDevice(byteCount: byteCount, name: "scripted") }

  func read(into bytes: inout MutableRawSpan, at offset: UInt64) throws(FileSystemError) {
    try checkRange(.read, at: offset, count: bytes.byteCount)
    try beginRead(offset..<offset + UInt64(bytes.byteCount))
    try memory.read(into: &bytes, at: offset)
  }

  func read(into buffers: [BlockBuffer], at offset: UInt64) throws(FileSystemError) {
    let count = buffers.reduce(0) { $0 + $1.byteCount }
    try checkRange(.read, at: offset, count: count)
    try beginRead(offset..<offset + UInt64(count))
    try memory.read(into: buffers, at: offset)
  }

  func write(_ bytes: RawSpan, at offset: UInt64) throws(FileSystemError) {
    let range = offset..<offset + UInt64(bytes.byteCount)
    try beginWrite(range)
    defer { endWrite(range) }
    try memory.write(bytes, at: offset)
  }

  func write(_ buffers: [BlockBuffer], at offset: UInt64) throws(FileSystemError) {
    let range = offset..<offset + UInt64(buffers.reduce(0) { $0 + $1.byteCount })
    try beginWrite(range)
    defer { endWrite(range) }
    try memory.write(buffers, at: offset)
  }

  private func beginRead(_ range: Range<UInt64>) throws(FileSystemError) {
    wait { $0.holdsReads }
    try script.withLock { script throws(FileSystemError) in
      script.reads.append(range)
      try Self.fail(.read, script.badReads, range)
    }
  }

  private func beginWrite(_ range: Range<UInt64>) throws(FileSystemError) {
    script.withLock { script in
      if script.writing.contains(where: { $0.overlaps(range) }) { script.overlappingWrites += 1 }
      script.writing.append(range)
    }
    wait { $0.holdsWrites }
    do throws(FileSystemError) {
      try script.withLock { script throws(FileSystemError) in
        try Self.fail(.write, script.badWrites, range)
        script.writes.append(range)
      }
    } catch {
      endWrite(range)
      throw error
    }
  }

  private func endWrite(_ range: Range<UInt64>) {
    script.withLock { script in
      if let place = script.writing.firstIndex(of: range) { script.writing.remove(at: place) }
    }
  }

  private static func fail(
    _ operation: DeviceFailure.Operation, _ bad: Set<UInt64>, _ range: Range<UInt64>
  ) throws(FileSystemError) {
    if let offset = bad.first(where: { range.contains($0) }) {
      throw .io(DeviceFailure(operation, .ioError, offset: offset, device: "scripted"))
    }
  }

  private func wait(_ holds: (Script) -> Bool) {
    guard script.withLock({ holds($0) }) else { return }
    script.withLock { $0.held += 1 }
    while script.withLock({ holds($0) }) { Clock.sleep(nanoseconds: 200_000) }
    script.withLock { $0.held -= 1 }
  }

  /// Returns once `count` transfers wait.
  func waitUntilHeld(_ count: Int) {
    while script.withLock({ $0.held }) < count { Clock.sleep(nanoseconds: 200_000) }
  }
}
