import BlockIO
import Ext4Format
import ExtantBase
import ImageIO

/// Finds what is wrong with an ext2, ext3 or ext4 image, and plans its repair.
///
/// Every repair is made at once, in memory, over the image: later passes see a consistent world, and
/// -n goes the same way as -y. When all is done, the blocks that changed are the plan; whoever asked
/// for the repair has it written as a whole (`RepairPlan`). After repairs everything is checked once
/// more, until a round finds nothing: so a second run finds nothing either.
public enum Checker {
  /// Rounds of checking and repairing; what is not consistent then stays reported.
  static let roundLimit = 8

  /// Checks the image on `device`, and plans its repair where the options ask for that.
  ///
  /// The device is only read. Nothing is written: see `CheckReport.repaired`.
  ///
  /// - Throws: `.io` where the device fails; `corrupt` where nothing can be made of the image;
  ///   `unsupported` for what is not built; what `CheckOptions.decide` throws.
  public static func check(
    _ device: any BlockDevice, _ options: CheckOptions
  ) throws(FileSystemError) -> CheckReport {
    let reporter = Reporter(options)
    let image = try open(device, options, reporter)
    reporter.report.repaired = image.overlay
    reporter.report.blockSize = image.blockSize
    for number in 1...roundLimit {
      reporter.startRound()
      let end = try round(number, image, options, reporter)
      if end == .settled { break }
      // What would be repaired is known after one whole round.
      if end == .whole, options.mode == .report || reporter.repairsInRound == 0 { break }
      // What is still wrong after the last round is not repaired.
      if number == roundLimit { reporter.report.leftCount += reporter.repairsInRound }
    }
    return reporter.report
  }

  /// - Throws: what the device holds instead, where no superblock is found.
  private static func open(
    _ device: any BlockDevice, _ options: CheckOptions, _ reporter: Reporter
  ) throws(FileSystemError) -> WorkingImage {
    do throws(FileSystemError) {
      return try WorkingImage(device, options, reporter)
    } catch .corrupt(let corruption) {
      let refusal = try ForeignContents.refusal(of: device)
      throw refusal ?? .corrupt(corruption)
    }
  }

  /// How a round ended.
  private enum RoundEnd {
    /// There is nothing more to be done.
    case settled
    case whole
    /// Inodes were found too late: another round sees them.
    case cutShort
  }

  /// One round of all passes.
  private static func round(
    _ number: Int, _ image: WorkingImage, _ options: CheckOptions, _ reporter: Reporter
  ) throws(FileSystemError) -> RoundEnd {
    try JournalCheck.recoverIfSound(image, options, reporter)
    var superblock = try SuperblockCheck(image, options, reporter).run()
    let journal = JournalCheck(image, superblock, options, reporter)
    superblock = try journal.run()
    if options.journalOnly { return .settled }
    let saysClean =
      number == 1 && !options.isForced && !reporter.report.isBroken
      && SuperblockCheck.isClean(superblock, options)
    let foundBefore = reporter.report.foundCount
    let round = CheckRound(number, image, superblock, options, reporter)
    try round.checkGroups()
    try journal.finish(round)
    round.claims.settleMetadata()
    try round.checkOrphans()
    try round.checkQuotaInodes()
    // The word of an image counts only where nothing without which it cannot be mounted denies it.
    if saysClean, reporter.report.foundCount == foundBefore {
      reporter.report.wasSkipped = true
      return .settled
    }
    try round.checkInodes()
    try round.resolveSharedBlocks()
    try round.finishInodes()
    try round.ensureRoot()
    try round.checkDirectories()
    if round.mustRestart {
      _ = try round.storeGroups()
      return .cutShort
    }
    try round.checkValueInodes()
    try round.checkConnectivity()
    try round.checkLinkCounts()
    if options.rebuildsDirectories { try round.rebuildDirectories() }
    try round.checkQuota()
    try round.checkSummaries()
    try round.finishSuperblock()
    try round.notePaths()
    return .whole
  }
}
