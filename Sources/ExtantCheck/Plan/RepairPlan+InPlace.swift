import BlockIO
import Ext4Format
import ExtantBase
import ImageIO

/// Writing without the help of a journal. A crash in the middle leaves an image that says that it is
/// not clean, with some repairs done and others not: the next check goes on from there. A journal that
/// was replayed says so only when all that it held is in place.
extension RepairPlan {
  func writeInPlace(_ undo: UndoFile.Writer?) throws(FileSystemError) {
    let others = blocks.filter { $0 != superblockBlock }
    try undo?.save(others.isEmpty ? blocks : merged(others), after: repaired)
    // Now: where the repair leaves the superblock alone, it is read from the device, and the mark with it.
    let superblock = try contents(of: superblockBlock)
    if !others.isEmpty {
      try markNotClean()
      var journals: [BlockAddress] = []
      for block in others where try isJournalSuperblock(block) { journals.append(block) }
      let rest = Set(journals)
      try copy(others.filter { !rest.contains($0) })
      try device.flush()
      if !journals.isEmpty {
        try copy(journals)
        try device.flush()
      }
    }
    try writeExternalJournal()
    let end = Int(clamping: device.byteCount - superblockOffset)
    try device.write(
      superblock.bytes.extracting(0..<min(blockSize, end)), at: superblockOffset)
    try device.flush()
  }

  private var superblockOffset: UInt64 { superblockBlock.rawValue * UInt64(blockSize) }

  /// The block as the repaired image has it, as far as the device goes.
  private func contents(of block: BlockAddress) throws(FileSystemError) -> BlockBuffer {
    let buffer = BlockBuffer(byteCount: blockSize)
    let offset = block.rawValue * UInt64(blockSize)
    var bytes = buffer.mutableBytes
    var part = bytes._mutatingExtracting(
      0..<min(blockSize, Int(clamping: device.byteCount - offset)))
    try repaired.read(into: &part, at: offset)
    return buffer
  }

  /// Whether the block is, or was, the start of a journal.
  private func isJournalSuperblock(_ block: BlockAddress) throws(FileSystemError) -> Bool {
    let buffer = BlockBuffer(byteCount: JournalBlockHeader.byteCount)
    for image in [device, repaired] as [any BlockDevice] {
      var bytes = buffer.mutableBytes
      try image.read(into: &bytes, at: block.rawValue * UInt64(blockSize))
      let type = JournalBlockHeader(buffer.bytes)?.type
      if type == .superblockV1 || type == .superblockV2 { return true }
    }
    return false
  }

  /// What was replayed from a journal on another device is in place: that journal says so now.
  private func writeExternalJournal() throws(FileSystemError) {
    guard let journal = repairedJournal else { return }
    let size = journal.overlay.pieceByteCount
    let buffer = BlockBuffer(byteCount: size)
    for piece in journal.overlay.writtenPieces {
      let offset = piece * UInt64(size)
      var bytes = buffer.mutableBytes
      try journal.overlay.read(into: &bytes, at: offset)
      try journal.device.write(buffer.bytes, at: offset)
    }
    try journal.device.flush()
  }

  /// With the superblock's block, ascending.
  func merged(_ others: [BlockAddress]) -> [BlockAddress] {
    blocks.contains(superblockBlock) ? blocks : ([superblockBlock] + others).sorted()
  }

  /// Says in the superblock on the device, durably, that a check is due: so nobody takes for sound
  /// what a crash leaves half repaired. A superblock that cannot be read says so by itself.
  func markNotClean() throws(FileSystemError) {
    guard var superblock = try device.soundSuperblock(), superblock.state.contains(.clean) else {
      return
    }
    superblock.state.remove(.clean)
    try device.store(superblock)
  }

  /// Copies blocks, which ascend, from the repaired image to the device.
  func copy(_ blocks: [BlockAddress]) throws(FileSystemError) {
    let longest = max(1, Self.chunk / blockSize)
    let buffer = BlockBuffer(byteCount: longest * blockSize)
    try Self.forEachRun(blocks, longest: longest) { (run) throws(FileSystemError) in
      let offset = run.first.rawValue * UInt64(blockSize)
      let count = min(run.count * blockSize, Int(clamping: device.byteCount - offset))
      var bytes = buffer.mutableBytes
      var part = bytes._mutatingExtracting(0..<count)
      try repaired.read(into: &part, at: offset)
      try device.write(buffer.bytes.extracting(0..<count), at: offset)
    }
  }
}
