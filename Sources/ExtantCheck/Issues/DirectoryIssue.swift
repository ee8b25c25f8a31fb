/// Directory blocks, their entries and hash trees.
public enum DirectoryIssue: String, IssueArea {
  case blockChecksum = "block-checksum"

  public var entry: IssueEntry {
    switch self {
    case .blockChecksum:
      IssueEntry(
        .major, "has a directory block with a wrong checksum",
        repair: "Keep the entries that can be used")
    }
  }
}
