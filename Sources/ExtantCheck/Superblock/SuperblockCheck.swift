import BlockIO
import Ext4Format
import ExtantBase

/// Finds a superblock that can be used, and mends it, before anything else is looked at.
struct SuperblockCheck {
  let image: WorkingImage
  let options: CheckOptions
  let reporter: Reporter

  init(_ image: WorkingImage, _ options: CheckOptions, _ reporter: Reporter) {
    self.image = image
    self.options = options
    self.reporter = reporter
  }

  func run() throws(FileSystemError) -> Superblock {
    let buffer = BlockBuffer(byteCount: Superblock.byteCount)
    var bytes = buffer.mutableBytes
    try image.overlay.read(into: &bytes, at: Superblock.byteOffset)
    return try Superblock(buffer.bytes)
  }

  /// Whether the filesystem says it is clean and that nobody wants it checked.
  static func isClean(_ superblock: Superblock, _ options: CheckOptions) -> Bool {
    superblock.state.contains(.clean) && !superblock.state.contains(.errors)
  }
}

extension WorkingImage {
  /// The image, with the block size that its superblock or the copy to be used says.
  convenience init(
    _ device: any BlockDevice, _ options: CheckOptions, _ reporter: Reporter
  ) throws(FileSystemError) {
    let buffer = BlockBuffer(byteCount: Superblock.byteCount)
    var bytes = buffer.mutableBytes
    try device.read(into: &bytes, at: Superblock.byteOffset)
    self.init(device, blockSize: try Superblock(buffer.bytes, verifyChecksum: false).blockSize)
  }
}
