import Ext4Format
import ExtantBase

extension InodeNumber {
  static let userQuota = InodeNumber(3)
  static let groupQuota = InodeNumber(4)
  static let bootLoader = InodeNumber(5)
}

/// How pass 1 goes on with a reserved inode.
enum ReservedInodeStep {
  /// As with any other.
  case ordinary
  /// Only its attributes, its map and its sizes are looked at.
  case contents
  case done
}

extension CheckRound {
  /// Whether the inode is the filesystem's own and in use whatever its link count.
  func isReserved(_ number: InodeNumber) -> Bool {
    number.rawValue < superblock.firstInode || number == superblock.orphanFileInode
  }

  /// A reserved inode whose slot is empty: in use, and nothing is in it, but where something must be.
  func examineEmptyReserved(_ number: InodeNumber) throws(FileSystemError) {
    switch number {
    case .root: return
    // Written anew with the others.
    case .userQuota where hasQuotaFile && superblock.statedUserQuota == number: return
    case .groupQuota where hasQuotaFile && superblock.statedGroupQuota == number: return
    case .resize where superblock.features.compat.contains(.resizeInode):
      var inode = ExaminedInode(number, RawInode(byteCount: superblock.inodeSize))
      enterReserved(inode)
      try checkResizeInode(&inode)
      if inode.isChanged { try writeInode(number, inode.raw) }
    default: enterReserved(ExaminedInode(number, RawInode(byteCount: superblock.inodeSize)))
    }
  }

  private func enterReserved(_ inode: ExaminedInode) {
    var entry = InodeLedger.Entry()
    entry.isInUse = true
    entry.kind = inode.raw.kind
    entry.linkCount = inode.raw.linkCount
    inodes[inode.number] = entry
  }

  /// What a reserved inode must be.
  func checkReserved(_ inode: inout ExaminedInode) throws(FileSystemError) -> ReservedInodeStep {
    let number = inode.number
    enterReserved(inode)
    switch number {
    case .badBlocks: return try checkBadBlocks(&inode)
    case .root: return try checkRoot(&inode)
    case .journal:
      return try checkSystemFile(
        &inode, isWanted: superblock.storedJournalInode == number.rawValue,
        unasked: .journalUnasked)
    case .userQuota:
      return try checkSystemFile(
        &inode, isWanted: hasQuotaFile && superblock.statedUserQuota == number,
        wrongMode: .quotaMode, unasked: .quotaUnasked)
    case .groupQuota:
      return try checkSystemFile(
        &inode, isWanted: hasQuotaFile && superblock.statedGroupQuota == number,
        wrongMode: .quotaMode, unasked: .quotaUnasked)
    case superblock.orphanFileInode: return .contents
    default: return try checkOtherReserved(&inode)
    }
  }

  private var hasQuotaFile: Bool { superblock.features.readOnlyCompat.contains(.quota) }

  /// Inode 1 has block pointers to what must not be used, and no other field.
  private func checkBadBlocks(
    _ inode: inout ExaminedInode
  ) throws(FileSystemError) -> ReservedInodeStep {
    let raw = inode.raw
    let isOdd =
      inode.hasWrongChecksum || raw.mode != 0 || raw.uid & 0xffff != 0 || raw.gid & 0xffff != 0
      || raw.linkCount != 0 || raw.flags.contains(.inlineData)
      || raw.fileACLLow != 0
    if isOdd, try found(.badBlocksFields, inode.number) {
      inode.change { $0 = RawInode(byteCount: $0.bytes.count) }
    }
    try checkExtentsFlag(&inode)
    if inode.isCleared { return .done }
    try checkMap(&inode)
    return .done
  }

  private func checkRoot(
    _ inode: inout ExaminedInode
  ) throws(FileSystemError) -> ReservedInodeStep {
    let number = inode.number
    if inode.raw.kind != .directory {
      let mode = IssueValue.hexadecimal(UInt64(inode.raw.mode))
      if try holdsDirectory(inode) {
        if try found(.rootMode, number, found: mode) { inode.change { $0.mode = 0o040755 } }
      } else if try found(.rootNotDirectory, number, found: mode) {
        inode.isCleared = true
        return .done
      }
    }
    if inode.raw.linkCount == 0, try found(.rootUnlinked, number) {
      inode.change { $0.linkCount = 2 }
    }
    return .ordinary
  }

  /// The journal, quota files: regular files when they are asked for, else empty slots. The journal's
  /// mode was looked at with the journal.
  private func checkSystemFile(
    _ inode: inout ExaminedInode, isWanted: Bool, wrongMode: InodeIssue? = nil, unasked: InodeIssue
  ) throws(FileSystemError) -> ReservedInodeStep {
    if isWanted {
      if let wrongMode, inode.raw.kind != .regular,
        try found(wrongMode, inode.number, found: .hexadecimal(UInt64(inode.raw.mode)))
      {
        inode.change { $0.mode = FileKind.regular.rawValue }
      }
      return .contents
    }
    if inode.raw.holdsAnything, try found(unasked, inode.number) { inode.isCleared = true }
    // What else is in a slot that nobody asked for is nothing to anybody, no directory either.
    inodes[inode.number].kind = nil
    return .done
  }

  private func checkOtherReserved(
    _ inode: inout ExaminedInode
  ) throws(FileSystemError) -> ReservedInodeStep {
    let number = inode.number
    let mode = inode.raw.mode
    let kind: InodeIssue? =
      switch number {
      case .bootLoader: inode.raw.kind == .directory ? .bootLoaderDirectory : nil
      case .resize: mode != 0 && inode.raw.kind != .regular ? .reservedMode : nil
      default: mode != 0 ? .reservedMode : nil
      }
    if let kind, try found(kind, number, found: .hexadecimal(UInt64(mode))) {
      let isInUse = number == .resize && superblock.features.compat.contains(.resizeInode)
      // Nobody has anything in the others.
      guard number == .resize || number == .bootLoader else {
        inode.isCleared = true
        return .done
      }
      inode.change { $0.mode = isInUse ? FileKind.regular.rawValue | 0o600 : 0 }
    }
    return .contents
  }
}

extension RawInode {
  /// Whether a reserved inode that nobody asked for is in use all the same.
  fileprivate var holdsAnything: Bool {
    linkCount != 0 || blocksLow != 0 || blockWord(0) != 0
      || flags.isSuperset(of: [.extents, .inlineData]) || flags.contains(.casefold)
  }
}
