import Ext4Format
import ExtantBase

/// The options that say when what is written becomes durable, as `ext4(5)` names them.
extension FileSystem.Options {
  /// data=: when contents of files reach the device, and how.
  public enum DataMode: String, Sendable, CaseIterable {
    /// Blocks that become part of a file are written before the metadata that says so: a crash
    /// never shows what lay in them before.
    case ordered
    /// ext4 promises no order between data and metadata here. Extant keeps that of `ordered`,
    /// which is a stronger promise.
    case writeback
    /// Contents go through the journal as metadata does.
    case journal
  }

  /// Throws what makes these options impossible for the filesystem of `superblock`: `unsupported`
  /// by the option's name.
  func check(for superblock: Superblock) throws(FileSystemError) {
    guard access == .readWrite, !skipsRecovery else { return }
    if let dataMode, !superblock.features.compat.contains(.hasJournal) {
      throw .unsupported(
        Unsupported("data=\(dataMode.rawValue)", "the filesystem has no journal"))
    }
  }

  /// What the option says, else the superblock (tune2fs -o), else `ordered`.
  func dataMode(for superblock: Superblock) -> DataMode {
    if let dataMode { return dataMode }
    guard superblock.features.compat.contains(.hasJournal) else { return .ordered }
    // Two bits, three values: journal_data_writeback has both.
    let stated = superblock.defaultMountOptions
    if stated.contains(.journalDataWriteback) { return .writeback }
    return stated.contains(.journalData) ? .journal : .ordered
  }

  /// What the option says, else the superblock (tune2fs -o nobarrier), else true.
  func usesBarriers(for superblock: Superblock) -> Bool {
    usesBarriers ?? !superblock.defaultMountOptions.contains(.noBarrier)
  }
}

extension FileSystem {
  /// data= as it is in force.
  public var dataMode: Options.DataMode { options.dataMode(for: superblock) }

  /// Whether flushes go to the device: without them a power cut may cost what fsync confirmed.
  public var usesBarriers: Bool { options.usesBarriers(for: superblock) }
}
