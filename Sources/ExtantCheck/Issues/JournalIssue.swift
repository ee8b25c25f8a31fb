/// The journal, its inode, its superblock and what it holds.
public enum JournalIssue: String, IssueArea {
  // Where it is.
  case inodeUnusable = "inode-unusable"
  case inodeFromBackup = "inode-from-backup"
  case numberWrong = "number-wrong"
  case numberMissing = "number-missing"
  case uuidOfInternal = "uuid-of-internal"
  case backupOutdated = "backup-outdated"
  case withoutFeature = "without-feature"
  case uuidWithoutFeature = "uuid-without-feature"
  case featureLost = "feature-lost"
  case recoveryWithoutJournal = "recovery-without-journal"

  // Its superblock.
  case badMagic = "bad-magic"
  case badType = "bad-type"
  case unknownType = "unknown-type"
  case badBlockSize = "bad-block-size"
  case tooLong = "too-long"
  case tooShort = "too-short"
  case badLogArea = "bad-log-area"
  case badStart = "bad-start"
  case badFastCommitArea = "bad-fast-commit-area"
  case newerFields = "newer-fields"
  case badUsers = "bad-users"
  case unknownFeatures = "unknown-features"
  case checksumKinds = "checksum-kinds"
  case badChecksumType = "bad-checksum-type"
  case badChecksum = "bad-checksum"

  // What it holds.
  case needsReplay = "needs-replay"
  case recoveryFlagMissing = "recovery-flag-missing"
  case recoveryFlagLeft = "recovery-flag-left"
  case lastTransactionDamaged = "last-transaction-damaged"
  case transactionDamaged = "transaction-damaged"
  case fastCommitsDamaged = "fast-commits-damaged"
  case superblockInLogBad = "superblock-in-log-bad"
  case aborted = "aborted"

  public var entry: IssueEntry {
    switch self {
    case .inodeUnusable, .inodeFromBackup, .numberWrong, .numberMissing, .uuidOfInternal,
      .backupOutdated, .withoutFeature, .uuidWithoutFeature,
      .featureLost, .recoveryWithoutJournal:
      placeEntry
    case .badMagic, .badType, .unknownType, .badBlockSize, .tooLong, .tooShort, .badLogArea,
      .badStart,
      .badFastCommitArea, .newerFields, .badUsers, .unknownFeatures, .checksumKinds,
      .badChecksumType, .badChecksum:
      superblockEntry
    case .needsReplay, .recoveryFlagMissing, .recoveryFlagLeft, .lastTransactionDamaged,
      .transactionDamaged, .fastCommitsDamaged, .superblockInLogBad, .aborted:
      logEntry
    }
  }

  private var placeEntry: IssueEntry {
    switch self {
    case .inodeFromBackup:
      IssueEntry(
        .major, "is the journal's, but maps no journal; the superblock has a copy of what it was",
        repair: "Restore the inode", isSafe: true)
    case .numberWrong:
      IssueEntry(
        .major, "is no journal, though the superblock names it; inode 8 is one",
        repair: "Use inode 8", isSafe: true)
    case .numberMissing:
      IssueEntry(
        .major, "has the feature has_journal but names no journal; inode 8 is one",
        repair: "Use inode 8", isSafe: true)
    case .uuidOfInternal:
      IssueEntry(
        .major, "names a journal on another device besides the one inside",
        repair: "Forget the one on another device")
    case .backupOutdated:
      IssueEntry(
        .notice, "has no up-to-date copy of where the journal's blocks are",
        repair: "Write the copy", isSafe: true)
    case .withoutFeature:
      IssueEntry(
        .notice, "names a journal, but the feature has_journal is off",
        repair: "Clear the journal", isSafe: true)
    case .uuidWithoutFeature:
      IssueEntry(
        .major, "names a journal on another device, but the feature has_journal is off",
        repair: "Forget it")
    case .featureLost:
      IssueEntry(
        .notice,
        "has a journal with changes that are not in place yet, but the feature has_journal is off",
        repair: "Set the feature", isSafe: true)
    case .recoveryWithoutJournal:
      IssueEntry(
        .minor, "asks for recovery, but there is no journal", repair: "Clear the flag",
        isSafe: true)
    default:
      IssueEntry(
        .major, "cannot be used as the journal", repair: "Delete the journal and make a new one",
        isSafe: true)
    }
  }

