import BlockIO
@testable import Extant
import ExtantBase
import Synchronization
import TestSupport
import Testing
import Threading

@testable import Ext4Format

/// A device whose flush takes its time, and counts.
private final class SlowFlushDevice: ForwardingDevice {
  let base: any BlockDevice
  let flushes = Atomic(0)
  let failures = Atomic(0)

  init(_ path: String) throws { base = try FileDevice(path: path, access: .readWrite) }

  /// Data of 0xee fails as often as `failures` says.
  func write(_ bytes: RawSpan, at offset: UInt64) throws(FileSystemError) {
    if bytes.byteCount > 0, bytes.u8(0) == 0xee, failures.load(ordering: .relaxed) > 0 {
      failures.subtract(1, ordering: .relaxed)
      throw .io(DeviceFailure(.write, .ioError, offset: offset, device: name))
    }
    try base.write(bytes, at: offset)
  }
  func flush() throws(FileSystemError) {
    flushes.add(1, ordering: .relaxed)
    // So long that the others come by even where they have to wait for a processor.
    Clock.sleep(nanoseconds: 20_000_000)
  }
}

/// What the threads of one commit share, and what a fault of one file does to the others.
@Suite struct SharedCommitTests {
  @Test func threadsThatWaitForOneFlushShareIt() throws {
    let image = try EngineImage(size: "32M")
    let device = try SlowFlushDevice(image.image.path)
    var options = FileSystem.Options()
    options.writeBackInterval = 0
    let fs = try FileSystem(device: device, options: options)
    let before = device.flushes.load(ordering: .relaxed)
    let (threadCount, perThread) = (8, 12)
    let errors = Guarded<[String]>([], .unranked)
    let threads = (0..<threadCount).compactMap { index in
      WorkerThread(name: "test") {
        do {
          let file = try fs.create("/f\(index)")
          for step in 0..<perThread {
            try file.writeAll([UInt8](repeating: 1, count: 5000), at: UInt64(step * 5000))
            try file.sync()
          }
          file.close()
        } catch { errors.withLock { $0.append("\(error)") } }
      }
    }
    for thread in threads { thread.join() }
    #expect(errors.withLock { $0 } == [])
    let syncs = threadCount * perThread
    // Each commit flushes twice, before its record and with it: alone they would need twice as many.
    #expect(device.flushes.load(ordering: .relaxed) - before < syncs * 3 / 2)
    #expect(fs.journal.statistics.commits < syncs * 3 / 4)
    try fs.close()
    let complaint = try image.image.complaint()
    #expect(complaint == nil)
  }

  @Test func aDataWriteThatFailsOnceIsToldToItsFileAndStopsNobody() throws {
    let image = try EngineImage(size: "8M")
    let device = try SlowFlushDevice(image.image.path)
    var options = FileSystem.Options()
    options.writeBackInterval = 0
    let fs = try FileSystem(device: device, options: options)
    let (bad, good) = (try fs.create("/bad"), try fs.create("/good"))
    try bad.allocate(0..<4096)
    try fs.sync()
    try bad.writeAll([UInt8](repeating: 0xee, count: 4096), at: 0)
    try good.writeAll([1, 2, 3], at: 0)
    device.failures.store(1, ordering: .relaxed)
    try good.sync()
    #expect(fs.journal.abortReason == nil)
    #expect(throws: FileSystemError.self) { try bad.sync() }
    try bad.sync()
    // Who syncs everything is told as well, once.
    #expect(throws: FileSystemError.self) { try fs.sync() }
    #expect(try bad.contents() == [UInt8](repeating: 0xee, count: 4096))
    bad.close()
    good.close()
    try fs.close()
    let complaint = try image.image.complaint()
    #expect(complaint == nil)
  }

  @Test func dataThatCannotBeWrittenIsNeverShownAsWhatLayThereBefore() throws {
    let image = try EngineImage(size: "8M")
    let device = try SlowFlushDevice(image.image.path)
    var options = FileSystem.Options()
    options.writeBackInterval = 0
    let fs = try FileSystem(device: device, options: options)
    let bad = try fs.create("/bad")
    try bad.allocate(0..<4096)
    try fs.sync()
    try bad.writeAll([UInt8](repeating: 0xee, count: 4096), at: 0)
    device.failures.store(1 << 30, ordering: .relaxed)
    #expect(throws: FileSystemError.self) { try fs.sync() }
    bad.close()
    try? fs.close()

    let after = try FileSystem.open(image.image.path)
    let file = try after.open("/bad", .read)
    #expect(try file.contents() == [UInt8](repeating: 0, count: 4096))
    file.close()
    try after.close()
  }
}
