import BlockIO
import Ext4Format
import ExtantBase

extension CheckRound {
  /// Finishes what the orphan list and the orphan file say was being deleted or cut short.
  func checkOrphans() throws(FileSystemError) {}
}
