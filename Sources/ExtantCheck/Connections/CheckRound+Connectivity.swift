import BlockIO
import Ext4Format
import ExtantBase

extension CheckRound {
  /// Pass 3: every directory can be reached from the root.
  func checkConnectivity() throws(FileSystemError) {}
}
