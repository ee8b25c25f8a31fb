/// The orphan list and the orphan file.
public enum OrphanIssue: String, IssueArea {
  case unfinishedDeletion = "unfinished-deletion"

  public var entry: IssueEntry {
    switch self {
    case .unfinishedDeletion:
      IssueEntry(.notice, "was being deleted", repair: "Delete it", isSafe: true)
    }
  }
}
