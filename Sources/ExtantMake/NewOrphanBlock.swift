import Ext4Format
import ExtantBase

/// A block of the orphan file without orphans: zeros, a magic number and a checksum.
enum NewOrphanBlock {
  private static let magic: UInt32 = 0x0b10_ca04

  static func fill(
    _ bytes: inout MutableRawSpan, address: BlockAddress, number: InodeNumber, inode: Inode,
    superblock: Superblock
  ) {
    let tail = bytes.byteCount - 8
    bytes.setLE32(magic, at: tail)
    guard superblock.hasMetadataChecksums else { return }
    var place = [UInt8](repeating: 0, count: 8)
    place.withMutableBytes { $0.setLE64(address.rawValue, at: 0) }
    var crc = inode.checksumSeed(number: number, superblock: superblock)
    crc = crc32c(crc, place)
    crc = crc32c(crc, bytes.bytes.extracting(0..<tail))
    bytes.setLE32(crc, at: tail + 4)
  }
}
