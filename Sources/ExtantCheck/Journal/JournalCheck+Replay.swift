import BlockIO
import Ext4Format
import ExtantBase
import Journal
import ImageIO

/// Replaying the log, onto the overlay.
extension JournalCheck {
  /// Replays what the journal holds, and takes notice of the errors it remembers.
  ///
  /// - Parameter area: on the overlay, or on a device of its own with an overlay.
  func replay(
    _ area: JournalArea, _ journal: JournalSuperblock, _ place: Place
  ) throws(FileSystemError) {
    var journal = journal
    if !journal.isClean {
      let kind: JournalIssue = superblock.needsRecovery ? .needsReplay : .recoveryFlagMissing
      guard try found(kind, place) else {
        isLeftBroken = true
        return
      }
      journal = try replay(area, journal, asking: place)
    } else if superblock.needsRecovery, try found(.recoveryFlagLeft, place) {
      superblock.features.incompat.remove(.needsRecovery)
      try store()
    }
    if journal.errno != 0,
      try found(.aborted, place, found: .text("errno \(-Int64(journal.errno))"))
    {
      journal.errno = 0
      try area.store(journal)
      if !superblock.state.contains(.errors) {
        superblock.state.insert(.errors)
        try store()
      }
    }
  }

  private func replay(
    _ area: JournalArea, _ journal: JournalSuperblock, asking place: Place
  ) throws(FileSystemError) -> JournalSuperblock {
    // Not the filesystem's end: the log may hold that it grew.
    let recovery = try Recovery(
      area: area, superblock: journal, blockLimit: image.deviceBlockCount)
    var plan: Recovery.Plan
    do throws(FileSystemError) {
      plan = try recovery.plan()
      if plan.isDamaged {
        _ = try found(
          .lastTransactionDamaged, place, found: plan.notes.first.map { .text($0) })
        // A transaction that was committed counts here as far as it is sound: what follows mends
        // what does not fit together then.
        plan = try recovery.salvagePlan()
      }
    } catch .corrupt(let corruption) {
      _ = try found(.transactionDamaged, place, found: .text(corruption.rule))
      plan = try recovery.salvagePlan()
    }
    if try applyFastCommits(recovery, plan, place) {
      // What the log holds is in place, and changed since.
      plan.copies = []
    }
    let emptied = try recovery.replay(plan, onto: image.overlay)
    try readReplayed(place)
    return emptied
  }

  /// Takes over the superblock that a replay may have brought, and marks it as recovered.
  private func readReplayed(_ place: Place) throws(FileSystemError) {
    let before = superblock
    if let replayed = try image.overlay.soundSuperblock(), replayed.blockSize == before.blockSize,
      replayed.inodeSize == before.inodeSize
    {
      superblock = replayed
      superblock.keepErrors(of: before)
    } else {
      _ = try found(.superblockInLogBad, place)
    }
    superblock.features.incompat.remove(.needsRecovery)
    try store()
  }

  /// Has the fast commits behind the log applied, by whoever can (`CheckOptions.applyFastCommits`), as
  /// changes of the overlay. The log is replayed by that too.
  ///
  /// - Returns: whether there were any, and all is in place.
  private func applyFastCommits(
    _ recovery: Recovery, _ plan: Recovery.Plan, _ place: Place
  ) throws(FileSystemError) -> Bool {
    do throws(FileSystemError) {
      let records = try recovery.fastCommits(after: plan, inodeSize: superblock.inodeSize)
      guard !records.isEmpty else { return false }
      guard let apply = options.applyFastCommits, recovery.area.device === image.overlay else {
        throw .unsupported(
          Unsupported("fast commits", "the journal ends with some, and nothing here applies them"))
      }
      let copy = image.overlay.copy()
      try apply(copy)
      // It is closed now.
      try takeOver(copy.copy(), recovery.area)
      return true
    } catch .corrupt(let corruption) {
      _ = try found(.fastCommitsDamaged, place, found: .text(corruption.rule))
      return false
    } catch {
      throw error
    }
  }

  /// Copies what was written to `copy` into the overlay, except the journal.
  private func takeOver(
    _ copy: OverlayDevice, _ area: JournalArea
  ) throws(FileSystemError) {
    let buffer = BlockBuffer(byteCount: image.blockSize)
    for piece in copy.writtenPieces {
      let address = BlockAddress(piece)
      if area.holds(piece &* UInt64(image.blockSize)) { continue }
      var bytes = buffer.mutableBytes
      try copy.read(into: &bytes, at: piece &* UInt64(image.blockSize))
      try image.write(buffer, at: address)
    }
  }
}

extension JournalCheck {
  /// Replays a journal in which nothing is wrong, as the kernel does before it looks at anything else:
  /// the superblock itself may be half written where the log has it whole.
  ///
  /// All that needs a decision, or cannot be done so, is left to `run`.
  static func recoverIfSound(
    _ image: WorkingImage, _ options: CheckOptions, _ reporter: Reporter
  ) throws(FileSystemError) {
    guard options.superblock == nil, let superblock = try image.overlay.soundSuperblock(),
      superblock.needsRecovery, superblock.blockSize == image.blockSize,
      let number = superblock.journalInode,
      !superblock.storedJournalUUID.contains(where: { $0 != 0 })
    else { return }
    let check = JournalCheck(image, superblock, options, reporter)
    let inode = JournalInode(device: image.overlay, superblock: superblock, number: number)
    guard let area = try check.sound({ () throws(FileSystemError) in try inode.area() }),
      area.blockCount >= JournalSuperblock.minimumBlockCount
    else { return }
    let block = BlockBuffer(byteCount: area.blockSize)
    try area.read(area.superblockBlock, into: block)
    guard let journal = try? JournalSuperblock(block.bytes, superblock: superblock),
      !journal.isClean,
      let recovery = try? Recovery(
        area: area, superblock: journal, blockLimit: image.deviceBlockCount),
      let plan = try check.sound({ () throws(FileSystemError) in try recovery.plan() }),
      !plan.isDamaged,
      (try? recovery.fastCommits(after: plan, inodeSize: superblock.inodeSize))?.isEmpty ?? false
    else { return }
    try check.replay(area, journal, .inode(number))
  }
}
