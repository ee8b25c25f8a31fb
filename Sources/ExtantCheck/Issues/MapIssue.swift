/// Extent trees, block pointers, clusters, and blocks that several claim.
public enum MapIssue: String, IssueArea {
  case sharedBlocks = "shared-blocks"

  public var entry: IssueEntry {
    switch self {
    case .sharedBlocks:
      IssueEntry(.major, "claims blocks that others claim too", repair: "Give it a copy of them")
    }
  }
}
