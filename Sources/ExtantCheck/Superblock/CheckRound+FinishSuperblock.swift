import BlockIO
import Ext4Format
import ExtantBase

extension CheckRound {
  /// Writes the descriptors and the superblock, and their copies where they differ in what a copy
  /// must have.
  func finishSuperblock() throws(FileSystemError) {
    try storeGroups()
    let buffer = BlockBuffer(byteCount: Superblock.byteCount)
    var bytes = buffer.mutableBytes
    try image.overlay.read(into: &bytes, at: Superblock.byteOffset)
    let before = BlockBuffer(copying: buffer)
    superblock.encode(into: &bytes)
    if !buffer.bytes.isEqual(to: before.bytes) {
      try image.overlay.write(buffer.bytes, at: Superblock.byteOffset)
    }
  }
}
