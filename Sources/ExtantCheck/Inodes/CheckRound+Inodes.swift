import BlockIO
import Ext4Format
import ExtantBase

extension CheckRound {
  /// Pass 1: every inode in use, what it says of itself, and the blocks it claims.
  func checkInodes() throws(FileSystemError) {}
}
