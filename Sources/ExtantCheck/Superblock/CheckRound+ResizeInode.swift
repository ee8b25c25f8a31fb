import BlockIO
import Ext4Format
import ExtantBase

extension CheckRound {
  /// Pass 1 for the inode that keeps the blocks reserved for a larger descriptor table.
  func checkResizeInode(_ inode: inout ExaminedInode) throws(FileSystemError) {}
}
