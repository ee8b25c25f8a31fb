import BlockIO
import Ext4Format
import ExtantBase
import Journal
import ImageIO

/// Recovery when a filesystem is opened: what the journal holds comes home before anything else
/// is looked at.
extension FileSystem {
  /// What there is to open once the journal was replayed.
  struct Recovered {
    /// To be used from now on: the one given, or an overlay of it where that must not change.
    var device: any BlockDevice
    var superblock: Superblock
    var support: SupportLevel
    /// With nothing left in it. Nil where there is none that could be written.
    var log: (area: JournalArea, superblock: JournalSuperblock)?
    /// What fast commits add to the log, which is not replayed: the image is left as it is, and
    /// shown without them.
    var fastCommits: [FastCommitRecord] = []
    /// What somebody should know, one sentence each.
    var notes: [String] = []
    /// How many the journal held.
    var replayedTransactions = 0
  }

  /// Reads the superblock, and replays the journal where it needs that: onto the device when it is
  /// opened for writing and may be written, else into memory.
  ///
  /// A crash anywhere in here leaves what can be replayed again.
  ///
  /// - Throws: `corrupt` for a journal that cannot be replayed, `unsupported` for what is not
  ///   built. Nothing was written then.
  static func recover(
    _ device: any BlockDevice, _ options: Options
  ) throws(FileSystemError) -> Recovered {
    let (superblock, isTorn, flagIsTorn) = try namingContents(of: device) {
      () throws(FileSystemError) in try readSuperblockForRecovery(device)
    }
    let support = try superblock.checkSupport()
    try options.check(for: superblock)
    let mayWrite = options.access == .readWrite && !device.isReadOnly && support == .readWrite
    var recovered = Recovered(device: device, superblock: superblock, support: support)
    if flagIsTorn {
      if !mayWrite { recovered.device = OverlayDevice(base: device) }
      try recovered.device.store(superblock)
    }
    let device = recovered.device
    guard !options.skipsRecovery else {
      if isTorn { _ = try device.readSuperblock() }
      return recovered
    }
    let area: JournalArea
    let journal: JournalSuperblock
    do throws(FileSystemError) {
      guard let found = try findJournal(superblock, device, options) else {
        if isTorn { _ = try device.readSuperblock() }
        return recovered
      }
      (area, journal) = found
    } catch {
      // Who only reads a filesystem that nobody has to recover does without a journal.
      guard !error.isDeviceFailure, options.access == .readOnly, !superblock.needsRecovery, !isTorn
      else { throw error }
      recovered.notes.append("the journal is not used: \(error)")
      return recovered
    }
    guard superblock.needsRecovery || !journal.isClean || journal.errno != 0 else {
      if isTorn { _ = try device.readSuperblock() }
      recovered.log = (area, journal)
      return recovered
    }
    do throws(FileSystemError) {
      try replay(
        area, journal, into: &recovered, options, mayWrite: mayWrite,
        isOverlay: flagIsTorn && !mayWrite, superblockIsTorn: isTorn)
    } catch {
      if area.device !== device { try? area.device.close() }
      throw error
    }
    return recovered
  }

  /// The superblock; where its checksum is wrong but the log may hold it whole, as it is.
  ///
  /// `flagIsTorn`: its two sectors are of the moments before and after the flag that asks for
  /// recovery changed, alone, as it does when a filesystem is opened and closed. It is given then
  /// as one that needs recovery, which is harmless where it does not.
  private static func readSuperblockForRecovery(
    _ device: any BlockDevice
  ) throws(FileSystemError) -> (superblock: Superblock, isTorn: Bool, flagIsTorn: Bool) {
    do throws(FileSystemError) {
      return (try device.readSuperblock(), false, false)
    } catch .corrupt(let corruption) {
      if let buffer = try device.superblockBytes(),
        let superblock = Superblock(tornAtRecoveryFlag: buffer.bytes)
      {
        return (superblock, false, true)
      }
      guard let superblock = try? device.readSuperblock(verifyChecksum: false),
        superblock.needsRecovery
      else { throw .corrupt(corruption) }
      return (superblock, true, false)
    }
  }

