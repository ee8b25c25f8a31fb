import BlockIO
import Ext4Format
import ExtantBase

extension CheckRound {
  /// Pass 2: every block of every directory, its entries and its hash tree.
  func checkDirectories() throws(FileSystemError) {}
}
