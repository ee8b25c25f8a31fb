/// The superblock, its copies, the features it names, multi-mount protection.
public enum SuperblockIssue: String, IssueArea {
  case badChecksum = "bad-checksum"

  public var entry: IssueEntry {
    switch self {
    case .badChecksum:
      IssueEntry(.minor, "has a wrong checksum", repair: "Compute it anew", isSafe: true)
    }
  }
}
