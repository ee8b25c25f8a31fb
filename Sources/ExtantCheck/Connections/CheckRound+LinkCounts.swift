import BlockIO
import Ext4Format
import ExtantBase

extension CheckRound {
  /// Pass 4: every inode in use has a name, and as many as it says.
  func checkLinkCounts() throws(FileSystemError) {}
}
