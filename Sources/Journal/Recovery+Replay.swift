import BlockIO
import Ext4Format
import ExtantBase

extension Recovery {
  /// What the journal says after a replay.
  public enum Ending: Sendable {
    /// Nothing is left in it.
    case empty
    /// Nothing is left in its log, but its fast commits are still to be added: the log starts where
    /// it ended, and the next transaction has the number that the fast commits add to. Once that
    /// transaction is committed they no longer count.
    case fastCommitsLeft
  }

  /// Blocks in one gathered write.
  private static let longestWrite = 256

  /// Writes the blocks of `plan` to their homes on `device`, makes them durable, and then empties
  /// the log in the journal's superblock, durably.
  ///
  /// - Parameter barrier: false leaves out the flush between the two, as the mount option does.
  /// - Returns: the journal's superblock as it is now.
  @discardableResult
  public func replay(
    _ plan: Plan, onto device: any BlockDevice, barrier: Bool = true, ending: Ending = .empty
  ) throws(FileSystemError) -> JournalSuperblock {
    device.note(.recoveryWrite)
    var done = 0
    while done < plan.copies.count {
      var end = done + 1
      while end < plan.copies.count, end - done < Self.longestWrite,
        plan.copies[end].home == plan.copies[end - 1].home + 1
      {
        end += 1
      }
      try write(plan.copies[done..<end], onto: device)
      done = end
    }
    if barrier { try device.flush() }
    return try empty(plan, ending, barrier: barrier)
  }

  /// Copies that are neighbours at home.
  private func write(
    _ copies: ArraySlice<Copy>, onto device: any BlockDevice
  ) throws(FileSystemError) {
    guard let first = copies.first else { return }
    var buffers: [BlockBuffer] = []
    for copy in copies {
      let buffer = BlockBuffer(byteCount: area.blockSize)
      try area.read(copy.logBlock, into: buffer)
      if copy.isEscaped {
        var bytes = buffer.mutableBytes
        JournalFormat.unescape(&bytes)
      }
      buffers.append(buffer)
    }
    // Within the filesystem, or it were no part of the plan.
    try device.write(buffers, at: first.home.rawValue * UInt64(area.blockSize))
  }

  private func empty(
    _ plan: Plan, _ ending: Ending, barrier: Bool
  ) throws(FileSystemError) -> JournalSuperblock {
    var emptied = superblock
    switch ending {
    case .empty:
      emptied.start = 0
      // One is skipped: what there is of the transaction that was never finished must not be taken
      // for part of the next.
      emptied.sequence = superblock.isClean ? superblock.sequence : plan.endSequence &+ 1
    case .fastCommitsLeft:
      emptied.start = plan.endBlock
      emptied.sequence = plan.endSequence
    }
    guard emptied != superblock else { return emptied }
    try area.store(emptied, isDurable: barrier)
    return emptied
  }
}