  private static func findJournal(
    _ superblock: Superblock, _ device: any BlockDevice, _ options: Options
  ) throws(FileSystemError) -> (area: JournalArea, superblock: JournalSuperblock)? {
    guard superblock.features.compat.contains(.hasJournal) else { return nil }
    let block = BlockBuffer(byteCount: superblock.blockSize)
    if let number = superblock.journalInode {
      let area = try JournalInode(device: device, superblock: superblock, number: number).area()
      try area.read(area.superblockBlock, into: block)
      return (area, try JournalSuperblock(block.bytes, superblock: superblock))
    }
    guard let uuid = superblock.journalDeviceUUID else { return nil }
    let area = try ExternalJournal.open(
      superblock, uuid, path: options.journalPath,
      access: options.access == .readOnly ? .readOnly : .readWrite)
    do throws(FileSystemError) {
      try area.read(area.superblockBlock, into: block)
      let journal = try JournalSuperblock(block.bytes, superblock: superblock)
      try ExternalJournal.check(journal)
      return (area, journal)
    } catch {
      try? area.device.close()
      throw error
    }
  }

  private static func replay(
    _ given: JournalArea, _ journal: JournalSuperblock, into recovered: inout Recovered,
    _ options: Options, mayWrite: Bool, isOverlay: Bool, superblockIsTorn: Bool
  ) throws(FileSystemError) {
    let before = recovered.superblock
    // Not the filesystem's end: the log may hold that it grew.
    let limit = recovered.device.byteCount / UInt64(before.blockSize)
    var journal = journal
    let first = try Recovery(area: given, superblock: journal, blockLimit: limit)
    var plan = try first.plan()
    recovered.fastCommits = try first.fastCommits(after: plan, inodeSize: before.inodeSize)
    if superblockIsTorn, !plan.holds(block(ofSuperblock: before)) {
      _ = try recovered.device.readSuperblock()
    }
    let base = recovered.device
    if !recovered.fastCommits.isEmpty, !options.appliesFastCommits, given.device === base,
      let complete = try withFastCommits(base, &recovered)
    {
      guard mayWrite else {
        recovered.device = complete
        recovered.superblock = try complete.readSuperblock()
        recovered.support = try recovered.superblock.checkSupport()
        recovered.fastCommits = []
        return
      }
      // Not from what is at home: the log may have something else in between. The first would close
      // the base.
      let replayed = OverlayDevice(base: base, pieceByteCount: before.blockSize).copy()
      _ = try Recovery(area: try given.on(replayed), superblock: journal, blockLimit: limit)
        .replay(plan, onto: replayed, barrier: false)
      let changes = try changedBlocks(complete, replayed, given, before)
      if let next = try first.add(changes, to: plan, onto: base) {
        (journal, plan) = (next.superblock, next.plan)
        recovered.fastCommits = []
      }
    }
    // Without its fast commits the journal must not be emptied.
    let writes = mayWrite && (recovered.fastCommits.isEmpty || options.appliesFastCommits)
    if !writes, !isOverlay { recovered.device = OverlayDevice(base: base) }
    let device = recovered.device
    let journalDevice: any BlockDevice =
      given.device === base ? device : writes ? given.device : OverlayDevice(base: given.device)
    let area = try given.on(journalDevice)
    let recovery = try Recovery(area: area, superblock: journal, blockLimit: limit)
    var emptied = try recovery.replay(
      plan, onto: device, barrier: options.usesBarriers(for: before))
    recovered.notes += plan.notes
    recovered.replayedTransactions = plan.transactionCount
    if !recovered.fastCommits.isEmpty, !options.appliesFastCommits {
      recovered.notes.append(
        "the journal ends with fast commits, and what they hold is not shown: mount the image once "
          + "with the kernel")
    }

    var after = try device.readSuperblock()
    guard after.blockSize == before.blockSize, after.inodeSize == before.inodeSize else {
      throw .corrupt(Corruption("journal", "the superblock in it is another filesystem's"))
    }
    // Errors are recorded at home at once, not only through the log.
    if !superblockIsTorn { after.keepErrors(of: before) }
    if emptied.errno != 0 { after.state.insert(.errors) }
    after.features.incompat.remove(.needsRecovery)
    if emptied.errno != 0 || after != before || !plan.copies.isEmpty {
      try device.store(after)
    }
    if emptied.errno != 0 {
      recovered.notes.append("an error (\(-Int64(emptied.errno))) had stopped the journal")
      emptied.errno = 0
      try area.store(emptied)
    }
    recovered.superblock = after
    recovered.support = try after.checkSupport()
    recovered.log = (area, emptied)
  }

  private static func block(ofSuperblock superblock: Superblock) -> BlockAddress {
    BlockAddress(Superblock.byteOffset / UInt64(superblock.blockSize))
  }
}

extension FileSystemError {
  fileprivate var isDeviceFailure: Bool {
    if case .io = self { return true }
    return false
  }
}
