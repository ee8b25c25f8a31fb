import BlockIO
import Ext4Format
import ExtantBase
import Journal
import ImageIO

/// Writing with the help of the image's own journal: everything goes to its log as one transaction
/// first. A crash at any moment leaves the image as it was, or repaired as soon as somebody replays the
/// journal; nothing between.
extension RepairPlan {
  /// A journal that the plan can go through.
  private struct Route {
    /// As they are on the device.
    let superblock: Superblock
    let area: JournalArea
    let journal: JournalSuperblock
    /// What the device's log holds, which is part of the repair: it comes home first.
    let pending: Recovery.Plan
    /// Both as they shall be.
    let repairedSuperblock: Superblock
    let repairedJournal: JournalSuperblock
    /// What the transaction holds: all but the journal.
    let homes: [BlockAddress]
  }

  /// Whether the journal takes part: it must be sound on the device as it is, in the place where the
  /// repair leaves it, and large enough.
  public var goesThroughJournal: Bool {
    get throws(FileSystemError) { try route() != nil }
  }

  /// - Returns: false, with nothing written, where the journal is not fit for it.
  func writeThroughJournal(_ undo: UndoFile.Writer?) throws(FileSystemError) -> Bool {
    guard let route = try route(), let log = try emptyLog(route) else { return false }
    let ownBlocks = try journalBlocks(route, count: log.needed)
    try undo?.save((route.homes + ownBlocks).sorted(), open: ownBlocks, after: repaired)

    var marked = route.superblock
    marked.features.incompat.insert(.needsRecovery)
    marked.state.remove(.clean)
    if marked != route.superblock { try device.store(marked) }
    let first = try Recovery(
      area: route.area, superblock: route.journal, blockLimit: device.byteCount / UInt64(blockSize))
    if route.journal.isClean {
      try route.area.store(log.journal)
    } else {
      try first.replay(route.pending, onto: device, ending: .fastCommitsLeft)
    }
    let recovery = try Recovery(
      area: route.area, superblock: log.journal, blockLimit: first.blockLimit)
    _ = try recovery.append(route.homes, after: try recovery.plan()) {
      (home: BlockAddress) throws(FileSystemError) -> BlockBuffer? in
      try image(home, route)
    }
    // From here on the repair counts. It comes home as any other transaction does.
    let plan = try recovery.plan()
    guard plan.transactionCount == 1 else {
      throw .corrupt(Corruption("journal", "what was written to it cannot be read back"))
    }
    let emptied = try recovery.replay(plan, onto: device)
    var last = route.repairedJournal
    last.start = 0
    last.sequence = emptied.sequence
    if last != emptied { try route.area.store(last) }
    try device.store(route.repairedSuperblock)
    return true
  }

  /// The block as the log is to have it. Until all is home the superblock asks for recovery.
  private func image(
    _ home: BlockAddress, _ route: Route
  ) throws(FileSystemError) -> BlockBuffer {
    let buffer = BlockBuffer(byteCount: blockSize)
    var bytes = buffer.mutableBytes
    try repaired.read(into: &bytes, at: home.rawValue * UInt64(blockSize))
    if home == superblockBlock {
      var superblock = route.repairedSuperblock
      superblock.features.incompat.insert(.needsRecovery)
      let start = Int(Superblock.byteOffset % UInt64(blockSize))
      var slot = bytes._mutatingExtracting(start..<start + Superblock.byteCount)
      superblock.encode(into: &slot)
    }
    return buffer
  }

  // MARK: Whether the journal is fit

  private func route() throws(FileSystemError) -> Route? {
    guard let before = try device.soundSuperblock(), let after = try repaired.soundSuperblock(),
      before.blockSize == blockSize, after.blockSize == blockSize,
      let number = before.journalInode, after.journalInode == number,
      let (area, journal) = try findJournal(on: device, before, number),
      let (newArea, newJournal) = try findJournal(on: repaired, after, number),
      area.hasSamePlaces(as: newArea), newJournal.isClean
    else { return nil }
    // What is not the log's own bookkeeping must be the same before and after.
    var same = newJournal
    same.start = journal.start
    same.sequence = journal.sequence
    same.errno = journal.errno
    guard same == journal else { return nil }
    guard
      let recovery = try? Recovery(
        area: area, superblock: journal, blockLimit: device.byteCount / UInt64(blockSize)),
      let pending = try sound({ () throws(FileSystemError) in try recovery.plan() }),
      !pending.isDamaged
    else { return nil }
    // What the log brings home first may be what the repair brings back.
    let all = Set(blocks).union(pending.copies.map(\.home)).union([superblockBlock])
    var homes = all.sorted()
    homes.removeAll { area.holds($0.rawValue * UInt64(blockSize)) }
    guard homes.allSatisfy({ recovery.canHold($0) }), recovery.blocksNeeded(homes.count) != nil
    else { return nil }
    // Of the journal's own blocks only its superblock may change.
    let own = try area.offset(of: area.superblockBlock) / UInt64(blockSize)
    guard
      !blocks.contains(where: { $0.rawValue != own && area.holds($0.rawValue * UInt64(blockSize)) })
    else { return nil }
    return Route(
      superblock: before, area: area, journal: journal, pending: pending,
      repairedSuperblock: after, repairedJournal: newJournal, homes: homes)
  }

  private func findJournal(
    on device: any BlockDevice, _ superblock: Superblock, _ number: InodeNumber
  ) throws(FileSystemError) -> (JournalArea, JournalSuperblock)? {
    try sound { () throws(FileSystemError) in
      let area = try JournalInode(device: device, superblock: superblock, number: number).area()
      let block = BlockBuffer(byteCount: superblock.blockSize)
      try area.read(area.superblockBlock, into: block)
      return (area, try JournalSuperblock(block.bytes, superblock: superblock))
    }
  }

  /// What `body` gives; nil where the image is corrupt or has what is not built.
  private func sound<Value>(
    _ body: () throws(FileSystemError) -> Value
  ) throws(FileSystemError) -> Value? {
    do throws(FileSystemError) {
      return try body()
    } catch .io(let failure) {
      throw .io(failure)
    } catch {
      return nil
    }
  }

  /// The journal's superblock for the moment when the log holds nothing but is about to, and the blocks
  /// that it will take; nil where what stands in the log by chance could pass for a transaction.
  private func emptyLog(
    _ route: Route
  ) throws(FileSystemError) -> (journal: JournalSuperblock, needed: Int)? {
    var journal = route.journal
    journal.start = route.journal.isClean ? journal.firstLogBlock : route.pending.endBlock
    journal.sequence = route.pending.endSequence
    guard
      let recovery = try? Recovery(
        area: route.area, superblock: journal, blockLimit: device.byteCount / UInt64(blockSize)),
      let nothing = try sound({ () throws(FileSystemError) in try recovery.plan() }),
      nothing.transactionCount == 0, !nothing.isDamaged,
      let needed = recovery.blocksNeeded(route.homes.count)
    else { return nil }
    return (journal, needed)
  }

  /// Where the journal's superblock lies, and the log blocks that will be written.
  private func journalBlocks(
    _ route: Route, count: Int
  ) throws(FileSystemError) -> [BlockAddress] {
    let size = UInt64(blockSize)
    var found = [BlockAddress(try route.area.offset(of: route.area.superblockBlock) / size)]
    let first = route.journal.firstLogBlock
    let length = route.journal.lastLogBlock - first
    let start = route.journal.isClean ? first : route.pending.endBlock
    for index in 0..<UInt32(count) {
      let place = first + (start - first + index) % length
      found.append(BlockAddress(try route.area.offset(of: place) / size))
    }
    return found
  }
}
