/// Every kind of issue there is: an area, and the case in it.
public enum IssueKind: Hashable, Sendable {
  case superblock(SuperblockIssue)
  case group(GroupIssue)
  case journal(JournalIssue)
  case orphan(OrphanIssue)
  case inode(InodeIssue)
  case map(MapIssue)
  case xattr(XattrIssue)
  case inline(InlineIssue)
  case directory(DirectoryIssue)
  case connection(ConnectionIssue)
  case summary(SummaryIssue)
  case quota(QuotaIssue)

  /// All kinds, by area.
  public static let all: [IssueKind] = [
    SuperblockIssue.allCases.map { .superblock($0) },
    GroupIssue.allCases.map { .group($0) },
    JournalIssue.allCases.map { .journal($0) },
    OrphanIssue.allCases.map { .orphan($0) },
    InodeIssue.allCases.map { .inode($0) },
    MapIssue.allCases.map { .map($0) },
    XattrIssue.allCases.map { .xattr($0) },
    InlineIssue.allCases.map { .inline($0) },
    DirectoryIssue.allCases.map { .directory($0) },
    ConnectionIssue.allCases.map { .connection($0) },
    SummaryIssue.allCases.map { .summary($0) },
    QuotaIssue.allCases.map { .quota($0) },
  ].flatMap { $0 }

  /// How users and scripts name it: the area, a full stop, the case.
  public var code: String {
    switch self {
    case .superblock(let issue): "superblock.\(issue.rawValue)"
    case .group(let issue): "group.\(issue.rawValue)"
    case .journal(let issue): "journal.\(issue.rawValue)"
    case .orphan(let issue): "orphan.\(issue.rawValue)"
    case .inode(let issue): "inode.\(issue.rawValue)"
    case .map(let issue): "map.\(issue.rawValue)"
    case .xattr(let issue): "xattr.\(issue.rawValue)"
    case .inline(let issue): "inline.\(issue.rawValue)"
    case .directory(let issue): "directory.\(issue.rawValue)"
    case .connection(let issue): "connection.\(issue.rawValue)"
    case .summary(let issue): "summary.\(issue.rawValue)"
    case .quota(let issue): "quota.\(issue.rawValue)"
    }
  }

  public var entry: IssueEntry {
    switch self {
    case .superblock(let issue): issue.entry
    case .group(let issue): issue.entry
    case .journal(let issue): issue.entry
    case .orphan(let issue): issue.entry
    case .inode(let issue): issue.entry
    case .map(let issue): issue.entry
    case .xattr(let issue): issue.entry
    case .inline(let issue): issue.entry
    case .directory(let issue): issue.entry
    case .connection(let issue): issue.entry
    case .summary(let issue): issue.entry
    case .quota(let issue): issue.entry
    }
  }
}
