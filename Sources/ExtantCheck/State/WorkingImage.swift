import BlockIO
import Ext4Format
import ExtantBase

/// The image as the checker sees it: what the device holds, with all repairs so far laid over it.
///
/// Nothing reaches the device: the blocks that changed are the repair plan. For these 256 MiB of memory
/// are taken; the rest goes to a temporary file.
final class WorkingImage: Sendable {
  let overlay: OverlayDevice
  let blockSize: Int
  /// In bytes, of blocks that changed. They are aligned one by one, which takes as much memory again.
  private static let memoryLimit = 128 << 20
  /// What the first superblock is replaced by where it is of no use; nil where nobody looked.
  let choice: SuperblockChoice?

  /// - Parameter device: only read, and not closed by the overlay's end.
  init(_ device: any BlockDevice, blockSize: Int, choice: SuperblockChoice? = nil) {
    overlay = OverlayDevice(
      base: device, pieceByteCount: blockSize, memoryLimit: Self.memoryLimit)
    self.blockSize = blockSize
    self.choice = choice
  }

  /// In blocks, whole ones only.
  var deviceBlockCount: UInt64 { overlay.byteCount / UInt64(blockSize) }

  /// Fills `buffer`, of one block or several, from `address` on.
  func read(_ address: BlockAddress, into buffer: BlockBuffer) throws(FileSystemError) {
    var bytes = buffer.mutableBytes
    try overlay.read(into: &bytes, at: try offset(address, count: buffer.byteCount))
  }

  /// A private copy of the block.
  func block(_ address: BlockAddress) throws(FileSystemError) -> BlockBuffer {
    let buffer = BlockBuffer(byteCount: blockSize)
    try read(address, into: buffer)
    return buffer
  }

  func write(_ buffer: BlockBuffer, at address: BlockAddress) throws(FileSystemError) {
    try overlay.write(buffer.bytes, at: try offset(address, count: buffer.byteCount))
  }

  private func offset(_ address: BlockAddress, count: Int) throws(FileSystemError) -> UInt64 {
    let (offset, overflow) = address.rawValue.multipliedReportingOverflow(by: UInt64(blockSize))
    let (end, pastEnd) = offset.addingReportingOverflow(UInt64(count))
    guard !overflow, !pastEnd, end <= overlay.byteCount else {
      throw .corrupt(Corruption("block", block: address, "it lies past the end of the device"))
    }
    return offset
  }

  /// Blocks that differ from the device's or were at least written, ascending.
  var writtenBlocks: [BlockAddress] { overlay.writtenPieces.map { BlockAddress($0) } }
}
