import BlockIO
import Ext4Format
import ExtantBase

extension CheckRound {
  /// Finishes what the orphan list and the orphan file say was being deleted or cut short.
  func checkOrphans() throws(FileSystemError) {
    var release = OrphanRelease(self)
    try checkOrphanList(&release)
    try checkOrphanFile(&release)
    try release.finish()
    try storeSuperblock()
  }

  /// The list that starts in the superblock and goes on in each inode's deletion time.
  private func checkOrphanList(_ release: inout OrphanRelease) throws(FileSystemError) {
    guard superblock.storedLastOrphan != 0 else { return }
    // What wrote the list may have been the error: then nothing is cut short by it. What is to be
    // deleted has no links, which pass 1 sees.
    if superblock.state.contains(.errors) {
      if try found(.orphan(.listDistrusted), .filesystem) { superblock.storedLastOrphan = 0 }
      return
    }
    var link = superblock.storedLastOrphan
    var previous: InodeNumber?
    var seen: Set<UInt32> = []
    var isEmptied = true
    while link != 0 {
      guard mayBeOrphan(link) else {
        let kind: OrphanIssue = previous == nil ? .badHead : .badLink
        let place: Place = previous.map { .inode($0) } ?? .filesystem
        if try !found(.orphan(kind), place, found: .number(UInt64(link))) { isEmptied = false }
        break
      }
      guard seen.insert(link).inserted else {
        if try !found(
          .orphan(.circle), previous.map { .inode($0) } ?? .filesystem,
          found: .number(UInt64(link)))
        {
          isEmptied = false
        }
        break
      }
      let number = InodeNumber(link)
      let raw = try readInode(number)
      guard raw.mode != 0 || raw.linkCount != 0 else {
        if try !found(.orphan(.notInUse), .inode(number)) { isEmptied = false }
        break
      }
      if try !finishOrphan(number, raw, link: raw.deletionTime, &release) { isEmptied = false }
      previous = number
      link = raw.deletionTime
    }
    if isEmptied { superblock.storedLastOrphan = 0 }
  }

  func mayBeOrphan(_ number: UInt32) -> Bool {
    number >= superblock.firstInode && number <= superblock.inodeCount
      && number != superblock.storedOrphanFileInode
  }

  // MARK: One orphan

  /// Deletes an orphan, or cuts it short.
  ///
  /// - Parameter link: its deletion time, where that is the next orphan; nil where it is none.
  /// - Returns: false where it was not to be repaired.
  func finishOrphan(
    _ number: InodeNumber, _ raw: RawInode, link: UInt32?, _ release: inout OrphanRelease
  ) throws(FileSystemError) -> Bool {
    let map = try release.map(number, raw)
    if raw.linkCount == 0 {
      guard try found(.orphan(.unfinishedDeletion), .inode(number)) else { return false }
      if map == nil { _ = try found(.orphan(.badMap), .inode(number)) }
      try deleteOrphan(number, raw, map, &release)
      return true
    }
    guard let map else {
      guard try found(.orphan(.badMap), .inode(number)) else { return false }
      try takeOffList(number, raw, isListed: link != nil)
      return true
    }
    let blockSize = UInt64(superblock.blockSize)
    let size = raw.size(superblock)
    let end = size / blockSize + (size % blockSize == 0 ? 0 : 1)
    var kind: OrphanIssue? = (link ?? 0) == 0 ? .nothingLeft : .linkLeft
    var isCut = false
    if raw.kind == .regular, !raw.flags.contains(.verity),
      let past = map.runs.last, past.logical + past.count > end
    {
      isCut = true
      let isWritten = map.runs.contains { !$0.isUnwritten && $0.logical + $0.count > end }
      if isWritten {
        kind = .unfinishedTruncation
      } else if kind == .nothingLeft {
        kind = .preallocationLeft
      }
    }
    // In the orphan file, an entry with nothing left to do is the block's issue alone.
    if link == nil, !isCut { kind = nil }
    if let kind, try !found(.orphan(kind), .inode(number)) { return false }
    if isCut {
      try cutOrphan(number, raw, map, end, &release)
    } else {
      try takeOffList(number, raw, isListed: link != nil)
    }
    return true
  }

