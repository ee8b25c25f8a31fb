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

  /// Makes the bytes in `range` zero: writes only where they are not, so that holes stay holes.
  mutating func zero(_ range: Range<UInt64>) throws(FileSystemError) {
    var offset = range.lowerBound
    while offset < range.upperBound {
      let count = Int(min(range.upperBound - offset, UInt64(chunk.byteCount)))
      try read(count, at: offset)
      if !chunk.bytes.isZero(0..<count) {
        try device.write(zeros.bytes.extracting(0..<count), at: offset)
        writtenByteCount += UInt64(count)
      }
      offset += UInt64(count)
    }
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
