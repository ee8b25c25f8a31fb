import ExtantBase
import Journal
import ImageIO

/// Takes the issues that passes find, and says which are to be repaired.
final class Reporter {
  /// Issues kept in the report; the rest are only shown and counted.
  static let keptIssues = 10_000

  let options: CheckOptions
  var report = CheckReport()
  private(set) var repairsInRound = 0
  /// Of these, repairs of what made the image broken: notices do not count.
  private(set) var mendedInRound = 0
  /// The journal on a device of its own, over an overlay: the same in all rounds.
  var externalJournal: JournalArea?
  /// Whether the feature `filetype` was taken from a filesystem of the Hurd.
  var hasTakenFiletype = false
  /// Declined repairs, which are not asked for again in later rounds. No more than the kept issues.
  private var declined: Set<Issue> = []

  /// Those that could not be repaired in some round: reported once. No more than the kept issues.
  private var known: Set<Issue> = []
  /// How many could not be repaired in this round.
  private var leftInRound = 0

  init(_ options: CheckOptions) { self.options = options }

  /// What could not be repaired in the last round may be now: its repairs have given blocks back.
  func startRound() {
    repairsInRound = 0
    mendedInRound = 0
    declined.subtract(known)
    report.leftCount -= leftInRound
    leftInRound = 0
  }

  /// Records the issue. True where it shall be repaired now: always but where somebody was asked and
  /// said no, for in every other mode the repairs are a plan first.
  func found(_ issue: Issue) throws(FileSystemError) -> Bool {
    if declined.contains(issue) { return false }
    let entry = issue.kind.entry
    let isKnown = known.contains(issue)
    if !isKnown {
      report.counts[entry.severity, default: 0] += 1
      if report.issues.count < Self.keptIssues { report.issues.append(issue) }
    }
    if !entry.isSafe { report.needsDecision = true }
    // Who said yes said so.
    let answer = isKnown ? true : try options.decide?(issue) ?? true
    guard options.mode != .ask || answer else {
      report.leftCount += 1
      if declined.count < Self.keptIssues { declined.insert(issue) }
      return false
    }
    repairsInRound += 1
    switch issue.kind {
    // A tree that is built anew, and fewer blocks of descriptors, give blocks back, also where
    // e2fsck minds it silently.
    case .map, .superblock(.firstMetaBgUnneeded): mendedInRound += 1
    default: if entry.severity > .notice { mendedInRound += 1 }
    }
    return true
  }

  /// An issue that was to be repaired cannot be in this round. What is so in the last one counts as
  /// left, unless the image is sound with it.
  func giveUp(_ issue: Issue) {
    if known.contains(issue) || known.count < Self.keptIssues {
      guard declined.insert(issue).inserted else { return }
      known.insert(issue)
    }
    repairsInRound -= 1
    guard issue.kind.entry.severity > .notice else { return }
    mendedInRound -= 1
    report.leftCount += 1
    leftInRound += 1
  }

  /// Records an issue that nothing is done about here: a notice, or one that its repair leaves to
  /// another.
  func note(_ issue: Issue) throws(FileSystemError) {
    report.counts[issue.kind.entry.severity, default: 0] += 1
    if report.issues.count < Self.keptIssues { report.issues.append(issue) }
    try options.note?(issue)
  }
}
