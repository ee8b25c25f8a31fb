import Ext4Format
import ExtantBase

/// The clusters that several claim, cut where any claim begins or ends: within a segment the claimants
/// are the same. Takes memory by the claims there are, not by the clusters in them.
struct SharedSegments {
  struct Segment {
    let clusters: Range<UInt64>
    /// Claims by inodes that have not given them up.
    var count: UInt32
    /// Claimed by something that stays where it is.
    let isFixed: Bool
    /// Whether that is the filesystem itself.
    let isMetadata: Bool
    /// The last inode that claimed it.
    var lastOwner: InodeNumber?
  }

  /// Ascending.
  private(set) var segments: [Segment] = []

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
    for index in starts.indices.dropLast() {
      inodeCount += inodes[index]
      fixedCount += fixed[index]
      metadataCount += metadata[index]
      guard inodeCount + fixedCount + metadataCount > 0 else { continue }
      segments.append(
        Segment(
          clusters: starts[index]..<starts[index + 1], count: UInt32(clamping: inodeCount),
          isFixed: fixedCount + metadataCount > 0, isMetadata: metadataCount > 0, lastOwner: nil))
    }
    for claim in claims {
      guard case .inode(let number) = claim.owner else { continue }
      forEach(in: claim.clusters) { segments[$0].lastOwner = number }
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
    var end = first
    while end < segments.count, segments[end].clusters.lowerBound < clusters.upperBound { end += 1 }
    return first..<end
  }

  private func forEach(in clusters: Range<UInt64>, _ body: (Int) -> Void) {
    for index in indices(in: clusters) { body(index) }
  }

  /// Enters one claim more.
  mutating func add(_ clusters: Range<UInt64>) {
    for index in indices(in: clusters) { segments[index].count &+= 1 }
  }

  /// Takes back one claim.
  mutating func remove(_ clusters: Range<UInt64>) {
    for index in indices(in: clusters) where segments[index].count > 0 {
      segments[index].count -= 1
    }
  }

  /// The segments of a claim.
  func segments(in clusters: Range<UInt64>) -> ArraySlice<Segment> {
    segments[indices(in: clusters)]
  }
}

extension RandomAccessCollection {
  /// The first index from which on `predicate` holds; the collection is to be ordered by it.
  func partitioningIndex(where predicate: (Element) -> Bool) -> Index {
    var low = startIndex
    var length = count
    while length > 0 {
      let half = length / 2
      let middle = index(low, offsetBy: half)
      if predicate(self[middle]) {
        length = half
      } else {
        low = index(after: middle)
        length -= half + 1
      }
    }
    return low
  }
}
