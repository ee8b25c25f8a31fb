/// Quota files.
public enum QuotaIssue: String, IssueArea {
  case inodeNumber = "inode-number"
  case inodeForgotten = "inode-forgotten"
  case inodeUnasked = "inode-unasked"
  case numberUnasked = "number-unasked"
  case numberLeft = "number-left"
  case notAFile = "not-a-file"
  case magic = "magic"
  case version = "version"
  case size = "size"
  case freeBlock = "free-block"
  case freeEntry = "free-entry"
  case reference = "reference"
  case usage = "usage"
  case missingEntry = "missing-entry"

  public var entry: IssueEntry {
    switch self {
    case .inodeNumber:
      IssueEntry(
        .major, "has a quota file by an inode that cannot be one",
        repair: "Use the one that is reserved, or none")
    case .inodeForgotten:
      IssueEntry(
        .major, "is a quota file that the superblock does not name", repair: "Name it there",
        isSafe: true)
    case .inodeUnasked:
      IssueEntry(
        .major, "is a quota file, in a filesystem without quota", repair: "Delete it", isSafe: true)
    case .numberUnasked:
      IssueEntry(
        .major, "is named as a quota file, in a filesystem without quota", repair: "Name none")
    case .numberLeft:
      IssueEntry(
        .minor, "is named as a quota file and not in use, in a filesystem without quota",
        repair: "Name none", isSafe: true)
    case .notAFile:
      IssueEntry(
        .major, "is named as a quota file, and not one", repair: "Write one", isSafe: true)
    case .magic:
      IssueEntry(
        .notice, "is a quota file with a wrong magic number", repair: "Write it anew",
        isSafe: true)
    case .version:
      IssueEntry(
        .major, "is a quota file of an unknown version", repair: "Write it anew", isSafe: true)
    case .size:
      IssueEntry(
        .major, "is a quota file that counts other blocks than it has", repair: "Write it anew",
        isSafe: true)
    case .freeBlock:
      IssueEntry(
        .minor, "is a quota file whose free blocks begin outside of it", repair: "Write it anew",
        isSafe: true)
    case .freeEntry:
      IssueEntry(
        .minor, "is a quota file whose free entries begin outside of it", repair: "Write it anew",
        isSafe: true)
    case .reference:
      IssueEntry(
        .major, "is a quota file whose tree leads outside of it", repair: "Write it anew",
        isSafe: true)
    case .usage:
      IssueEntry(
        .minor, "is a quota file that does not say what is used", repair: "Count it",
        isSafe: true)
    case .missingEntry:
      IssueEntry(
        .minor, "is a quota file that lacks those who use something", repair: "Add them",
        isSafe: true)
    }
  }
}
