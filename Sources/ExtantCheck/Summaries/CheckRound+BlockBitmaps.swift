import BlockIO
import Ext4Format
import ExtantBase

extension CheckRound {
  private static let blockKinds = BitmapCheck.Kinds(
    markedFree: .blockMarkedFree, specialMarkedFree: .metadataMarkedFree,
    markedUsed: .blockMarkedUsed, tail: .blockBitmapTail, checksum: .blockBitmapChecksum,
    uninit: .blockUninit)

  /// Block bitmaps, and the counts of free blocks.
  func checkBlockBitmaps(followsRepairs: Bool) throws(FileSystemError) {
    let shift = UInt64(superblock.clusterShift)
    let perGroup = Int(superblock.blocksPerGroup) >> Int(shift)
    var check = BitmapCheck(Self.blockKinds, blockSize: superblock.blockSize)
    check.fullCount = perGroup
    check.stride = 1 << shift
    var reader = BitmapReader(image, groups.map(\.blockBitmap))
    let hasTaken = !claims.allocated.isEmpty
    var storedTotal: UInt64 = 0
    var total: UInt64 = 0

    for index in groups.indices {
      let group = GroupIndex(UInt32(index))
      options.progress?(5, Double(index) / Double(groups.count) / 2)
      let first = superblock.groupFirstBlock(group).rawValue
      let cluster = first >> shift
      check.base = cluster << shift
      check.count = min(
        perGroup, (Int(superblock.blocks(in: group)) + (1 << Int(shift)) - 1) >> Int(shift))
      check.expected.load(claims.used, from: cluster, count: check.count)
      let used = check.expected.count(in: 0..<check.count)
      check.expected.insert(check.count..<check.expected.bitCount)
      if hasTaken { check.taken.load(claims.allocated, from: cluster, count: check.count) }

      let count = check.count
      let free = try compareBitmap(
        .blocks, &check, &reader, group, used, followsRepairs: followsRepairs,
        implied: { self.loadImpliedBitmap(&$0, group, count: count) }
      ) {
        var words = BitmapWords(byteCount: self.superblock.blockSize)
        words.load(self.claims.metadata, from: cluster, count: perGroup)
        return words
      }
      let storedFree = UInt64(groups[index].freeBlocks)
      storedTotal += storedFree
      if try shouldSet(
        .groupFreeBlocks, .group(group), stored: storedFree, counted: free.after,
        isConsequence: storedFree == free.before)
      {
        groups[index].freeBlocks = UInt32(truncatingIfNeeded: free.after)
      }
      total += UInt64(groups[index].freeBlocks)
    }
    let stored = superblock.freeBlockCount
    if try shouldSet(
      .freeBlocks, .filesystem, stored: stored, counted: total << shift,
      isConsequence: stored == storedTotal << shift)
    {
      superblock.freeBlockCount = total << shift
    }
  }

  /// What a bitmap that was never written stands for: the group's own metadata, where they lie in
  /// the group.
  private func loadImpliedBitmap(
    _ words: inout BitmapWords, _ group: GroupIndex, count: Int
  ) {
    words.clear()
    let shift = UInt64(superblock.clusterShift)
    let first = superblock.groupFirstBlock(group).rawValue >> shift
    let end = first + UInt64(superblock.blocksPerGroup) >> shift
    forEachMetadataRange(of: group) { clusters in
      let low = max(clusters.lowerBound, first)
      let high = min(clusters.upperBound, end)
      if low < high { words.insert(Int(low - first)..<Int(high - first)) }
    }
    words.insert(count..<words.bitCount)
  }

  private func forEachMetadataRange(of group: GroupIndex, _ body: (Range<UInt64>) -> Void) {
    let descriptor = groups[Int(group.rawValue)]
    let area = superblock.superblockAreaBlockCount(in: group)
    body(claims.clusters(superblock.groupFirstBlock(group), count: UInt64(area)))
    body(claims.clusters(descriptor.blockBitmap, count: 1))
    body(claims.clusters(descriptor.inodeBitmap, count: 1))
    body(
      claims.clusters(
        descriptor.inodeTable, count: UInt64(superblock.inodeTableBlockCount)))
  }
}
