import BlockIO
import Ext4Format
import ExtantBase
import Journal

/// What leads to the journal: features, numbers, the inode and its copy in the superblock.
extension JournalCheck {
  /// Mends it, now that `round` knows where inodes are, and its superblock with it.
  func finish(_ round: CheckRound) throws(FileSystemError) {
    try mendNames(round)
    try round.storeSuperblock()
  }

  private func mendNames(_ round: CheckRound) throws(FileSystemError) {
    let hasFeature = superblock.features.compat.contains(.hasJournal)
    let hasUUID = superblock.storedJournalUUID.contains { $0 != 0 }
    if hasFeature, hasUUID, superblock.storedJournalInode == 0 {
      guard found == nil else { return }
    } else if hasFeature {
      try finishInternal(round, hasUUID: hasUUID)
    } else {
      try finishWithoutFeature(round, hasUUID: hasUUID)
    }
  }

  private func finishInternal(
    _ round: CheckRound, hasUUID: Bool
  ) throws(FileSystemError) {
    guard let journal = found else { return try giveUp(round) }
    guard !isLeftBroken else { return }
    if hasUUID, try found(.uuidOfInternal, .filesystem) {
      round.superblock.storedJournalUUID = [UInt8](repeating: 0, count: 16)
    }
    let stored = round.superblock.storedJournalInode
    if stored != journal.number.rawValue {
      let kind: JournalIssue = stored == 0 ? .numberMissing : .numberWrong
      let place: Place = stored == 0 ? .filesystem : .inode(InodeNumber(stored))
      if try found(
        kind, place, found: .number(UInt64(stored)),
        expected: .number(UInt64(journal.number.rawValue)))
      {
        round.superblock.storedJournalInode = journal.number.rawValue
      }
    }
    var raw = try round.readInode(journal.number)
    if try area(of: journal.number, raw) == nil {
      guard var restored = inodeInBackup(), try found(.inodeFromBackup, place(journal)) else {
        return
      }
      restored.setBlocks(mapBlocks(journal, restored), superblock)
      restored.changeTime = UInt32(truncatingIfNeeded: round.now)
      restored.modificationTime = restored.changeTime
      restored.accessTime = restored.changeTime
      try round.writeInode(journal.number, restored)
      raw = restored
    }
    try checkBackup(round, journal, raw)
  }

  /// Blocks that a journal of block pointers takes, those for the pointers among them; of one of
  /// extents those of a tree without nodes.
  private func mapBlocks(_ journal: FoundJournal, _ raw: RawInode) -> UInt64 {
    let data = UInt64(journal.area.blockCount)
    guard !raw.flags.contains(.extents) else { return data }
    let run = MapRun(logical: 0, address: BlockAddress(1), count: data)
    return data + UInt64(PointerMapWriter([run], superblock)?.nodeCount ?? 0)
  }

  /// e2fsck and we restore the inode from its copy in the superblock.
  private func checkBackup(
    _ round: CheckRound, _ journal: FoundJournal, _ raw: RawInode
  ) throws(FileSystemError) {
    var words = (0..<15).map { raw.blockWord($0) }
    words += [raw.sizeHigh, raw.sizeLow]
    guard
      round.superblock.journalBackupType != 1 || round.superblock.journalBlocksBackup != words,
      try found(.backupOutdated, .filesystem)
    else { return }
    round.superblock.journalBackupType = 1
    round.superblock.setJournalBlocksBackup(words)
  }

  /// There is no journal where one should be.
  private func giveUp(_ round: CheckRound) throws(FileSystemError) {
    let stored = round.superblock.storedJournalInode
    let number = InodeNumber(stored == 0 ? InodeNumber.journal.rawValue : stored)
    var kind = JournalIssue.inodeUnusable
    var blocks: UInt32?
    if superblock.group(of: number) != nil {
      if let area = try area(of: number, try round.readInode(number)) {
        kind = .badMagic
        blocks = area.blockCount
      }
    }
    guard try found(kind, .inode(number)) else { return }
    try clear(round)
    round.newJournalBlockCount = blocks ?? round.defaultJournalBlockCount
    func make(_ round: CheckRound) throws(FileSystemError) { try round.makeJournal() }
    round.putOff.append(make)
  }

  private func finishWithoutFeature(
    _ round: CheckRound, hasUUID: Bool
  ) throws(FileSystemError) {
    let stored = round.superblock.storedJournalInode
    if stored != 0 {
      guard let journal = found, journal.number.rawValue == stored else { return try giveUp(round) }
      // Nobody minds such a journal: it stays as it is where nothing is to be repaired.
      let issue = Issue(.journal(.withoutFeature), place(journal))
      guard options.mode != .report else { return try reporter.note(issue) }
      guard try reporter.found(issue) else { return }
      try clear(round)
    } else if hasUUID {
      if try found(.uuidWithoutFeature, .filesystem) { try clear(round) }
    } else if superblock.needsRecovery {
      if try found(.recoveryWithoutJournal, .filesystem) { try clear(round) }
    }
  }

  /// Leaves nothing of a journal but its blocks, which are free then.
  private func clear(_ round: CheckRound) throws(FileSystemError) {
    round.superblock.features.compat.remove(.hasJournal)
    round.superblock.features.incompat.remove(.needsRecovery)
    round.superblock.storedJournalInode = 0
    round.superblock.storedJournalDevice = 0
    round.superblock.storedJournalUUID = [UInt8](repeating: 0, count: 16)
    round.superblock.journalBackupType = 0
    round.superblock.setJournalBlocksBackup([UInt32](repeating: 0, count: 17))
    if try round.readInode(.journal).holdsData {
      try round.writeInode(.journal, RawInode(byteCount: superblock.inodeSize))
    }
  }
}

extension RawInode {
  /// Whether anything says that the inode is or was in use.
  var holdsData: Bool {
    mode != 0 || linkCount != 0 || blocksLow != 0 || blockWord(0) != 0 || wholeSize != 0
  }
}
