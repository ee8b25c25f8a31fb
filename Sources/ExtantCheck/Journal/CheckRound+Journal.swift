import BlockIO
import Ext4Format
import ExtantBase

/// A new journal.
extension CheckRound {
  /// In blocks, by the rules of mke2fs; 0 where the filesystem is too small for one.
  var defaultJournalBlockCount: UInt32 {
    switch superblock.blockCount {
    case ..<2048: 0
    case ..<32_768: 1024
    case ..<(256 << 10): 4096
    case ..<(512 << 10): 8192
    case ..<(4096 << 10): 16_384
    case ..<(8192 << 10): 32_768
    case ..<(16_384 << 10): 65_536
    case ..<(32_768 << 10): 131_072
    default: 262_144
    }
  }

  /// Makes a journal in place of one that was given up, when all claims are known. The filesystem
  /// stays without one where there is no room.
  func makeJournal() throws(FileSystemError) {
    guard let wanted = newJournalBlockCount else { return }
    newJournalBlockCount = nil
    let minimum = JournalSuperblock.minimumBlockCount
    let count = max(wanted, defaultJournalBlockCount == 0 ? 0 : minimum)
    guard count >= minimum, let runs = takeBlocks(count) else { return }
    var raw = RawInode(byteCount: superblock.inodeSize)
    raw.mode = FileKind.regular.rawValue | 0o600
    raw.linkCount = 1
    raw.wholeSize = UInt64(count) * UInt64(superblock.blockSize)
    raw.changeTime = UInt32(truncatingIfNeeded: now)
    raw.accessTime = raw.changeTime
    raw.modificationTime = raw.changeTime
    if superblock.inodeSize > Inode.baseSize { raw.extraSize = Inode.knownExtraSize }
    if superblock.features.incompat.contains(.extents) {
      raw.flags = .extents
      raw.blockArea = ExtentNode(depth: 0, entries: .leaf([])).encodeRoot()
    }
    guard try writeMap(.journal, &raw, runs) else {
      for run in runs { claims.release(run.address, count: run.count) }
      return
    }
    try fill(runs, count)
    try writeInode(.journal, raw)
    inodes[.journal].isInUse = true
    inodes[.journal].kind = .regular
    inodes[.journal].linkCount = 1
    superblock.features.compat.insert(.hasJournal)
    superblock.storedJournalInode = InodeNumber.journal.rawValue
    superblock.journalBackupType = 1
    superblock.setJournalBlocksBackup(
      (0..<15).map { raw.blockWord($0) } + [raw.sizeHigh, raw.sizeLow])
  }

  /// Claims free blocks, in runs as long as there are; nil, with nothing claimed, where there are not
  /// enough.
  private func takeBlocks(_ count: UInt32) -> [MapRun]? {
    var runs: [MapRun] = []
    var taken: UInt64 = 0
    let perCluster: UInt64 = 1 << claims.clusterShift
    while taken < UInt64(count) {
      let goal = runs.last.map { $0.address + $0.count }
      guard let address = claims.allocate(near: goal) else {
        for run in runs { claims.release(run.address, count: run.count) }
        return nil
      }
      // What is left of the last cluster stays unmapped: it is the journal's all the same.
      let part = min(perCluster, UInt64(count) - taken)
      if let last = runs.last, last.address + last.count == address {
        runs[runs.count - 1].count += part
      } else {
        runs.append(MapRun(logical: taken, address: address, count: part))
      }
      taken += part
    }
    // An extent has 32,768 blocks at most: the writer of maps splits longer runs.
    return runs
  }

  /// Writes an empty journal: its superblock, and zeros, so that nothing old passes for a transaction.
  private func fill(_ runs: [MapRun], _ count: UInt32) throws(FileSystemError) {
    let journal = JournalSuperblock(
      blockSize: UInt32(superblock.blockSize), blockCount: count, uuid: superblock.uuid)
    let block = BlockBuffer(byteCount: superblock.blockSize)
    let zeros = BlockBuffer(byteCount: superblock.blockSize)
    for run in runs {
      for index in 0..<run.count {
        let address = run.address + index
        if run.logical + index == 0 {
          var bytes = block.mutableBytes
          journal.encode(into: &bytes)
          try image.write(block, at: address)
          continue
        }
        try image.read(address, into: block)
        if !block.bytes.isZero(0..<block.byteCount) { try image.write(zeros, at: address) }
      }
    }
  }
}
