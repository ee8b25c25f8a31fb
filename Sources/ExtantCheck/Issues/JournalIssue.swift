/// The journal, its inode, its superblock and what it holds.
public enum JournalIssue: String, IssueArea {
  case needsReplay = "needs-replay"

  public var entry: IssueEntry {
    switch self {
    case .needsReplay:
      IssueEntry(
        .notice, "holds changes that are not in place yet", repair: "Replay it", isSafe: true)
    }
  }
}
