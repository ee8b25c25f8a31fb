import ExtentMap

/// How many blocks of metadata an operation may add to its transaction. The journal takes no
/// transaction larger than a quarter of its log, so each operation announces its worst case first;
/// one whose worst case is larger goes in steps.
extension FileSystem {
  /// Bitmaps of blocks and blocks of descriptors: no operation changes more of them.
  var groupBlockCount: Int {
    let groups = Int(superblock.groupCount)
    let perBlock = max(1, Int(superblock.descriptorsPerBlock))
    return groups + (groups + perBlock - 1) / perBlock
  }

  /// The bitmaps and descriptors that allocating or freeing `count` single blocks changes at most.
  func groupBlocks(forSingleBlocks count: Int) -> Int { min(2 * count, groupBlockCount) }

  /// What one change at one place of a map costs at most, and freeing what lies in `groups` bitmaps
  /// and blocks of descriptors with it. A tree of depth 3 needs most: twelve nodes on the path and
  /// beside it are rewritten, eleven come, and each that comes or goes changes a bitmap and a
  /// descriptor: that is what is ordinary.
  func credits(freeing groups: Int = 0) -> Int {
    Self.ordinaryCredits + min(groupBlockCount, groups)
  }

  /// What one extent more that an operation changes costs at most: the leaf it is in, and that leaf's
  /// other half, each with a bitmap and a descriptor.
  static var creditsPerExtent: Int { 5 }

  /// How many extents one operation may change, wherever they lie.
  var extentsPerOperation: Int {
    max(1, (journal.maximumCredits - Self.ordinaryCredits) / Self.creditsPerExtent)
  }

  func credits(changing extents: Int) -> Int {
    min(Self.ordinaryCredits + Self.creditsPerExtent * extents, journal.maximumCredits)
  }

  /// What allocating one extent costs at most.
  var allocationCredits: Int {
    let groups = ExtentState.written.maximumCount / UInt64(max(1, superblock.blocksPerGroup)) + 2
    return min(credits(freeing: 2 * Int(groups)), journal.maximumCredits)
  }
}

/// What a transaction was charged for the encoding of a node's tree.
struct NodeCharge {
  var transaction: UInt64 = 0
  var blocks = 0
}
