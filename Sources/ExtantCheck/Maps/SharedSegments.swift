import Ext4Format
import ExtantBase

/// The clusters that several claim, cut where any claim begins or ends: within a segment the claimants
/// are the same. Takes memory by the claims there are, not by the clusters in them.
struct SharedSegments {
  struct Segment {
    let clusters: Range<UInt64>
    /// Grows where the segment does not begin at the end of the one before.
    let stretch: UInt32
    /// Claimed by something that stays where it is.
    let isFixed: Bool
    /// Whether that is the filesystem itself.
    let isMetadata: Bool
    /// The last inode that claimed it.
    var lastOwner: InodeNumber?
  }

  /// Ascending.
  private(set) var segments: [Segment] = []
  /// Claims of each segment by inodes that have not given them up.
  private var counts = RangeCounts([])
  /// Added to the count of what is claimed by something that stays where it is.
  private static let fixedCount: Int32 = 1 << 30

  /// A claim while the segments are being built.
  struct Claim {
    let clusters: Range<UInt64>
    let owner: Owner
  }
  enum Owner {
    case inode(InodeNumber)
    case metadata
    /// The list of bad blocks, blocks of attributes.
    case fixed
  }

  init(_ claims: [Claim]) {
    var bounds: [UInt64] = []
    bounds.reserveCapacity(2 * claims.count)
    for claim in claims {
      bounds.append(claim.clusters.lowerBound)
      bounds.append(claim.clusters.upperBound)
    }
    bounds.sort()
    var starts: [UInt64] = []
    for bound in bounds where bound != starts.last { starts.append(bound) }
    // At each bound, how many claims more or less there are.
    var inodes = [Int64](repeating: 0, count: starts.count)
    var fixed = inodes
    var metadata = inodes
    func place(_ bound: UInt64) -> Int { starts.partitioningIndex { $0 >= bound } }
    for claim in claims {
      let (from, to) = (place(claim.clusters.lowerBound), place(claim.clusters.upperBound))
      switch claim.owner {
      case .inode:
        inodes[from] += 1
        inodes[to] -= 1
      case .metadata:
        metadata[from] += 1
        metadata[to] -= 1
      case .fixed:
        fixed[from] += 1
        fixed[to] -= 1
      }
    }
    var (inodeCount, fixedCount, metadataCount) = (Int64(0), Int64(0), Int64(0))
    var first: [Int32] = []
    var stretch: UInt32 = 0
    for index in starts.indices.dropLast() {
      inodeCount += inodes[index]
      fixedCount += fixed[index]
      metadataCount += metadata[index]
      guard inodeCount + fixedCount + metadataCount > 0 else { continue }
      if let last = segments.last, last.clusters.upperBound != starts[index] { stretch &+= 1 }
      let isFixed = fixedCount + metadataCount > 0
      segments.append(
        Segment(
          clusters: starts[index]..<starts[index + 1], stretch: stretch, isFixed: isFixed,
          isMetadata: metadataCount > 0, lastOwner: nil))
      first.append(
        Int32(clamping: min(inodeCount, Int64(Self.fixedCount / 2)))
          + (isFixed ? Self.fixedCount : 0))
    }
    counts = RangeCounts(first)
    setLastOwners(claims)
  }

  /// From the last claim on: what has an owner already is skipped, all of it in one step.
  private mutating func setLastOwners(_ claims: [Claim]) {
    var next = Array(0...segments.count)
    func unowned(_ index: Int) -> Int {
      var index = index
      while next[index] != index {
        next[index] = next[next[index]]
        index = next[index]
      }
      return index
    }
    for claim in claims.reversed() {
      guard case .inode(let number) = claim.owner else { continue }
      let range = indices(in: claim.clusters)
      var index = unowned(range.lowerBound)
      while index < range.upperBound {
        segments[index].lastOwner = number
        next[index] = index + 1
        index = unowned(index)
      }
    }
  }

  subscript(index: Int) -> Segment { segments[index] }

  /// The segment with a cluster; nil where nobody claims it.
  func index(of cluster: UInt64) -> Int? {
    let index = firstIndex(endingAfter: cluster)
    guard index < segments.count, segments[index].clusters.contains(cluster) else { return nil }
    return index
  }

  /// The first segment that ends past a cluster.
  func firstIndex(endingAfter cluster: UInt64) -> Int {
    segments.partitioningIndex { $0.clusters.upperBound > cluster }
  }

  private func indices(in clusters: Range<UInt64>) -> Range<Int> {
    let first = firstIndex(endingAfter: clusters.lowerBound)
    let end = segments.partitioningIndex { $0.clusters.lowerBound >= clusters.upperBound }
    return first..<max(first, end)
  }

  /// Enters one claim more.
  mutating func add(_ clusters: Range<UInt64>) { counts.add(1, indices(in: clusters)) }

  /// Takes back one claim.
  mutating func remove(_ clusters: Range<UInt64>) { counts.add(-1, indices(in: clusters)) }

  /// Whether nobody claims a segment, or no longer.
  func isFree(_ index: Int) -> Bool { counts.firstZero(in: index..<index + 1) != nil }

  /// The parts of a claim that nobody claims, or no longer.
  func free(in clusters: Range<UInt64>) -> [Range<UInt64>] {
    var free: [Range<UInt64>] = []
    var rest = indices(in: clusters)
    while let index = counts.firstZero(in: rest) {
      free.append(segments[index].clusters)
      rest = index + 1..<rest.upperBound
    }
    return free
  }

  /// The end of the clusters in a row, from a segment on, that somebody claims.
  func endOfTaken(from index: Int) -> UInt64 {
    let stretch = segments[index].stretch
    let end = segments.partitioningIndex { $0.stretch > stretch }
    return segments[(counts.firstZero(in: index..<end) ?? end) - 1].clusters.upperBound
  }

  /// Calls `body` with each segment, and how many inodes claim it.
  func forEach(_ body: (Segment, Int32) -> Void) {
    for (index, segment) in segments.enumerated() {
      body(segment, counts[index] - (segment.isFixed ? Self.fixedCount : 0))
    }
  }
}
