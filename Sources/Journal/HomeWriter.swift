import BlockIO
import ExtantBase

/// Writes metadata blocks to where they belong, neighbours together.
struct HomeWriter {
  let device: any BlockDevice
  let blockSize: Int
  /// What kind of metadata a block is, for a device that listens; nil for others.
  let kind: (@Sendable (BlockAddress, BlockBuffer) -> DeviceEvent)?

  /// Blocks in one gathered write.
  private static let longestWrite = 256

  func write(_ blocks: HomeBlocks) throws(FileSystemError) {
    var start = 0
    while start < blocks.count {
      var end = start + 1
      let event = kind?(blocks.addresses[start], blocks.images[start])
      while end < blocks.count, end - start < Self.longestWrite,
        blocks.addresses[end] == blocks.addresses[end - 1] + 1,
        kind?(blocks.addresses[end], blocks.images[end]) == event
      {
        end += 1
      }
      let offset = blocks.addresses[start].rawValue.multipliedReportingOverflow(
        by: UInt64(blockSize))
      guard !offset.overflow else {
        throw .corrupt(
          Corruption("transaction", block: blocks.addresses[start], "address out of range"))
      }
      if let event { device.note(event) }
      try device.write(Array(blocks.images[start..<end]), at: offset.partialValue)
      start = end
    }
  }
}
