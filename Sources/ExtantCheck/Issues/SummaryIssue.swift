/// Bitmaps, and the counts in descriptors and superblock.
public enum SummaryIssue: String, IssueArea {
  case freeBlockCount = "free-block-count"

  public var entry: IssueEntry {
    switch self {
    case .freeBlockCount:
      IssueEntry(.minor, "has a wrong count of free blocks", repair: "Count them", isSafe: true)
    }
  }
}
