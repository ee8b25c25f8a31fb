import BlockIO
import Ext4Format
import ExtantBase

extension CheckRound {
  /// Gives every block that several claim to one of them.
  func resolveSharedBlocks() throws(FileSystemError) {}
}
