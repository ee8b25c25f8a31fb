import BlockIO
import Ext4Format
import ExtantBase

/// Whether a block of an inode table holds inodes at all.
struct GarbageBlock {
  /// Within the piece of the table that was read; -1 for none.
  var index = -1
  var isGarbage = false
}

extension CheckRound {
  /// Whether most of a block's slots are no inodes as far as one can see: then what looks odd there
  /// is not mended but cleared, for it was written by something else.
  func garbageBlock(
    _ block: Int, _ buffer: BlockBuffer, from first: InodeNumber, count: Int
  ) -> GarbageBlock {
    let perBlock = Int(superblock.inodesPerBlock)
    let size = superblock.inodeSize
    var odd = 0
    for index in block * perBlock..<min((block + 1) * perBlock, count) {
      let place = index * size..<(index + 1) * size
      if buffer.bytes.isZero(place) { continue }
      var inode = ExaminedInode(
        InodeNumber(first.rawValue &+ UInt32(index)), RawInode(buffer.bytes.array(place)))
      inode.hasWrongChecksum = !inode.raw.hasValidChecksum(inode.number, superblock)
      if inode.hasWrongChecksum || looksLikeGarbage(inode) { odd += 1 }
    }
    return GarbageBlock(index: block, isGarbage: perBlock > 1 && odd > perBlock / 2)
  }

  /// Whether an inode could be any bytes. One with the right checksum could not.
  func looksLikeGarbage(_ inode: ExaminedInode) -> Bool {
    if superblock.hasMetadataChecksums, !inode.hasWrongChecksum { return false }
    let raw = inode.raw
    guard let kind = raw.kind else { return raw.mode != 0 }
    if raw.flags.contains(.extents), !raw.flags.contains(.inlineData), !raw.hasExtentHeader {
      return true
    }
    // Whoever breaks a checksum by one field does not break these too.
    if superblock.hasMetadataChecksums {
      let room = superblock.inodeSize - Inode.baseSize
      if raw.hasUnknownFlags || Int(raw.extraSize) > room { return true }
    }
    switch kind {
    case .regular, .directory:
      return raw.flags.isDisjoint(with: [.extents, .inlineData])
        && (0..<15).count { isOutside(raw.blockWord($0)) } > 6
    case .symbolicLink: return raw.wholeSize > UInt64(superblock.blockSize)
    default: return raw.wholeSize > 0
    }
  }

  private func isOutside(_ word: UInt32) -> Bool {
    word != 0 && !superblock.contains(BlockAddress(UInt64(word)))
  }
}

extension RawInode {
  /// Whether i_block starts as an extent tree does.
  var hasExtentHeader: Bool {
    let start = Self.blockAreaOffset
    guard le16(start) == ExtentNode.magic, le16(start + 6) <= ExtentNode.maximumDepth else {
      return false
    }
    let entries = le16(start + 2)
    let maximum = le16(start + 4)
    return entries <= maximum && maximum <= 4 && maximum >= 2
  }

  /// Whether flags are set that no ext4 ever had.
  fileprivate var hasUnknownFlags: Bool { flags.rawValue & 0x8900_0000 != 0 }
}
