import BlockIO
import Ext4Format
import ExtantBase
import Journal

/// Looks at the journal, and brings what it holds to where it belongs.
struct JournalCheck {
  let image: WorkingImage
  let superblock: Superblock
  let options: CheckOptions
  let reporter: Reporter

  init(
    _ image: WorkingImage, _ superblock: Superblock, _ options: CheckOptions, _ reporter: Reporter
  ) {
    self.image = image
    self.superblock = superblock
    self.options = options
    self.reporter = reporter
  }

  /// The superblock as it is after the replay.
  func run() throws(FileSystemError) -> Superblock { superblock }
}
