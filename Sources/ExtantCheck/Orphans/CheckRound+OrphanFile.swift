import BlockIO
import Ext4Format
import ExtantBase

/// The orphan file (feature orphan_file): a second place for the numbers of orphans, which counts while
/// the feature orphan_present is set.
extension CheckRound {
  /// The file as it was found.
  private struct FoundFile {
    let number: InodeNumber
    var raw: RawInode
    var map: OrphanMap
    /// Whether any of its blocks is one of an orphan file.
    var hasMagic: Bool
  }

  func checkOrphanFile(_ release: inout OrphanRelease) throws(FileSystemError) {
    var isPresent: Bool { superblock.features.readOnlyCompat.contains(.orphanPresent) }
    if !superblock.features.compat.contains(.orphanFile) {
      try checkWithoutFeature(&release)
    }
    guard superblock.features.compat.contains(.orphanFile) else {
      if isPresent, try found(.orphan(.presentWithoutFile), .filesystem) {
        superblock.features.readOnlyCompat.remove(.orphanPresent)
      }
      return
    }
    let stored = superblock.storedOrphanFileInode
    guard stored >= superblock.firstInode, stored <= superblock.inodeCount else {
      if try found(.orphan(.fileMissing), .filesystem, found: .number(UInt64(stored))) {
        forgetOrphanFile()
      }
      return
    }
    let number = InodeNumber(stored)
    guard var file = try findFile(number), file.hasMagic else {
      if try found(.orphan(.fileDamaged), .inode(number)) { forgetOrphanFile() }
      return
    }
    try checkFileInode(&file, &release)
    guard try checkFileBlocks(file, isPresent: isPresent, &release) else { return }
    if !superblock.features.compat.contains(.hasJournal), newJournalBlockCount == nil,
      try found(.orphan(.fileWithoutJournal), .filesystem)
    {
      try deleteOrphan(number, file.raw, file.map, &release)
      forgetOrphanFile()
    }
  }

  /// Without the feature the superblock should name no file. One that looks like an orphan file shows
  /// that only the flag was lost.
  private func checkWithoutFeature(_ release: inout OrphanRelease) throws(FileSystemError) {
    let stored = superblock.storedOrphanFileInode
    guard stored != 0 else { return }
    let isThere = stored >= superblock.firstInode && stored <= superblock.inodeCount
    let file = isThere ? try findFile(InodeNumber(stored)) : nil
    if let file, file.hasMagic, file.raw.kind == .regular,
      superblock.features.compat.contains(.hasJournal)
    {
      if try found(.orphan(.fileFeatureLost), .inode(file.number)) {
        superblock.features.compat.insert(.orphanFile)
      }
      return
    }
    let isInUse = isThere ? try readInode(InodeNumber(stored)).holdsData : false
    let kind: OrphanIssue = isInUse ? .fileWithoutFeature : .fileNumberLeft
    guard try found(.orphan(kind), .filesystem, found: .number(UInt64(stored))) else { return }
    if let file, file.hasMagic { try deleteOrphan(file.number, file.raw, file.map, &release) }
    forgetOrphanFile()
  }

  private func forgetOrphanFile() {
    superblock.features.compat.remove(.orphanFile)
    superblock.features.readOnlyCompat.remove(.orphanPresent)
    superblock.storedOrphanFileInode = 0
  }

  /// Nil where its map cannot be followed, or its inode is not in use.
  private func findFile(_ number: InodeNumber) throws(FileSystemError) -> FoundFile? {
    let raw = try readInode(number)
    guard raw.mode != 0 else { return nil }
    // What kind it is may be what is wrong.
    var regular = raw
    regular.mode = FileKind.regular.rawValue | 0o600
    guard
      let map = try OrphanMap(self, number, regular, budget: superblock.blockCount)
    else { return nil }
    var file = FoundFile(number: number, raw: raw, map: map, hasMagic: false)
    let block = BlockBuffer(byteCount: image.blockSize)
    search: for run in map.runs where !run.isUnwritten {
      for index in 0..<run.count {
        try image.read(run.address + index, into: block)
        if OrphanFileBlock.hasMagic(block.bytes) {
          file.hasMagic = true
          break search
        }
      }
    }
    return file
  }

