import ExtantBase

/// The superblock's fields of the journal and of orphans as they stand, whatever the features say: for
/// who mends them.
extension Superblock {
  /// s_journal_inum; 0 for none.
  public var storedJournalInode: UInt32 {
    get { get32(SuperblockField.journalInode) }
    set { set32(SuperblockField.journalInode, newValue) }
  }
  /// s_journal_dev, the device number of an external journal when it was last used; 0 for none.
  public var storedJournalDevice: UInt32 {
    get { get32(SuperblockField.journalDevice) }
    set { set32(SuperblockField.journalDevice, newValue) }
  }
  /// s_journal_uuid, 16 bytes, of an external journal; zero for none.
  public var storedJournalUUID: [UInt8] {
    get { Array(raw[SuperblockField.journalUUID..<SuperblockField.journalUUID + 16]) }
    set {
      raw.replaceSubrange(
        SuperblockField.journalUUID..<SuperblockField.journalUUID + 16, with: newValue.prefix(16))
    }
  }
  /// s_jnl_backup_type: 1 where `journalBlocksBackup` holds something.
  public var journalBackupType: UInt8 {
    get { get8(SuperblockField.journalBackupType) }
    set { set8(SuperblockField.journalBackupType, newValue) }
  }
  /// s_jnl_blocks: 17 words; fewer leave the rest as they are.
  public mutating func setJournalBlocksBackup(_ words: [UInt32]) {
    for (index, word) in words.prefix(17).enumerated() {
      set32(SuperblockField.journalBlocks + 4 * index, word)
    }
  }
  /// s_last_orphan; 0 for an empty list.
  public var storedLastOrphan: UInt32 {
    get { get32(SuperblockField.lastOrphan) }
    set { set32(SuperblockField.lastOrphan, newValue) }
  }
  /// s_orphan_file_inum; 0 for none.
  public var storedOrphanFileInode: UInt32 {
    get { get32(SuperblockField.orphanFileInode) }
    set { set32(SuperblockField.orphanFileInode, newValue) }
  }
}
