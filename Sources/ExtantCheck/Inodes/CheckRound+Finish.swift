import BlockIO
import Ext4Format
import ExtantBase

extension CheckRound {
  /// Does what was put off until all claims were known.
  func finishInodes() throws(FileSystemError) {}
}