  private var superblockEntry: IssueEntry {
    let reset = "Empty the journal"
    return switch self {
    case .badMagic:
      IssueEntry(
        .major, "should start with a journal's superblock, but no magic number is there",
        repair: "Delete the journal and make a new one", isSafe: true)
    case .badType:
      IssueEntry(
        .major, "has another block of a journal where its superblock should be", repair: reset,
        isSafe: true)
    case .unknownType:
      // One of a version to come may hold changes that only newer programs can replay.
      IssueEntry(.major, "has a journal of a version that is not known", repair: reset)
    case .badBlockSize:
      IssueEntry(.major, "has a journal with another block size", repair: reset, isSafe: true)
    case .tooLong:
      IssueEntry(
        .major, "has a journal that says it is longer than its blocks", repair: reset, isSafe: true)
    case .tooShort:
      IssueEntry(
        .notice, "has a journal that is too short to be used", repair: "Let it use all its blocks",
        isSafe: true)
    case .badLogArea:
      IssueEntry(
        .notice, "has a journal whose log does not lie within it", repair: "Let it use all of it",
        isSafe: true)
    case .badStart:
      IssueEntry(.major, "has a journal whose log starts outside of it", repair: reset)
    case .badFastCommitArea:
      IssueEntry(
        .major, "has a journal whose fast commits leave too little room for its log",
        repair: reset, isSafe: true)
    case .newerFields:
      IssueEntry(
        .notice, "has a journal of version 1 with fields of version 2",
        repair: "Clear the fields", isSafe: true)
    case .badUsers:
      IssueEntry(
        .major, "has a journal inside that says that several filesystems use it",
        repair: "Make it the only one", isSafe: true)
    case .unknownFeatures:
      IssueEntry(.major, "has an empty journal with unknown features", repair: reset)
    case .checksumKinds:
      IssueEntry(
        .major, "has a journal with several kinds of checksums at once", repair: reset, isSafe: true
      )
    case .badChecksumType:
      IssueEntry(
        .major, "has a journal with an unknown type of checksums", repair: reset, isSafe: true)
    default:
      IssueEntry(
        .major, "has a journal superblock whose checksum does not match",
        repair: "Set the checksum where the log is sound, else empty the journal", isSafe: true)
    }
  }

  private var logEntry: IssueEntry {
    switch self {
    case .needsReplay:
      IssueEntry(
        .notice, "has a journal with changes that are not in place yet", repair: "Replay it",
        isSafe: true)
    case .recoveryFlagMissing:
      IssueEntry(
        .notice, "has changes in its journal, but does not ask for recovery",
        repair: "Replay the journal")
    case .recoveryFlagLeft:
      IssueEntry(
        .notice, "asks for recovery, but its journal is empty", repair: "Clear the flag",
        isSafe: true)
    case .lastTransactionDamaged:
      IssueEntry(
        .notice,
        "has a journal whose last transaction is damaged, as one is that was never finished",
        repair: "Replay what is sound of it", isSafe: true)
    case .transactionDamaged:
      IssueEntry(
        .major, "has a journal with a damaged transaction that others follow",
        repair: "Replay what is sound")
    case .fastCommitsDamaged:
      IssueEntry(
        .major, "has a journal whose fast commits cannot be applied", repair: "Leave them out")
    case .superblockInLogBad:
      IssueEntry(
        .major, "has a journal with a damaged copy of the superblock",
        repair: "Keep the one in place")
    default:
      IssueEntry(
        .notice, "has a journal that an error has stopped", repair: "Clear the error",
        isSafe: true)
    }
  }
}