  private func checkFileInode(
    _ file: inout FoundFile, _ release: inout OrphanRelease
  ) throws(FileSystemError) {
    let place = Place.inode(file.number)
    let blockSize = UInt64(superblock.blockSize)
    var raw = file.raw
    if raw.kind != .regular,
      try found(.orphan(.fileNotRegular), place, found: .hexadecimal(UInt64(raw.mode)))
    {
      raw.mode = FileKind.regular.rawValue | 0o600
    }
    if raw.linkCount == 0, try found(.orphan(.fileUnlinked), place) {
      raw.linkCount = 1
      raw.deletionTime = 0
    }
    if raw.deletionTime != 0, try found(.orphan(.linkLeft), place) { raw.deletionTime = 0 }
    var end = (raw.wholeSize &+ blockSize &- 1) / blockSize
    let mappedEnd = file.map.runs.last.map { $0.logical + $0.count } ?? 0
    if raw.wholeSize % blockSize != 0 || end == 0 || end > mappedEnd && mappedEnd > 0,
      try found(.orphan(.fileBadSize), place, found: .number(raw.wholeSize))
    {
      end = mappedEnd
      raw.wholeSize = end * blockSize
    }
    var mapped: UInt64 = 0
    for run in file.map.runs {
      guard run.logical == mapped, !run.isUnwritten else { break }
      mapped += run.count
    }
    if mapped > 0, mapped < end,
      try found(.orphan(.fileHole), place, found: .number(mapped))
    {
      var cut = OrphanCut(self, file.number, end: mapped)
      try cut.cut(&raw)
      for node in cut.nodes { try release.free(node, count: 1) }
      for run in cut.runs { try release.free(run.address, count: run.count) }
      raw.wholeSize = mapped * blockSize
      if let map = try OrphanMap(self, file.number, raw, budget: superblock.blockCount) {
        file.map = map
        raw.setBlocks(charge(map, raw), superblock)
      }
    }
    if raw != file.raw { try writeInode(file.number, raw) }
    file.raw = raw
  }

  /// - Returns: false where something was left that should have been repaired.
  private func checkFileBlocks(
    _ file: FoundFile, isPresent: Bool, _ release: inout OrphanRelease
  ) throws(FileSystemError) -> Bool {
    let seed = file.raw.checksumSeed(file.number, superblock)
    // After errors the file counts as little as the list.
    let counts = isPresent && !superblock.state.contains(.errors)
    var isClean = true
    var isLeft = false
    var hasStrange = false
    let block = BlockBuffer(byteCount: image.blockSize)
    for run in file.map.runs where !run.isUnwritten {
      for index in 0..<run.count {
        let address = run.address + index
        try image.read(address, into: block)
        guard let kind = blockIssue(block, address, seed) else { continue }
        let place = Place(inode: file.number, block: address, logical: run.logical + index)
        if kind == .fileBadMagic {
          // It may be somebody else's. Where blocks are shared on purpose it stays that.
          if superblock.features.readOnlyCompat.contains(.sharedBlocks) { continue }
          isClean = false
          if try found(.orphan(kind), place) { hasStrange = true } else { isLeft = true }
          continue
        }
        isClean = false
        var entries: [UInt32] = []
        if kind == .fileNotClean || kind == .fileBadEntry {
          entries = OrphanFileBlock.entries(block.bytes)
        }
        var isEmptied = try found(.orphan(kind), place)
        if isEmptied, counts {
          for entry in entries where mayBeOrphan(entry) {
            let number = InodeNumber(entry)
            let raw = try readInode(number)
            guard raw.mode != 0 || raw.linkCount != 0 else { continue }
            if try !finishOrphan(number, raw, link: nil, &release) { isEmptied = false }
          }
        }
        guard isEmptied else {
          isLeft = true
          continue
        }
        var bytes = block.mutableBytes
        OrphanFileBlock(inodes: []).encode(into: &bytes, at: address, checksumSeed: seed)
        try image.write(block, at: address)
      }
    }
    if hasStrange {
      let number = file.number
      func empty(_ round: CheckRound) throws(FileSystemError) {
        try round.emptyStrangeOrphanFileBlocks(number)
      }
      putOff.append(empty)
    }
    guard !isLeft else { return false }
    guard isPresent else { return true }
    if isClean {
      guard try found(.orphan(.presentButClean), .filesystem) else { return false }
    }
    superblock.features.readOnlyCompat.remove(.orphanPresent)
    return true
  }

  /// When no other file has any of its blocks any more: makes those that are no orphan file's so.
  private func emptyStrangeOrphanFileBlocks(_ number: InodeNumber) throws(FileSystemError) {
    guard inodes.isInUse(number) else { return }
    let raw = try readInode(number)
    let seed = raw.checksumSeed(number, superblock)
    let block = BlockBuffer(byteCount: image.blockSize)
    try forEachRun(number, raw) { (run: MapRun) throws(FileSystemError) -> Bool in
      for index in 0..<run.count where !run.isUnwritten {
        let address = run.address + index
        guard address.rawValue < image.deviceBlockCount else { break }
        try image.read(address, into: block)
        if OrphanFileBlock.hasMagic(block.bytes) { continue }
        var bytes = block.mutableBytes
        OrphanFileBlock(inodes: []).encode(into: &bytes, at: address, checksumSeed: seed)
        try image.write(block, at: address)
      }
      return true
    }
  }

  /// Nil for a block without entries in which all is right.
  private func blockIssue(
    _ block: BlockBuffer, _ address: BlockAddress, _ seed: UInt32?
  ) -> OrphanIssue? {
    guard OrphanFileBlock.hasMagic(block.bytes) else { return .fileBadMagic }
    guard OrphanFileBlock.hasValidChecksum(block.bytes, at: address, checksumSeed: seed) else {
      return .fileBadChecksum
    }
    let entries = OrphanFileBlock.entries(block.bytes)
    guard !entries.isEmpty else { return nil }
    return entries.allSatisfy({ mayBeOrphan($0) }) ? .fileNotClean : .fileBadEntry
  }
}
