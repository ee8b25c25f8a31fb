import BlockIO
import Ext4Format
import ExtantBase

extension CheckRound {
  /// The quota files say what is used.
  func checkQuota() throws(FileSystemError) {}
}
