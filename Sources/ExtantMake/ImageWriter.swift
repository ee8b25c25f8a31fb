import BlockIO
import Ext4Format
import ExtantBase

/// Writes a planned filesystem to its device, counting what it writes.
struct ImageWriter {
  let device: any BlockDevice
  let blockSize: UInt64
  private(set) var writtenByteCount: UInt64 = 0
  private let chunk = BlockBuffer(byteCount: 1 << 20)
  private let zeros = BlockBuffer(byteCount: 1 << 20)

  init(_ device: any BlockDevice, blockSize: Int) {
    self.device = device
    self.blockSize = UInt64(blockSize)
  }

  mutating func write(_ bytes: [UInt8], at offset: UInt64) throws(FileSystemError) {
    try device.write(bytes.rawBytes, at: offset)
    writtenByteCount += UInt64(bytes.count)
  }

  mutating func write(_ bytes: [UInt8], block: UInt64) throws(FileSystemError) {
    try write(bytes, at: block * blockSize)
  }

  /// Makes the bytes in `range` zero: writes only where they are not, so that holes stay holes, and
  /// reads only where they may not be.
  mutating func zero(_ range: Range<UInt64>) throws(FileSystemError) {
    guard var offset = try device.firstData(in: range),
      try !device.zeroOut(offset..<range.upperBound)
    else { return }
    while true {
      let count = Int(min(range.upperBound - offset, UInt64(chunk.byteCount)))
      try read(count, at: offset)
      if !chunk.bytes.isZero(0..<count) { try zeroChunk(count, at: offset) }
      guard let next = try device.firstData(in: offset + UInt64(count)..<range.upperBound) else {
        return
      }
      offset = next
    }
  }

  /// Of the chunk that was read there, what lies between its first and its last block with data: a
  /// hole around them stays one.
  private mutating func zeroChunk(_ count: Int, at offset: UInt64) throws(FileSystemError) {
    let block = Int(blockSize)
    var range = 0..<count
    while range.count > block, chunk.bytes.isZero(range.prefix(block)) {
      range = range.lowerBound + block..<count
    }
    while range.count > block, chunk.bytes.isZero(range.suffix(block)) {
      range = range.lowerBound..<range.upperBound - block
    }
    try device.write(zeros.bytes.extracting(range), at: offset + UInt64(range.lowerBound))
    writtenByteCount += UInt64(range.count)
  }

  private func read(_ count: Int, at offset: UInt64) throws(FileSystemError) {
    var all = chunk.mutableBytes
    var part = all._mutatingExtracting(0..<count)
    try device.read(into: &part, at: offset)
  }

  mutating func zero(blocks: Range<UInt64>) throws(FileSystemError) {
    try zero(blocks.lowerBound * blockSize..<blocks.upperBound * blockSize)
  }
}
