import BlockIO
import Ext4Format
import ExtantBase

extension CheckRound {
  /// Reads the group descriptors, mends where they put things, and claims what the filesystem itself
  /// takes: superblocks, descriptors and their reserve, bitmaps, inode tables, the MMP block.
  func checkGroups() throws(FileSystemError) {
    try loadGroups()
    claimSuperblockAreas()
    claimTables()
  }

  /// Claims what lies at the groups' starts.
  func claimSuperblockAreas() {
    for index in 0..<superblock.groupCount {
      let group = GroupIndex(index)
      let count = min(
        superblock.superblockAreaBlockCount(in: group), superblock.blocks(in: group))
      claims.claim(superblock.groupFirstBlock(group), count: UInt64(count))
    }
  }

  /// Claims the groups' bitmaps and inode tables.
  func claimTables() {
    let tableBlocks = UInt64(superblock.inodeTableBlockCount)
    for descriptor in groups {
      claims.claim(descriptor.blockBitmap)
      claims.claim(descriptor.inodeBitmap)
      claims.claim(descriptor.inodeTable, count: tableBlocks)
    }
  }
}
