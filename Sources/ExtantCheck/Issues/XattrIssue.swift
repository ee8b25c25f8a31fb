/// Extended attributes, in inodes, blocks and inodes of their own.
public enum XattrIssue: String, IssueArea {
  case blockChecksum = "block-checksum"

  public var entry: IssueEntry {
    switch self {
    case .blockChecksum:
      IssueEntry(
        .major, "has an attribute block with a wrong checksum",
        repair: "Keep what can be used of it")
    }
  }
}
