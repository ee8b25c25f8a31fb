import BlockIO
import Extant
import ExtantBase
import SystemPackage
import TestSupport
import Testing
import Threading

/// A device that fails one request, or all from one on.
private final class FailingDevice: BlockDevice {
  enum Kind: CaseIterable { case read, write, flush }

  struct Plan {
    var kind: Kind
    var index: Int
    var isPermanent: Bool
  }

  private let inner: MemoryDevice
  private let plan: Plan?
  private let counts = Guarded<[Kind: Int]>([:])
  private let hits = Guarded(0)

  init(_ inner: MemoryDevice, _ plan: Plan?) {
    self.inner = inner
    self.plan = plan
  }

  func count(of kind: Kind) -> Int { counts.withLock { $0[kind] ?? 0 } }
  var hasFailed: Bool { hits.withLock { $0 > 0 } }

  private func pass(_ kind: Kind) throws(FileSystemError) {
    let index = counts.withLock { counts in
      let index = counts[kind] ?? 0
      counts[kind] = index + 1
      return index
    }
    guard let plan, plan.kind == kind else { return }
    guard index == plan.index || plan.isPermanent && index > plan.index else { return }
    hits.withLock { $0 += 1 }
    let operation: DeviceFailure.Operation =
      switch kind {
      case .read: .read
      case .write: .write
      case .flush: .flush
      }
    throw .io(DeviceFailure(operation, .ioError, device: name))
  }

  var name: String { "failing device" }
  var byteCount: UInt64 { inner.byteCount }
  var isReadOnly: Bool { false }

  func read(into bytes: inout MutableRawSpan, at offset: UInt64) throws(FileSystemError) {
    try pass(.read)
    try inner.read(into: &bytes, at: offset)
  }
  func write(_ bytes: RawSpan, at offset: UInt64) throws(FileSystemError) {
    try pass(.write)
    try inner.write(bytes, at: offset)
  }
  func flush() throws(FileSystemError) { try pass(.flush) }
  func discard(_ range: Range<UInt64>) throws(FileSystemError) { try inner.discard(range) }
  func close() throws(FileSystemError) {}
}

/// Each request of a workload fails once, or for good from there on: nothing traps or hangs, errors
/// are told, and a failed read never costs anything that was there.
@Suite(.serialized) struct DeviceFaultTests {
  @Test func aFailedReadHarmsNothing() throws {
    try failEach(.read, judged: true)
  }

  @Test func aFailedWriteIsToldAndTrapsNothing() throws {
    try failEach(.write, judged: false)
  }

  @Test func aFailedFlushIsToldAndTrapsNothing() throws {
    try failEach(.flush, judged: false)
  }

  private func failEach(_ kind: FailingDevice.Kind, judged: Bool) throws {
    let directory = try TemporaryDirectory()
    let image = try Image.make(
      at: directory("image"), size: "2M", blockSize: 1024, options: ["-N", "64"])
    let bytes = try System.contents(image.path)
    let sound = FailingDevice(try Self.memory(bytes), nil)
    #expect(try work(sound) == nil)
    let total = sound.count(of: kind)
    #expect(total > 3)
    for isPermanent in [false, true] {
      for index in 0..<total {
        let memory = try Self.memory(bytes)
        let device = FailingDevice(
          memory, FailingDevice.Plan(kind: kind, index: index, isPermanent: isPermanent))
        let error = try work(device)
        #expect(device.hasFailed, "\(kind) \(index) was not reached")
        // A write that fails once is tried again, block by block.
        if kind != .read, isPermanent {
          #expect(error != nil, "\(kind) \(index) failed and nobody was told")
        }
        if judged {
          try System.write(try Self.contents(memory), to: image.path)
          let complaint = try image.complaint()
          #expect(complaint == nil, "\(kind) \(index) permanent \(isPermanent)")
          if complaint != nil { return }
        }
        _ = try work(FailingDevice(memory, nil))
      }
    }
  }

  /// Opens, does some of everything, closes. Returns the first fault.
  private func work(_ device: FailingDevice) throws -> FileSystemError? {
    var options = FileSystem.Options()
    options.writeBackInterval = 0
    // Small, so that blocks must be read again.
    options.cacheByteLimit = 64 << 10
    var first: FileSystemError?
    func attempt(_ body: () throws(FileSystemError) -> Void) {
      do throws(FileSystemError) { try body() } catch {
        if error.isFault || error == .refused(.readOnlyFileSystem) { first = first ?? error }
      }
    }
    let fs: FileSystem
    do throws(FileSystemError) {
      fs = try FileSystem(device: device, options: options)
    } catch { return error }
    for index in 0..<4 {
      attempt { () throws(FileSystemError) in
        let directory = try fs.makeDirectory(
          try FileName("d\(index)"), in: .root, mode: 0o755
        ).inode
        for name in ["a", "b", "c"] {
          _ = try fs.createFile(try FileName(name), in: directory, mode: 0o644)
        }
        try fs.setExtendedAttribute(
          Array("user.note".utf8), pattern(600), of: directory)
        try fs.rename(try FileName("b"), in: directory, to: try FileName("z"), in: .root)
      }
      attempt { () throws(FileSystemError) in
        let file = try fs.open("/d\(index)/a", .readWrite, create: 0o644)
        defer { file.close() }
        for place in 0..<6 { _ = try file.write(pattern(1500), at: UInt64(place) * 4096) }
        try file.punchHole(1024..<3072)
        try file.collapse(4096..<8192)
        try file.insert(length: 2048, at: 1024)
        _ = try file.read(10_000, at: 0)
        if index % 2 == 0 { try file.sync() }
        try file.truncate(to: 9000)
      }
      attempt { () throws(FileSystemError) in
        try fs.unlink(try FileName("c"), in: try fs.resolve("/d\(index)"))
      }
    }
    attempt { () throws(FileSystemError) in try fs.sync() }
    attempt { () throws(FileSystemError) in try fs.close() }
    return first
  }

  private static func memory(_ bytes: [UInt8]) throws -> MemoryDevice {
    let device = MemoryDevice(byteCount: UInt64(bytes.count))
    let step = 1 << 16
    for start in stride(from: 0, to: bytes.count, by: step) {
      let buffer = BlockBuffer(byteCount: min(step, bytes.count - start))
      var target = buffer.mutableBytes
      for index in 0..<buffer.byteCount {
        target.storeBytes(of: bytes[start + index], toByteOffset: index, as: UInt8.self)
      }
      try device.write(buffer.bytes, at: UInt64(start))
    }
    return device
  }

  private static func contents(_ device: MemoryDevice) throws -> [UInt8] {
    let buffer = BlockBuffer(byteCount: Int(device.byteCount))
    var target = buffer.mutableBytes
    try device.read(into: &target, at: 0)
    let bytes = buffer.bytes
    return (0..<bytes.byteCount).map { unsafe bytes.unsafeLoad(fromByteOffset: $0, as: UInt8.self) }
  }
}
