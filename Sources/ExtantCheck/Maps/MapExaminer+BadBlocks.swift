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
  /// and inodes that nobody uses.
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
        return (group.inodeTable, (scanned + perBlock - 1) / perBlock)
      }
      round.maps.inodeTables.sort { $0.start < $1.start }
    }
    if round.maps.vitalBlocks?.contains(address) == true { return true }
    let tables = round.maps.inodeTables
    let next = tables.partitioningIndex { $0.start > address }
    guard next > 0 else { return false }
    return address - tables[next - 1].start < Int64(tables[next - 1].scannedBlocks)
  }
}
