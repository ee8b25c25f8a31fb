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
      round.maps.inodeTables = round.groups.map(\.inodeTable).sorted()
    }
    if round.maps.vitalBlocks?.contains(address) == true { return true }
    let tables = round.maps.inodeTables
    let next = tables.partitioningIndex { $0 > address }
    guard next > 0, address.rawValue < round.image.deviceBlockCount,
      address - tables[next - 1] < Int64(round.superblock.inodeTableBlockCount)
    else { return false }
    let block = try round.image.block(address)
    return !block.bytes.isZero(0..<block.byteCount)
  }
}
