import BlockIO
import Ext4Format
import ExtantBase

extension CheckRound {
  /// Pass 1 for attributes, in the inode and in their block: mends them, claims the block once
  /// however many inodes share it, and charges it to the inode.
  func checkXattrs(_ inode: inout ExaminedInode) throws(FileSystemError) {}

  /// When all inodes were seen: the reference counts of attribute blocks and of inodes that hold
  /// values.
  func finishXattrs() throws(FileSystemError) {}

  /// Pass 1 for an inode whose data lies in the inode.
  func checkInlineData(_ inode: inout ExaminedInode) throws(FileSystemError) {}
}
