/// Data that lies in the inode.
public enum InlineIssue: String, IssueArea {
  case notAllowed = "not-allowed"

  public var entry: IssueEntry {
    switch self {
    case .notAllowed:
      IssueEntry(
        .major, "says that its data is in the inode, which the filesystem does not know",
        repair: "Clear the flag")
    }
  }
}
