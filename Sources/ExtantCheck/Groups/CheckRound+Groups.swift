import BlockIO
import Ext4Format
import ExtantBase

extension CheckRound {
  /// Reads the group descriptors, mends where they put things, and claims what the filesystem itself
  /// takes: superblocks, descriptors and their reserve, bitmaps, inode tables, the MMP block.
  func checkGroups() throws(FileSystemError) {}
}
