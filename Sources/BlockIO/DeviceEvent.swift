/// What the engine is about to do, in the words that fault rules use: events of ext4, as QEMU's
/// blkdebug has them for its formats. The next requests of the same thread belong to it.
public enum DeviceEvent: String, Sendable, CaseIterable {
  case superblockWrite = "superblock_write"
  case groupDescriptorWrite = "group_descriptor_write"
  case blockBitmapWrite = "block_bitmap_write"
  case inodeBitmapWrite = "inode_bitmap_write"
  case inodeTableWrite = "inode_table_write"
  case leafWrite = "leaf_write"
  case indexWrite = "index_write"
  case directoryWrite = "directory_write"
  case xattrWrite = "xattr_write"
  case orphanFileWrite = "orphan_file_write"
  case dataWrite = "data_write"
  case dataRead = "data_read"
  case metadataRead = "metadata_read"
  case extentSplit = "extent_split"
  case directorySplit = "directory_split"
  case journalSuperblockWrite = "journal_superblock_write"
  case journalDescriptorWrite = "journal_descriptor_write"
  case journalBlockWrite = "journal_block_write"
  case journalRevokeWrite = "journal_revoke_write"
  case journalCommitWrite = "journal_commit_write"
  case checkpoint
  case recoveryRead = "recovery_read"
  case recoveryWrite = "recovery_write"
  case flush
  case discard
}
