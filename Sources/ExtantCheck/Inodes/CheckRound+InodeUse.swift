import Ext4Format
import ExtantBase

extension CheckRound {
  /// A small time of deletion is an inode number: the link of an orphan list that recovery has not
  /// found. An image made by a clock that starts at 0 has small times of its own.
  private var knowsOrphanNumbers: Bool {
    let count = Int64(superblock.inodeCount)
    return [superblock.writeTime, superblock.mountTime, superblock.makeTime]
      .allSatisfy { $0 == 0 || $0 >= count }
  }

  /// The rules for inodes in use and for deleted ones that look at i_dtime alone.
  func checkDeletionTime(_ inode: inout ExaminedInode) throws(FileSystemError) {
    let number = inode.number
    let time = inode.raw.deletionTime
    let isInUse = inode.raw.linkCount != 0
    if time != 0, time < superblock.inodeCount, knowsOrphanNumbers {
      if try found(.orphanNumber, number, found: .number(UInt64(time))) {
        let now = UInt32(clamping: now)
        inode.change { $0.deletionTime = isInUse ? 0 : now }
      }
      return
    }
    if time == 0, !isInUse, inode.raw.mode != 0, !isReserved(number),
      try found(.noDeletionTime, number)
    {
      let now = UInt32(clamping: now)
      inode.change { $0.deletionTime = now }
    }
  }
}
