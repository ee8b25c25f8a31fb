import BlockIO
import Ext4Format
import ExtantBase

/// Inode 1, the list of bad blocks.
extension MapExaminer {
  /// A block that the list names. False where it is to be taken off.
  func examineBadBlock(
    _ address: BlockAddress, _ logical: UInt64, _ parent: BlockAddress?
  ) throws(FileSystemError) -> Bool {
    if address == parent { return try !found(.badBlockListBlock, block: address, logical: logical) }
    guard isMetadata(address), try isNeeded(address) else { return true }
    return try !found(.badBlockInMetadata, block: address, logical: logical)
  }

  /// Whether the filesystem does not work without the block: copies and reserves it can do without,
  /// and inodes that nobody uses. Such inodes are in use from now on, without being anything.
  private func isNeeded(_ address: BlockAddress) throws(FileSystemError) -> Bool {
    if address.rawValue == UInt64(round.superblock.firstDataBlock) { return true }
    if round.maps.vitalBlocks == nil {
      var blocks: Set<BlockAddress> = []
      for (index, group) in round.groups.enumerated() {
        blocks.insert(group.blockBitmap)
        blocks.insert(group.inodeBitmap)
        blocks.insert(round.superblock.descriptorBlock(for: GroupIndex(UInt32(index))))
      }
      round.maps.vitalBlocks = blocks
      round.maps.inodeTables = round.groups.enumerated().map { index, group in
        let scanned = round.scannedInodeCount(in: GroupIndex(UInt32(index)))
        let perBlock = round.superblock.inodesPerBlock
        return (
          group.inodeTable, (scanned + perBlock - 1) / perBlock, GroupIndex(UInt32(index))
        )
      }
      round.maps.inodeTables.sort { $0.start < $1.start }
    }
    if round.maps.vitalBlocks?.contains(address) == true { return true }
    let tables = round.maps.inodeTables
    let next = tables.partitioningIndex { $0.start > address }
    guard next > 0 else { return false }
    let (start, scanned, group) = tables[next - 1]
    let index = address - start
    guard index < Int64(scanned) else { return false }
    let perBlock = round.superblock.inodesPerBlock
    let skipped = UInt32(index) * perBlock
    let first = round.superblock.firstInode(in: group).rawValue + skipped
    // A group may end within the last block of its table.
    let count = min(perBlock, round.superblock.inodesPerGroup - skipped)
    return try !takeOutOfUse(address, from: first, count: count)
  }

  /// Keeps inodes of a bad block of an inode table from being given to anybody; false where one of them
  /// is in use.
  private func takeOutOfUse(
    _ address: BlockAddress, from first: UInt32, count: UInt32
  ) throws(FileSystemError) -> Bool {
    let block = try round.image.block(address)
    let size = round.superblock.inodeSize
    let isUnused = (0..<Int(count)).allSatisfy { index in
      block.bytes.le16(index * size + RawInode.Offset.linkCount) == 0
    }
    guard first >= round.superblock.firstInode, isUnused else { return false }
    for index in 0..<count {
      let number = InodeNumber(first + index)
      round.inodes[number].isInUse = true
      round.maps.inodesInBadBlocks.insert(number)
    }
    return true
  }
}
