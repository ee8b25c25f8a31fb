import BlockCache
import BlockIO
import ExtantBase
import Testing
import Threading

/// A cache over a scripted device, with calls that take and give arrays.
struct CacheFixture: Sendable {
  static let blockSize = 1024
  static let owner = InodeNumber(12)

  let device: ScriptedDevice
  let cache: BlockCache

  /// `limit`: of the cache, in blocks.
  init(blocks: Int = 4096, limit: Int = 64) {
    device = ScriptedDevice(byteCount: UInt64(blocks * Self.blockSize))
    cache = BlockCache(
      device: device, blockSize: Self.blockSize, byteLimit: limit * (Self.blockSize + 256))
  }

  /// A block's worth of one byte.
  func block(_ byte: UInt8, count: Int = 1) -> [UInt8] {
    Array(repeating: byte, count: count * Self.blockSize)
  }

  func copyIn(
    _ bytes: [UInt8], to address: BlockAddress, byteOffset: Int = 0,
    owner: InodeNumber = Self.owner, content: BlockContent = .fresh
  ) throws(FileSystemError) -> CopyOutcome {
    try unsafe cache.copyIn(
      bytes.span.bytes, to: address, byteOffset: byteOffset, owner: owner, content: content)
  }

  func put(
    _ bytes: [UInt8], to address: BlockAddress, byteOffset: Int = 0,
    owner: InodeNumber = Self.owner, content: BlockContent = .fresh
  ) throws {
    let outcome = try copyIn(
      bytes, to: address, byteOffset: byteOffset, owner: owner, content: content)
    #expect(outcome == .done)
  }

  /// Nil when the blocks have moved.
  func copyOut(
    _ address: BlockAddress, byteOffset: Int = 0, count: Int = Self.blockSize, readAhead: Int = 0
  ) throws(FileSystemError) -> [UInt8]? {
    var bytes = [UInt8](repeating: 0xEE, count: count)
    var span = bytes.mutableSpan
    var target = unsafe span.mutableBytes
    let outcome = try cache.copyOut(
      from: address, byteOffset: byteOffset, into: &target, readAhead: readAhead)
    return outcome == .done ? bytes : nil
  }

  func onDevice(_ address: UInt64, blocks: Int = 1) throws(FileSystemError) -> [UInt8] {
    var bytes = [UInt8](repeating: 0, count: blocks * Self.blockSize)
    var span = bytes.mutableSpan
    var target = unsafe span.mutableBytes
    try device.memory.read(into: &target, at: address * UInt64(Self.blockSize))
    return bytes
  }

  func setOnDevice(_ address: UInt64, _ bytes: [UInt8]) throws(FileSystemError) {
    try unsafe device.memory.write(bytes.span.bytes, at: address * UInt64(Self.blockSize))
  }

  static func offset(_ address: UInt64) -> UInt64 { address * UInt64(blockSize) }

  static func contents(_ buffer: BlockBuffer) -> [UInt8] {
    (0..<buffer.byteCount).map { buffer.bytes.unsafeByte(at: $0) }
  }
}

extension RawSpan {
  func unsafeByte(at offset: Int) -> UInt8 {
    unsafe unsafeLoadUnaligned(fromByteOffset: offset, as: UInt8.self)
  }
}

/// Runs bodies at once and waits for all.
func together(_ bodies: [@Sendable () -> Void]) throws {
  var threads: [WorkerThread] = []
  for body in bodies {
    threads.append(try #require(WorkerThread(name: "test", body)))
  }
  for thread in threads { thread.join() }
}
