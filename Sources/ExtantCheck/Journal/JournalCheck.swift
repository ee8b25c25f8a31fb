import BlockIO
import Ext4Format
import ExtantBase
import Journal
import ImageIO

/// Looks at the journal, and brings what it holds to where it belongs.
///
/// In two steps. `run`, before anything else of the filesystem can be believed, replays a journal that
/// can be found by whatever means. `finish`, when the group descriptors are settled, mends what leads
/// to the journal, or gives it up; a new one is made when it is known which blocks are free.
final class JournalCheck {
  let image: WorkingImage
  let options: CheckOptions
  let reporter: Reporter
  /// As it is after what was done so far.
  var superblock: Superblock
  /// The journal inside, where there is one that can be used.
  var found: FoundJournal?
  /// It has a superblock that is wrong and that nobody wanted mended.
  var isLeftBroken = false

  init(
    _ image: WorkingImage, _ superblock: Superblock, _ options: CheckOptions, _ reporter: Reporter
  ) {
    self.image = image
    self.superblock = superblock
    self.options = options
    self.reporter = reporter
  }

  /// The superblock as it is after the replay.
  func run() throws(FileSystemError) -> Superblock {
    if isExternal {
      try runExternal()
    } else {
      found = try locate()
      if let found { try run(found) }
    }
    return superblock
  }

  /// Whether the filesystem has a journal, and that on another device.
  private var isExternal: Bool {
    superblock.features.compat.contains(.hasJournal)
      && superblock.storedJournalUUID.contains { $0 != 0 } && superblock.storedJournalInode == 0
  }

  private func run(_ journal: FoundJournal) throws(FileSystemError) {
    guard let inspected = try inspect(journal) else {
      isLeftBroken = true
      return
    }
    let hasFeature = superblock.features.compat.contains(.hasJournal)
    // One that the features deny is replayed once the feature is back.
    if !hasFeature {
      guard !inspected.isClean || superblock.needsRecovery, names(journal.number),
        try reporter.found(Issue(.journal(.featureLost), place(journal)))
      else { return }
      superblock.features.compat.insert(.hasJournal)
      superblock.features.incompat.insert(.needsRecovery)
      try store()
    }
    try replay(journal.area, inspected, place(journal))
  }

  private func names(_ number: InodeNumber) -> Bool {
    superblock.storedJournalInode == number.rawValue
  }

  func place(_ journal: FoundJournal) -> Place { .inode(journal.number) }

  func found(
    _ kind: JournalIssue, _ place: Place, found: IssueValue? = nil, expected: IssueValue? = nil
  ) throws(FileSystemError) -> Bool {
    try reporter.found(Issue(.journal(kind), place, found: found, expected: expected))
  }

  /// Writes the superblock to its place.
  func store() throws(FileSystemError) {
    try image.overlay.store(superblock, isDurable: false)
  }
}