  private func takeOffList(
    _ number: InodeNumber, _ raw: RawInode, isListed: Bool
  ) throws(FileSystemError) {
    guard isListed, raw.deletionTime != 0 else { return }
    var raw = raw
    raw.deletionTime = 0
    try writeInode(number, raw)
  }

  func deleteOrphan(
    _ number: InodeNumber, _ raw: RawInode, _ map: OrphanMap?, _ release: inout OrphanRelease
  ) throws(FileSystemError) {
    for node in map?.nodes ?? [] { try release.free(node, count: 1) }
    for run in map?.runs ?? [] { try release.free(run.address, count: run.count) }
    if let translator = translatorBlock(number, raw) { try release.free(translator, count: 1) }
    try dropAttributes(raw, &release)
    try release.free(number, isDirectory: raw.kind == .directory)
    try clearSlot(number, raw)
  }

  /// Gives up the inode's share of its attributes' block.
  private func dropAttributes(
    _ raw: RawInode, _ release: inout OrphanRelease
  ) throws(FileSystemError) {
    let address = raw.fileACL(superblock)
    guard isMappable(address), address.rawValue < image.deviceBlockCount,
      !claims.metadata.contains(claims.cluster(of: address))
    else { return }
    let block = try image.block(address)
    guard block.bytes.le32(0) == 0xEA02_0000 else { return }
    guard block.bytes.le32(4) > 1 else { return try release.free(address, count: 1) }
    var bytes = block.mutableBytes
    _ = XattrBlock.removeReference(
      in: &bytes, at: address,
      checksumSeed: superblock.hasMetadataChecksums ? superblock.checksumSeed : nil)
    try image.write(block, at: address)
  }

  private func cutOrphan(
    _ number: InodeNumber, _ raw: RawInode, _ map: OrphanMap, _ end: UInt64,
    _ release: inout OrphanRelease
  ) throws(FileSystemError) {
    var raw = raw
    var cut = OrphanCut(self, number, end: end)
    try cut.cut(&raw)
    for node in cut.nodes { try release.free(node, count: 1) }
    for run in cut.runs { try release.free(run.address, count: run.count, logical: run.logical) }
    let rest = try OrphanMap(self, number, raw, budget: superblock.blockCount)
    raw.setBlocks(charge(rest ?? map, raw), superblock)
    raw.deletionTime = 0
    try writeInode(number, raw)
    try zeroTail(raw, map)
  }

  /// Blocks that i_blocks counts.
  func charge(_ map: OrphanMap, _ raw: RawInode) -> UInt64 {
    var clusters = UInt64(map.nodes.count)
    var last: UInt64?
    for run in map.runs {
      let range = claims.clusters(run.address, count: run.count)
      clusters += UInt64(range.count) - (range.lowerBound == last ? 1 : 0)
      last = range.upperBound - 1
    }
    if raw.fileACL(superblock).rawValue != 0 { clusters += 1 }
    return clusters << claims.clusterShift
  }

  /// What follows the end in the last block must read as zeros if the file grows again. Of encrypted
  /// contents nobody reads that.
  private func zeroTail(_ raw: RawInode, _ map: OrphanMap) throws(FileSystemError) {
    let size = raw.size(superblock)
    let start = Int(size % UInt64(superblock.blockSize))
    let last = size / UInt64(superblock.blockSize)
    guard start != 0, !raw.flags.contains(.encrypted),
      let run = map.runs.first(where: { $0.logical <= last && last - $0.logical < $0.count }),
      !run.isUnwritten
    else { return }
    let address = run.address + (last - run.logical)
    let block = try image.block(address)
    guard !block.bytes.isZero(start..<block.byteCount) else { return }
    var bytes = block.mutableBytes
    bytes.fill(start..<block.byteCount, with: 0)
    try image.write(block, at: address)
  }
}
