import BlockIO
import Ext4Format
import ExtantBase

extension CheckRound {
  /// Writes every directory anew, sorted and without gaps.
  func rebuildDirectories() throws(FileSystemError) {}
}
