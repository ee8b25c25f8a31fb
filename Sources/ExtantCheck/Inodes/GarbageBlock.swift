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
    if raw.flags.contains(.inlineData) { return false }
    if raw.flags.contains(.extents) { return !raw.hasExtentHeader }
    guard kind == .regular || kind == .directory else { return false }
    var outside = 0
    for index in 0..<15 {
      let word = raw.blockWord(index)
      if word != 0, !superblock.contains(BlockAddress(UInt64(word))) { outside += 1 }
    }
    return outside > 6
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
}
