import BlockIO
import Ext4Format
import ExtantBase

extension CheckRound {
  /// Pass 5: bitmaps and counts say what the passes before found.
  ///
  /// What merely follows from a repair of this round is written without a word: a block that a pass
  /// took, or that the inode freed by one gave back.
  func checkSummaries() throws(FileSystemError) {
    guard groups.count == Int(superblock.groupCount) else { return }
    let followsRepairs = reporter.mendedInRound > 0
    try checkBlockBitmaps(followsRepairs: followsRepairs)
    try checkInodeBitmaps(followsRepairs: followsRepairs)
    options.progress?(5, 1)
    reporter.report.blockCount = superblock.blockCount
    reporter.report.inodeCount = UInt64(superblock.inodeCount)
    reporter.report.blocksInUse =
      superblock.blockCount
      &- min(
        superblock.freeBlockCount, superblock.blockCount)
    reporter.report.inodesInUse = UInt64(
      superblock.inodeCount &- min(superblock.freeInodeCount, superblock.inodeCount))
  }

  /// A count that the superblock or a descriptor keeps: reported unless it follows from what was
  /// reported already. True where it is to be set.
  func shouldSet(
    _ issue: SummaryIssue, _ place: Place, stored: UInt64, counted: UInt64, isConsequence: Bool
  ) throws(FileSystemError) -> Bool {
    if stored == counted { return false }
    if isConsequence { return true }
    return try found(
      .summary(issue), place, found: .number(stored), expected: .number(counted))
  }
}
