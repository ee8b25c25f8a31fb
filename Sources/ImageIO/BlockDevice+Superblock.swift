import BlockIO
import Ext4Format
import ExtantBase

/// The primary superblock, at byte 1024 of a device, and what else has its form.
extension BlockDevice {
  /// The bytes of a superblock at `offset`, as they are; nil where the device ends before them.
  package func superblockBytes(
    at offset: UInt64 = Superblock.byteOffset
  ) throws(FileSystemError) -> BlockBuffer? {
    let end = offset.addingReportingOverflow(UInt64(Superblock.byteCount))
    guard !end.overflow, end.partialValue <= byteCount else { return nil }
    let buffer = BlockBuffer(byteCount: Superblock.byteCount)
    var bytes = buffer.mutableBytes
    try read(into: &bytes, at: offset)
    return buffer
  }

  /// - Throws: `corrupt` where it is no sound superblock, or of more blocks than the device has.
  package func readSuperblock(verifyChecksum: Bool = true) throws(FileSystemError) -> Superblock {
    guard let buffer = try superblockBytes() else {
      throw .corrupt(
        Corruption("superblock", "the device has \(byteCount) bytes: too small for ext4"))
    }
    let superblock = try Superblock(buffer.bytes, verifyChecksum: verifyChecksum)
    try superblock.checkDeviceSize(byteCount)
    return superblock
  }

  /// Nil where there is none that is sound by itself, whatever the device's size is.
  package func soundSuperblock() throws(FileSystemError) -> Superblock? {
    guard let buffer = try superblockBytes() else { return nil }
    return try? Superblock(buffer.bytes)
  }

  /// Writes the superblock to its place, durably; without `isDurable` as any write.
  package func store(
    _ superblock: Superblock, isDurable: Bool = true
  ) throws(FileSystemError) {
    let buffer = BlockBuffer(byteCount: Superblock.byteCount)
    var bytes = buffer.mutableBytes
    superblock.encode(into: &bytes)
    guard isDurable else { return try write(buffer.bytes, at: Superblock.byteOffset) }
    note(.superblockWrite)
    try writeThrough(buffer.bytes, at: Superblock.byteOffset)
  }
}
