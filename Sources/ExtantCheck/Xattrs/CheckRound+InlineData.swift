import Ext4Format
import ExtantBase

extension CheckRound {
  /// Pass 1 for an inode whose data lies in the inode.
  func checkInlineData(_ inode: inout ExaminedInode) throws(FileSystemError) {}
}
