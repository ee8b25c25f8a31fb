import ExtantBase

/// Inodes that the superblock names, as it names them, and what it says of directories' sizes: for a
/// checker, which asks whether the features agree.
extension Superblock {
  /// s_usr_quota_inum.
  package var statedUserQuota: InodeNumber? { number(SuperblockField.userQuotaInode) }
  /// s_grp_quota_inum.
  package var statedGroupQuota: InodeNumber? { number(SuperblockField.groupQuotaInode) }
  /// s_prealloc_dir_blocks: how many blocks past its size a directory may have.
  package var preallocatedDirectoryBlocks: UInt8 {
    get8(SuperblockField.preallocatedDirectoryBlocks)
  }

  private func number(_ offset: Int) -> InodeNumber? {
    let number = get32(offset)
    return number == 0 ? nil : InodeNumber(number)
  }
}
