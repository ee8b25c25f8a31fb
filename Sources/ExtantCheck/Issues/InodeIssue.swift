/// An inode's own fields, and what reserved inodes must be.
public enum InodeIssue: String, IssueArea {
  case badChecksum = "bad-checksum"

  public var entry: IssueEntry {
    switch self {
    case .badChecksum:
      IssueEntry(.major, "has a wrong checksum", repair: "Keep what can be used of it")
    }
  }
}
