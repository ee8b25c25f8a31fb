/// How directories hang together, lost+found, and link counts.
public enum ConnectionIssue: String, IssueArea {
  case unreachable = "unreachable"

  public var entry: IssueEntry {
    switch self {
    case .unreachable:
      IssueEntry(.major, "has no name", repair: "Connect it to /lost+found")
    }
  }
}
