import BlockIO
import Ext4Format
import ExtantBase

extension CheckRound {
  /// Pass 5: bitmaps and counts say what the passes before found.
  func checkSummaries() throws(FileSystemError) {}
}
