import ExtantBase

/// What quota is kept for.
public enum QuotaKind: Int, CaseIterable, Sendable {
  case user, group, project
}

/// Inodes that have no names because the superblock names them.
extension Superblock {
  private static func field(_ kind: QuotaKind) -> Int {
    switch kind {
    case .user: SuperblockField.userQuotaInode
    case .group: SuperblockField.groupQuotaInode
    case .project: SuperblockField.projectQuotaInode
    }
  }

  /// The inode of the quota file, whatever its number; nil for none.
  public func quotaInode(_ kind: QuotaKind) -> InodeNumber? {
    let number = get32(Self.field(kind))
    return number == 0 ? nil : InodeNumber(number)
  }
  public mutating func setQuotaInode(_ kind: QuotaKind, _ number: InodeNumber?) {
    set32(Self.field(kind), number?.rawValue ?? 0)
  }

  /// Whether the inode has no name because the superblock has its number: the orphan file's, and
  /// that of the project quota's file, which no inode is reserved for.
  public func isHidden(_ number: InodeNumber) -> Bool {
    number == quotaInode(.project)
      || number.rawValue == get32(SuperblockField.orphanFileInode)
  }
}
