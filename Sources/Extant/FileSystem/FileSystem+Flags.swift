import Ext4Format
import ExtantBase
import struct SystemPackage.Errno

extension InodeFlags {
  /// What FS_IOC_GETFLAGS tells of (EXT4_FL_USER_VISIBLE).
  public static let userVisible: InodeFlags = changeable.union([
    .compressionState, .encrypted, .index, .extents, .verity, .inlineData, .casefold,
  ])

  /// What chattr(1) may change; `extents` and `casefold` besides, where the file can be converted.
  public static let changeable: InodeFlags = [
    .secureDeletion, .undelete, .compressed, .synchronous, .immutable, .append, .noDump,
    .noAccessTime, .journalData, .noTailMerging, .directorySynchronous, .topDirectory,
    .endOfFileBlocks, .dax, .projectInherit,
  ]

  /// What the kind of file may have of those that can be changed.
  func masked(for kind: FileKind) -> InodeFlags {
    switch kind {
    case .directory: self
    case .regular:
      subtracting([.directorySynchronous, .topDirectory, .casefold, .projectInherit])
    default: intersection([.noDump, .noAccessTime])
    }
  }

  /// What a new inode takes over from its directory (EXT4_FL_INHERITED).
  func inherited(by kind: FileKind) -> InodeFlags {
    intersection([
      .secureDeletion, .undelete, .compressed, .synchronous, .noDump, .noAccessTime, .journalData,
      .noTailMerging, .directorySynchronous, .dax, .projectInherit,
    ]).masked(for: kind)
  }
}

extension FileSystem {
  /// FS_IOC_SETFLAGS: sets the changeable flags as given; others that GETFLAGS shows are passed over.
  ///
  /// Throws EOPNOTSUPP for what is not shown, what this kind of file cannot have, and a change of
  /// `extents` or `casefold`, which would need the file to be converted; EPERM for another change of
  /// what is and stays immutable, and of `journalData` where that is not allowed. Who else may do so is
  /// the caller's to check.
  ///
  /// - Parameter mayChangeJournalData: whoever asks has CAP_SYS_RESOURCE.
  public func setInodeFlags(
    _ flags: InodeFlags, of inode: InodeNumber, mayChangeJournalData: Bool = true
  ) throws(FileSystemError) {
    try requireWritable()
    try withNode(inode) { (node) throws(FileSystemError) in
      try node.lock.withExclusiveLock { () throws(FileSystemError) in
        let old = node.state.withLock { node.inode.flags }
        let new = try Self.flags(flags, replacing: old, node.kind, mayChangeJournalData)
        if old.contains(.journalData) != new.contains(.journalData) {
          try contents(of: node)?.settleJournaledData()
        }
        try perform { (operation) throws(FileSystemError) in
          try node.withState { () throws(FileSystemError) in
            node.inode.flags = new
            touchAttributes(node)
            operation.changed(node)
          }
        }
      }
    }
  }

  private static func flags(
    _ flags: InodeFlags, replacing old: InodeFlags, _ kind: FileKind, _ mayChangeJournalData: Bool
  ) throws(FileSystemError) -> InodeFlags {
    let converting: InodeFlags = [.extents, .casefold]
    let wanted = flags.intersection(.changeable.union(converting))
    guard flags.isSubset(of: .userVisible),
      wanted.subtracting(converting).masked(for: kind) == wanted.subtracting(converting)
    else { throw .refused(.notSupportedOnSocket) }
    let new = old.subtracting(.changeable).union(wanted)
    let isConverted = wanted.intersection(converting) != old.intersection(converting)
    if old.contains(.immutable), new.contains(.immutable), new != old || isConverted {
      throw .refused(.notPermitted)
    }
    if old.contains(.journalData) != new.contains(.journalData), !mayChangeJournalData {
      throw .refused(.notPermitted)
    }
    if isConverted { throw .refused(.notSupportedOnSocket) }
    return new
  }
}
