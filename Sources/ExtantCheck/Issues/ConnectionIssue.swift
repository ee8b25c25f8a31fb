/// How directories hang together, lost+found, and link counts.
public enum ConnectionIssue: String, IssueArea {
  case rootMissing = "root-missing"
  case unreachable = "unreachable"
  case loop = "loop"
  case wrongParent = "wrong-parent"
  case lostFoundMissing = "lost-found-missing"
  case lostFoundNoDirectory = "lost-found-no-directory"
  case lostFoundEncrypted = "lost-found-encrypted"
  case lostFoundInline = "lost-found-inline"
  case lostFoundImpossible = "lost-found-impossible"
  case nameless = "nameless"
  case namelessEmpty = "nameless-empty"
  case linkCount = "link-count"
  case directoryLinkCount = "directory-link-count"
  case overflownLinkCount = "overflown-link-count"
  case manyLinks = "many-links"

  public var entry: IssueEntry {
    switch self {
    case .rootMissing:
      IssueEntry(.major, "should be the root directory and is not in use", repair: "Make it anew")
    case .unreachable:
      IssueEntry(
        .major, "is a directory that no directory names", repair: "Connect it to /lost+found")
    case .loop:
      IssueEntry(
        .major, "is a directory that lies below itself", repair: "Connect it to /lost+found")
    case .wrongParent:
      IssueEntry(
        .major, "has a \"..\" that is not the directory it is in", repair: "Correct it")
    case .lostFoundMissing:
      IssueEntry(.notice, "has no /lost+found, which is needed", repair: "Make it", isSafe: true)
    case .lostFoundNoDirectory:
      IssueEntry(
        .notice, "has the name of /lost+found, which is needed, and is no directory",
        repair: "Make another, and put this one into it")
    case .lostFoundEncrypted:
      IssueEntry(
        .notice, "is /lost+found, and encrypted, so that nothing can be put into it",
        repair: "Make another, and put this one into it")
    case .lostFoundInline:
      IssueEntry(
        .notice, "is a directory in its inode, and has to grow", repair: "Give it a block",
        isSafe: true)
    case .lostFoundImpossible:
      IssueEntry(
        .notice, "has no room for a /lost+found, which is needed",
        repair: "Use the root directory in its place")
    case .nameless:
      IssueEntry(.major, "has no name", repair: "Connect it to /lost+found")
    case .namelessEmpty:
      IssueEntry(
        .minor, "has no name and nothing in it", repair: "Delete it", isSafe: true)
    case .linkCount:
      IssueEntry(
        .minor, "has a link count that is not its number of names", repair: "Correct it",
        isSafe: true)
    case .directoryLinkCount:
      IssueEntry(
        .minor, "is a directory with a link count that does not fit its subdirectories",
        repair: "Correct it", isSafe: true)
    case .overflownLinkCount:
      IssueEntry(
        .notice, "is a directory that had too many subdirectories to count, and has no more",
        repair: "Count them", isSafe: true)
    case .manyLinks:
      IssueEntry(
        .minor, "has more subdirectories than can be counted without the feature dir_nlink",
        repair: "Set the feature", isSafe: true)
    }
  }
}
