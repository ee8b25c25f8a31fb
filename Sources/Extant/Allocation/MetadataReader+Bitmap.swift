import BlockIO
import Ext4Format
import ExtantBase

extension MetadataReader {
  /// A group's bitmap, a whole block, verified when it comes from the device. `structure` names it
  /// in what is thrown: "block bitmap", "inode bitmap".
  func readBitmap(
    _ structure: String, at address: BlockAddress, of group: Int, _ superblock: Superblock,
    verify: (RawSpan, GroupIndex) throws(FileSystemError) -> Void
  ) throws(FileSystemError) -> BlockBuffer {
    let tooShort = FileSystemError.corrupt(
      Corruption(structure, block: address, "group \(group): its block is too short"))
    let buffer = try read(address) { (bytes) throws(FileSystemError) in
      guard bytes.byteCount >= superblock.blockSize else { throw tooShort }
      try verify(bytes, GroupIndex(UInt32(truncatingIfNeeded: group)))
    }
    guard buffer.byteCount >= superblock.blockSize else { throw tooShort }
    return buffer
  }
}
