import BlockIO
import Ext4Format
import ExtantBase

/// The inodes of quota files, before pass 1 looks at them.
extension CheckRound {
  /// The superblock names quota files that can be some.
  func checkQuotaInodes() throws(FileSystemError) {
    guard superblock.features.readOnlyCompat.contains(.quota) else {
      return try checkUnaskedQuota()
    }
    for kind in QuotaKind.allCases {
      if let reserved = kind.reservedInode {
        try checkReservedQuotaInode(kind, reserved)
      } else {
        try checkProjectQuotaInode()
      }
    }
  }

  /// Of users and groups: an inode is reserved for the file.
  private func checkReservedQuotaInode(
    _ kind: QuotaKind, _ reserved: InodeNumber
  ) throws(FileSystemError) {
    guard let stated = superblock.quotaInode(kind) else {
      let raw = try readInode(reserved)
      if raw.linkCount > 0, try hasQuotaMagic(reserved, raw, kind),
        try found(.quota(.inodeForgotten), .inode(reserved))
      {
        superblock.setQuotaInode(kind, reserved)
      }
      return
    }
    guard stated != reserved else { return }
    guard
      try found(
        .quota(.inodeNumber), .filesystem, found: .number(UInt64(stated.rawValue)),
        expected: .number(UInt64(reserved.rawValue)))
    else { return }
    superblock.setQuotaInode(kind, reserved)
    let raw = try readInode(reserved)
    if try hasQuotaMagic(reserved, raw, kind) { return }
    if isOrdinary(stated), try hasQuotaMagic(stated, try readInode(stated), kind) {
      formerQuotaFiles[kind] = stated
    }
    try writeInode(reserved, newQuotaInode(reserved))
  }

  /// Of projects: any inode that has no name.
  private func checkProjectQuotaInode() throws(FileSystemError) {
    guard let stated = superblock.quotaInode(.project) else { return }
    if isOrdinary(stated) {
      let raw = try readInode(stated)
      // A slot that was lost is filled again.
      if raw.mode == 0 || raw.linkCount == 0 { return }
      if raw.kind == .regular {
        if try hasQuotaMagic(stated, raw, .project) { return }
        if raw.flags.contains(.immutable), raw.permissions == 0o600 { return }
      }
    }
    if try found(.quota(.inodeNumber), .filesystem, found: .number(UInt64(stated.rawValue))) {
      superblock.setQuotaInode(.project, nil)
    }
  }

  /// Without quota the reserved inodes are pass 1's, and any other that is named is a quota file all
  /// the same to who looks at the number alone.
  private func checkUnaskedQuota() throws(FileSystemError) {
    try checkUnaskedProjectQuota()
    for kind in [QuotaKind.user, .group] {
      guard let stated = superblock.quotaInode(kind), stated == .root || isOrdinary(stated),
        try readInode(stated).linkCount > 0,
        try found(.quota(.numberUnasked), .inode(stated))
      else { continue }
      superblock.setQuotaInode(kind, nil)
    }
  }

  /// This one would have no name. What is no quota file is somebody's: only the number goes.
  private func checkUnaskedProjectQuota() throws(FileSystemError) {
    guard let stated = superblock.quotaInode(.project), stated.rawValue <= superblock.inodeCount
    else { return }
    let raw = try readInode(stated)
    let isInUse = raw.linkCount != 0 || raw.blocksLow != 0 || raw.blockWord(0) != 0
    var isQuota = false
    if isOrdinary(stated) { isQuota = try hasQuotaMagic(stated, raw, .project) }
    // e2fsck counts it as in use, where it comes to it. No mount minds the number: a clean image is
    // believed over it.
    let isBelieved =
      self.number == 1 && !options.isForced && SuperblockCheck.isClean(superblock, options)
    guard isInUse || isOrdinary(stated) && isScanned(stated) && !isBelieved else { return }
    let kind: QuotaIssue = !isInUse ? .numberLeft : isQuota ? .inodeUnasked : .numberUnasked
    guard try found(.quota(kind), .inode(stated)) else { return }
    superblock.setQuotaInode(.project, nil)
    if isInUse, isQuota { try clearSlot(stated, raw) }
  }

  private func isScanned(_ number: InodeNumber) -> Bool {
    guard let group = superblock.group(of: number) else { return false }
    return number.rawValue - superblock.firstInode(in: group).rawValue
      < scannedInodeCount(in: group)
  }

  private func isOrdinary(_ number: InodeNumber) -> Bool {
    number.rawValue >= superblock.firstInode && number.rawValue <= superblock.inodeCount
  }

  /// Whether the inode is a quota file as far as its first bytes tell. Nothing else of it is believed.
  private func hasQuotaMagic(
    _ number: InodeNumber, _ raw: RawInode, _ kind: QuotaKind
  ) throws(FileSystemError) -> Bool {
    guard raw.kind == .regular else { return false }
    return try QuotaReader(self, number, raw).head().magic == QuotaFile.magic(kind)
  }

  /// An empty quota file.
  func newQuotaInode(_ number: InodeNumber) -> RawInode {
    let mode = FileKind.regular.rawValue | 0o600
    let inode = Inode(
      mode: mode, uid: 0, gid: 0, time: Timestamp(seconds: now), superblock: superblock)
    var raw = RawInode(byteCount: superblock.inodeSize)
    raw.bytes.withMutableBytes { inode.encode(into: &$0, number: number, superblock: superblock) }
    raw.flags.insert(.immutable)
    if superblock.features.incompat.contains(.extents) {
      raw.flags.insert(.extents)
      raw.setLE16(ExtentNode.magic, at: RawInode.blockAreaOffset)
      raw.setLE16(UInt16(ExtentNode.rootCapacity), at: RawInode.blockAreaOffset + 4)
    }
    return raw
  }
}

extension QuotaKind {
  /// The inode that is reserved for the file; nil where none is.
  var reservedInode: InodeNumber? {
    switch self {
    case .user: InodeNumber(3)
    case .group: InodeNumber(4)
    case .project: nil
    }
  }
}
