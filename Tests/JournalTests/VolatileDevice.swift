import BlockIO
import ExtantBase
import TestSupport
import Threading

@testable import Ext4Format

/// A device with a cache that a power cut empties: of the writes since the last flush a cut keeps
/// any part, each block of its own.
final class VolatileDevice: BlockDevice, @unchecked Sendable {
  let name = "volatile"
  let byteCount: UInt64
  let isReadOnly = false
  let blockSize: Int
  private let lock = Lock(.unranked)
  private var durable: [UInt64: [UInt8]] = [:]
  private var pending: [(block: UInt64, bytes: [UInt8])] = []
  private var current: [UInt64: [UInt8]] = [:]
  /// Called after each request.
  var didRequest: (() -> Void)?

  init(byteCount: UInt64, blockSize: Int) {
    self.byteCount = byteCount
    self.blockSize = blockSize
  }

  private func forEachBlock(
    _ count: Int, at offset: UInt64, _ body: (UInt64, Range<Int>) -> Void
  ) throws(FileSystemError) {
    guard offset % UInt64(blockSize) == 0, count % blockSize == 0,
      offset + UInt64(count) <= byteCount
    else { throw .refused(.invalidArgument) }
    for index in 0..<count / blockSize {
      let start = index * blockSize
      body(offset / UInt64(blockSize) + UInt64(index), start..<start + blockSize)
    }
  }

  func read(into bytes: inout MutableRawSpan, at offset: UInt64) throws(FileSystemError) {
    let empty = [UInt8](repeating: 0, count: blockSize)
    var found: [(Int, [UInt8])] = []
    try forEachBlock(bytes.byteCount, at: offset) { block, range in
      found.append((range.lowerBound, lock.withLock { current[block] } ?? empty))
    }
    for (start, block) in found {
      for (index, byte) in block.enumerated() {
        bytes.storeBytes(of: byte, toByteOffset: start + index, as: UInt8.self)
      }
    }
  }

  func write(_ bytes: RawSpan, at offset: UInt64) throws(FileSystemError) {
    try store(bytes, at: offset, isDurable: false)
  }

  func writeThrough(_ bytes: RawSpan, at offset: UInt64) throws(FileSystemError) {
    try store(bytes, at: offset, isDurable: true)
  }

  private func store(
    _ bytes: RawSpan, at offset: UInt64, isDurable: Bool
  ) throws(FileSystemError) {
    var blocks: [(UInt64, [UInt8])] = []
    let whole = bytes.array(0..<bytes.byteCount)
    try forEachBlock(bytes.byteCount, at: offset) { block, range in
      blocks.append((block, Array(whole[range])))
    }
    lock.withLock {
      for (block, contents) in blocks {
        current[block] = contents
        if isDurable {
          pending.removeAll { $0.block == block }
          durable[block] = contents
        } else {
          pending.append((block, contents))
        }
      }
    }
    didRequest?()
  }

  func flush() throws(FileSystemError) {
    lock.withLock {
      durable = current
      pending = []
    }
    didRequest?()
  }

  func discard(_ range: Range<UInt64>) throws(FileSystemError) {}
  func close() throws(FileSystemError) {}

  /// What is left after a cut now.
  func cut(_ random: inout SeededGenerator) -> MemoryDevice {
    lock.lock()
    defer { lock.unlock() }
    var blocks = durable
    for (block, bytes) in pending where random.chance(50) { blocks[block] = bytes }
    let device = MemoryDevice(byteCount: byteCount)
    for (block, bytes) in blocks {
      let buffer = BlockBuffer(byteCount: blockSize)
      var target = buffer.mutableBytes
      target.copy(bytes, at: 0)
      try? device.write(buffer.bytes, at: block * UInt64(blockSize))
    }
    return device
  }
}
