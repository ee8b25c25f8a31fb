import Ext4Format
import ExtantBase

/// Which blocks something owns, and which more than one owner claims.
///
/// With bigalloc the unit is the cluster: a claim of any of its blocks is a claim of all.
struct BlockClaims: Sendable {
  /// log2 of the blocks in a cluster; 0 without bigalloc.
  let clusterShift: UInt64
  private let firstDataBlock: UInt64
  private let blockCount: UInt64
  /// By cluster number, counted from block 0.
  private(set) var used: SparseBitSet
  /// Claimed more than once.
  private(set) var shared: SparseBitSet
  /// What the filesystem itself takes, as it was when `settleMetadata` was called.
  private(set) var metadata: SparseBitSet
  /// Taken by repairs: nobody wonders that the bitmaps say they are free.
  private(set) var allocated: SparseBitSet
  /// Where the search for a free block goes on.
  private var cursor: UInt64 = 0

  init(_ superblock: Superblock) {
    clusterShift = UInt64(superblock.clusterShift)
    firstDataBlock = UInt64(superblock.firstDataBlock)
    blockCount = superblock.blockCount
    let clusters = (superblock.blockCount + (1 << clusterShift) - 1) >> clusterShift
    used = SparseBitSet(limit: clusters)
    shared = SparseBitSet(limit: clusters)
    metadata = used
    allocated = SparseBitSet(limit: clusters)
  }

  /// All claims so far are the filesystem's own.
  mutating func settleMetadata() { metadata = used }

  func cluster(of address: BlockAddress) -> UInt64 { address.rawValue >> clusterShift }

  /// The clusters that hold `count` blocks from `address` on.
  func clusters(_ address: BlockAddress, count: UInt64) -> Range<UInt64> {
    guard count > 0 else { return cluster(of: address)..<cluster(of: address) }
    let (end, overflow) = address.rawValue.addingReportingOverflow(count - 1)
    let last = overflow ? UInt64.max : end
    return (address.rawValue >> clusterShift)..<((last >> clusterShift) + 1)
  }

  /// Claims clusters; what was claimed before becomes shared. Returns whether any was.
  @discardableResult
  mutating func claim(clusters: Range<UInt64>) -> Bool {
    used.insert(clusters, repeated: &shared)
  }

  /// Claims the clusters of blocks; what was claimed before becomes shared. Returns whether any was.
  @discardableResult
  mutating func claim(_ address: BlockAddress, count: UInt64 = 1) -> Bool {
    claim(clusters: clusters(address, count: count))
  }

  /// Claims clusters that nobody has claimed; false, with nothing changed, where somebody has.
  mutating func claimFree(_ clusters: Range<UInt64>) -> Bool { used.insertIfFree(clusters) }

  /// Claims what the filesystem itself takes: parts of it may lie in one cluster.
  mutating func claimSystem(_ address: BlockAddress, count: UInt64 = 1) {
    used.insert(clusters(address, count: count))
  }

  /// Gives up the one claim of clusters that nobody shares.
  mutating func release(clusters: Range<UInt64>) { used.remove(clusters) }
  mutating func release(_ address: BlockAddress, count: UInt64 = 1) {
    used.remove(clusters(address, count: count))
  }

  /// Gives up one claim of clusters; what others claim too, or the filesystem itself, stays claimed.
  mutating func releaseUnshared(clusters: Range<UInt64>) {
    used.remove(clusters, keeping: shared, and: metadata)
  }

  /// The claims that are left on clusters that were shared are one each.
  mutating func unshare(clusters: Range<UInt64>) { shared.remove(clusters) }

  /// Clusters that nobody claims.
  var freeCount: UInt64 { used.limit - min(used.count, used.limit) }

  func isClaimed(_ address: BlockAddress) -> Bool { used.contains(cluster(of: address)) }
  func isClaimed(clusters: Range<UInt64>) -> Bool { used.intersects(clusters) }
  func isShared(_ address: BlockAddress) -> Bool { shared.contains(cluster(of: address)) }

  /// Claims a free cluster, the first from `goal` on, and returns its first block; nil where none
  /// is free. To be called only when everything that claims blocks was seen.
  mutating func allocate(near goal: BlockAddress? = nil) -> BlockAddress? {
    let start = goal.map { cluster(of: $0) } ?? cursor
    let lowest = (firstDataBlock + (1 << clusterShift) - 1) >> clusterShift
    guard
      let free = used.first(false, from: max(start, lowest))
        ?? used.first(false, from: lowest, below: start)
    else { return nil }
    // A last cluster that is cut short by the end of the filesystem is a cluster all the same.
    used.insert(free)
    allocated.insert(free)
    cursor = free + 1
    return BlockAddress(free << clusterShift)
  }

  /// Claims `count` free blocks in a row, the first there are in `range`; nil where there are none.
  mutating func allocateRun(_ count: UInt64, in range: Range<UInt64>) -> BlockAddress? {
    let needed = (count + (1 << clusterShift) - 1) >> clusterShift
    let roundedUp = (range.lowerBound + (1 << clusterShift) - 1) >> clusterShift
    let end = range.upperBound >> clusterShift
    var start = roundedUp
    while let free = used.first(false, from: start, below: end) {
      let next = used.first(true, from: free, below: end) ?? end
      if next - free >= needed {
        used.insert(free..<free + needed)
        return BlockAddress(free << clusterShift)
      }
      start = next
    }
    return nil
  }
}
