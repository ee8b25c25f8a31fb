import BlockIO
import Ext4Format
import ExtantBase

/// Reads bitmaps in the order of their groups, several at once where they lie side by side, as they
/// do with `flex_bg`.
struct BitmapReader {
  /// In blocks.
  private static let windowCount = 32

  private let image: WorkingImage
  /// Of all groups, in their order.
  private let addresses: [BlockAddress]
  private var first = BlockAddress(0)
  private var count: UInt64 = 0

  /// The bitmap that `seek` found is in `range` of it.
  let window: BlockBuffer
  private(set) var range = 0..<0

  init(_ image: WorkingImage, _ addresses: [BlockAddress]) {
    self.image = image
    self.addresses = addresses
    window = BlockBuffer(byteCount: image.blockSize * Self.windowCount)
  }

  /// Brings the bitmap of group `index` into the window.
  mutating func seek(_ index: Int) throws(FileSystemError) {
    let address = addresses[index]
    if address < first || address.rawValue - first.rawValue >= count {
      var run = 1
      while run < Self.windowCount, index + run < addresses.count,
        addresses[index + run] == address + UInt64(run),
        address.rawValue + UInt64(run) < image.deviceBlockCount
      { run += 1 }
      var bytes = window.mutableBytes
      var part = bytes._mutatingExtracting(0..<run * image.blockSize)
      try image.overlay.read(into: &part, at: address.rawValue &* UInt64(image.blockSize))
      first = address
      count = UInt64(run)
    }
    let offset = Int(address.rawValue - first.rawValue) * image.blockSize
    range = offset..<offset + image.blockSize
  }
}
