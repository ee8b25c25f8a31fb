import BlockIO
import Ext4Format
import ExtantBase
import SystemPackage
import TestSupport

/// Asks e2fsck about an image in memory.
final class Fsck {
  private let directory: TemporaryDirectory

  /// Nil where there is no e2fsck.
  init?() {
    guard Environment.hasTools, let directory = try? TemporaryDirectory() else { return nil }
    self.directory = directory
  }

  /// Nil where it finds nothing.
  func complaint(about image: BlockBuffer) -> String? {
    do {
      let path = directory("image")
      let file = try FileDescriptor.open(
        FilePath(path), .writeOnly, options: [.create, .truncate], permissions: .ownerReadWrite)
      try file.closeAfter {
        _ = try file.writeAll(image.bytes.array())
      }
      return try Image(path: path).complaint()
    } catch {
      return "e2fsck could not be asked: \(error)"
    }
  }
}
