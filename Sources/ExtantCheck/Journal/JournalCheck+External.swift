import BlockIO
import Ext4Format
import ExtantBase
import Journal
import ImageIO

/// A journal on a device of its own. It is not mended: only what it holds is brought home.
extension JournalCheck {
  func runExternal() throws(FileSystemError) {
    let area = try externalArea()
    let block = BlockBuffer(byteCount: area.blockSize)
    try area.read(area.superblockBlock, into: block)
    let journal = try JournalSuperblock(
      block.bytes, blockSize: superblock.blockSize, inode: nil)
    try ExternalJournal.check(journal)
    try replay(area, journal, .filesystem)
  }

  /// The journal with an overlay of its own, the same in all rounds.
  private func externalArea() throws(FileSystemError) -> JournalArea {
    if let known = reporter.externalJournal { return known }
    let area = try ExternalJournal.open(
      superblock, superblock.storedJournalUUID, path: options.journalPath,
      access: options.mode == .report ? .readOnly : .readWrite)
    let overlay = OverlayDevice(base: area.device, pieceByteCount: area.blockSize)
    let covered = try area.on(overlay)
    reporter.externalJournal = covered
    reporter.report.repairedJournal = RepairedJournal(device: area.device, overlay: overlay)
    return covered
  }
}
