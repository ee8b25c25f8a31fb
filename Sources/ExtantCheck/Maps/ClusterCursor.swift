import Ext4Format
import ExtantBase

/// Tells which clusters each run of a file claims anew: one cluster is claimed once, however many
/// runs in a row lie in it.
struct ClusterCursor {
  let shift: UInt64
  /// Whether any run so far lies across the bounds of clusters: a logical cluster is to lie in one
  /// cluster of the device, each of its blocks at its place.
  private(set) var isMisaligned = false
  private var last: (physical: UInt64, logical: UInt64)?

  init(_ claims: BlockClaims) { shift = claims.clusterShift }

  /// The clusters that the next run of the file claims.
  mutating func next(_ run: MapRun) -> Range<UInt64> {
    guard run.count > 0 else { return 0..<0 }
    let end = run.address.rawValue &+ run.count &- 1
    let first = run.address.rawValue >> shift
    let clusters = first..<(end >> shift) + 1
    guard shift > 0 else { return clusters }
    defer { last = (end >> shift, (run.logical &+ run.count &- 1) >> shift) }
    let isAligned = Self.isAligned(run, shift)
    if !isAligned { isMisaligned = true }
    guard let last else { return clusters }
    if last.physical == first { return isAligned ? first + 1..<clusters.upperBound : clusters }
    if last.logical == run.logical >> shift { isMisaligned = true }
    return clusters
  }

  static func isAligned(_ run: MapRun, _ shift: UInt64) -> Bool {
    let mask: UInt64 = (1 << shift) - 1
    return run.logical & mask == run.address.rawValue & mask
  }
}
