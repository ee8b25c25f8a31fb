/// Group descriptors, and where they put bitmaps and inode tables.
public enum GroupIssue: String, IssueArea {
  case badChecksum = "bad-checksum"

  public var entry: IssueEntry {
    switch self {
    case .badChecksum:
      IssueEntry(
        .minor, "has a descriptor with a wrong checksum", repair: "Compute it anew", isSafe: true)
    }
  }
}
