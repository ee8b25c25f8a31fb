/// Quota files.
public enum QuotaIssue: String, IssueArea {
  case usage = "usage"

  public var entry: IssueEntry {
    switch self {
    case .usage:
      IssueEntry(
        .minor, "has quota files that do not say what is used", repair: "Write them anew",
        isSafe: true)
    }
  }
}
