/// The orphan list and the orphan file.
public enum OrphanIssue: String, IssueArea {
  case unfinishedDeletion = "unfinished-deletion"
  case unfinishedTruncation = "unfinished-truncation"
  case linkLeft = "link-left"
  case nothingLeft = "nothing-left"
  case preallocationLeft = "preallocation-left"
  case notInUse = "not-in-use"
  case badHead = "bad-head"
  case badLink = "bad-link"
  case circle
  case badMap = "bad-map"
  case listDistrusted = "list-distrusted"

  case fileNotClean = "file-not-clean"
  case fileBadMagic = "file-bad-magic"
  case fileBadChecksum = "file-bad-checksum"
  case fileBadEntry = "file-bad-entry"
  case fileBadSize = "file-bad-size"
  case fileHole = "file-hole"
  case fileNotRegular = "file-not-regular"
  case fileUnlinked = "file-unlinked"
  case fileMissing = "file-missing"
  case fileDamaged = "file-damaged"
  case fileWithoutFeature = "file-without-feature"
  case fileNumberLeft = "file-number-left"
  case fileFeatureLost = "file-feature-lost"
  case fileWithoutJournal = "file-without-journal"
  case presentButClean = "present-but-clean"
  case presentWithoutFile = "present-without-file"

  public var entry: IssueEntry {
    switch self {
    case .unfinishedDeletion, .unfinishedTruncation, .linkLeft, .nothingLeft, .preallocationLeft,
      .notInUse, .badHead,
      .badLink, .circle, .badMap, .listDistrusted:
      listEntry
    default: fileEntry
    }
  }

  private var listEntry: IssueEntry {
    switch self {
    case .unfinishedDeletion:
      IssueEntry(.minor, "was being deleted", repair: "Delete it", isSafe: true)
    case .unfinishedTruncation:
      IssueEntry(
        .minor, "was being cut short", repair: "Cut it to the size that it says", isSafe: true)
    case .linkLeft:
      IssueEntry(
        .minor, "is on the orphan list, before another, though nothing of it is left to be done",
        repair: "Take it off the list", isSafe: true)
    case .nothingLeft:
      IssueEntry(
        .notice, "is on the orphan list, though nothing of it is left to be done",
        repair: "Take it off the list", isSafe: true)
    case .preallocationLeft:
      IssueEntry(
        .notice, "was being cut short, and only blocks that nobody wrote are left past its end",
        repair: "Free them", isSafe: true)
    case .notInUse:
      IssueEntry(
        .notice, "is on the orphan list, but is not in use", repair: "Take it off the list",
        isSafe: true)
    case .badHead:
      IssueEntry(
        .notice, "has an orphan list that starts with what can be no orphan",
        repair: "Empty the list", isSafe: true)
    case .badLink:
      IssueEntry(
        .minor, "is on the orphan list before what can be no orphan", repair: "End the list here",
        isSafe: true)
    case .circle:
      IssueEntry(
        .minor, "closes the orphan list to a circle", repair: "End the list here", isSafe: true)
    case .badMap:
      IssueEntry(
        .notice, "is an orphan with a map that is damaged, so that its blocks are not freed here",
        repair: "Leave that to what follows", isSafe: true)
    default:
      IssueEntry(
        .notice, "has an orphan list, which does not count after errors", repair: "Empty the list",
        isSafe: true)
    }
  }

  private var fileEntry: IssueEntry {
    switch self {
    case .fileNotClean:
      IssueEntry(
        .minor, "is a block of the orphan file with entries in it", repair: "Empty it",
        isSafe: true)
    case .fileBadMagic:
      IssueEntry(
        .minor, "is a block of the orphan file without its magic number", repair: "Empty it",
        isSafe: true)
    case .fileBadChecksum:
      IssueEntry(
        .minor, "is a block of the orphan file whose checksum does not match", repair: "Empty it",
        isSafe: true)
    case .fileBadEntry:
      IssueEntry(
        .minor, "is a block of the orphan file that names what can be no orphan",
        repair: "Empty it", isSafe: true)
    case .fileBadSize:
      IssueEntry(
        .minor, "is the orphan file, and its size is no whole number of blocks",
        repair: "Set the size", isSafe: true)
    case .fileHole:
      IssueEntry(
        .notice, "is the orphan file and has a hole", repair: "Cut it before the hole",
        isSafe: true)
    case .fileNotRegular:
      IssueEntry(
        .major, "is the orphan file, but no regular file", repair: "Make it one", isSafe: true)
    case .fileDamaged:
      IssueEntry(
        .major, "is to be the orphan file, but does not hold one",
        repair: "Do without an orphan file")
    case .fileUnlinked:
      IssueEntry(
        .minor, "is the orphan file and has no link", repair: "Set the link count", isSafe: true)
    case .fileMissing:
      IssueEntry(
        .major, "has the feature orphan_file but no orphan file",
        repair: "Do without an orphan file")
    case .fileWithoutFeature:
      IssueEntry(
        .minor, "names an orphan file, but the feature orphan_file is off",
        repair: "Forget the file")
    case .fileNumberLeft:
      IssueEntry(
        .notice, "names an orphan file, but the feature orphan_file is off and the inode is free",
        repair: "Forget the file", isSafe: true)
    case .fileFeatureLost:
      IssueEntry(
        .minor, "has an orphan file, but the feature orphan_file is off",
        repair: "Set the feature", isSafe: true)
    case .fileWithoutJournal:
      IssueEntry(
        .minor, "has an orphan file but no journal", repair: "Do without an orphan file",
        isSafe: true)
    case .presentButClean:
      IssueEntry(
        .minor, "has the feature orphan_present, but no orphans in its orphan file",
        repair: "Clear the feature", isSafe: true)
    default:
      IssueEntry(
        .minor, "has the feature orphan_present but no orphan file", repair: "Clear the feature",
        isSafe: true)
    }
  }
}
