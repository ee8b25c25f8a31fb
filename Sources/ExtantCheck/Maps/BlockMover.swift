import BlockIO
import Ext4Format
import ExtantBase

/// Works out which blocks of one file are to move to clusters of their own, and moves them.
struct BlockMover {
  /// A cluster that others claim, too.
  struct Conflict {
    let cluster: UInt64
    let isMetadata: Bool
    let owner: InodeNumber?
  }

  private let round: CheckRound
  /// Claims of others, and of this file what was kept so far.
  private var segments: SharedSegments
  private let shift: UInt64

  /// The contents, cut where some of them move.
  private var parts: [(run: MapRun, isMoved: Bool)] = []
  /// With clusters: what lies in the logical cluster that is being looked at.
  private var group: [MapRun] = []
  /// Clusters of `segments` that the file keeps.
  private(set) var kept: [Range<UInt64>] = []
  /// In blocks.
  private(set) var sharedCount: UInt64 = 0
  private(set) var misalignedCount: UInt64 = 0
  private var nodeCount: UInt64 = 0
  private(set) var firstConflict: Conflict?

  /// Takes the segments, so that they are changed in place, until `giveBack`.
  init(_ round: CheckRound, taking segments: inout SharedSegments) {
    self.round = round
    self.segments = segments
    segments = SharedSegments([])
    shift = round.claims.clusterShift
  }

  /// Returns the segments, with the claims of what is kept entered.
  mutating func giveBack(_ segments: inout SharedSegments) {
    segments = self.segments
    self.segments = SharedSegments([])
  }

  /// In blocks.
  var movedCount: UInt64 { sharedCount + misalignedCount }
  /// The same without blocks of the map, of which the new one may need fewer.
  var movedDataCount: UInt64 { movedCount - nodeCount }
  /// Nothing is to be moved.
  var isIdle: Bool { movedCount == 0 }
  /// The contents as they are after `move`.
  private(set) var runs: [MapRun] = []

  // MARK: Working out

  mutating func add(node address: BlockAddress) {
    let cluster = round.claims.cluster(of: address)
    if !take(cluster) {
      sharedCount += 1
      nodeCount += 1
    }
  }

  mutating func add(_ run: MapRun) {
    var rest = run
    let size: UInt64 = 1 << shift
    while rest.count > 0 {
      var part = rest
      if rest.logical % size == 0, rest.count >= size {
        close()
        part.count = rest.count / size * size
        addWhole(part)
      } else {
        part.count = min(
          rest.count, size - rest.logical % size, size - rest.address.rawValue % size)
        if let first = group.first, first.logical >> shift != part.logical >> shift { close() }
        group.append(part)
      }
      rest.skip(part.count)
    }
  }

  /// Decides about whole logical clusters: as many at once as have the same lot, so that what very many
  /// claim takes no more time for each of them than what it gets.
  private mutating func addWhole(_ run: MapRun) {
    guard ClusterCursor.isAligned(run, shift) else {
      misalignedCount += run.count
      parts.append((run, true))
      return
    }
    var rest = run
    while rest.count > 0 {
      let cluster = rest.address.rawValue >> shift
      let index = segments.firstIndex(endingAfter: cluster)
      guard index < segments.segments.count else {
        parts.append((rest, false))
        return
      }
      let clusters = segments[index].clusters
      var end = clusters.lowerBound
      var isKept = true
      if clusters.contains(cluster) {
        isKept = take(clusters, index)
        end = isKept ? clusters.upperBound : segments.endOfTaken(from: index)
      }
      var part = rest
      part.count = min(rest.count, (end - cluster) << shift)
      if !isKept { sharedCount += part.count }
      parts.append((part, !isKept))
      rest.skip(part.count)
    }
  }

  /// Decides about the last logical cluster.
  mutating func close() {
    guard let first = group.first else { return }
    let cluster = first.address.rawValue >> shift
    let isAligned = group.allSatisfy {
      $0.address.rawValue >> shift == cluster && ClusterCursor.isAligned($0, shift)
    }
    let isKept = isAligned && take(cluster)
    let count = group.reduce(0) { $0 + $1.count }
    if !isAligned { misalignedCount += count } else if !isKept { sharedCount += count }
    for part in group { parts.append((part, !isKept)) }
    group = []
  }

  /// Keeps a cluster unless others have it.
  private mutating func take(_ cluster: UInt64) -> Bool {
    guard let index = segments.index(of: cluster) else { return true }
    return take(cluster..<cluster + 1, index)
  }

  private mutating func take(_ clusters: Range<UInt64>, _ index: Int) -> Bool {
    let segment = segments[index]
    guard segments.isFree(index) else {
      if firstConflict == nil {
        firstConflict = Conflict(
          cluster: clusters.lowerBound, isMetadata: segment.isMetadata, owner: segment.lastOwner)
      }
      return false
    }
    segments.add(clusters)
    kept.append(clusters)
    return true
  }

  // MARK: Moving

  /// Moves the contents, and writes the map; the caller writes the inode. False, with nothing changed,
  /// where there is no room.
  mutating func move(_ number: InodeNumber, _ raw: inout RawInode) throws(FileSystemError) -> Bool {
    var taken: [BlockAddress] = []
    var copies: [(from: MapRun, to: BlockAddress)] = []
    var result: [MapRun] = []
    let size: UInt64 = 1 << shift
    var current: (logical: UInt64, base: BlockAddress)?
    for (part, isMoved) in parts {
      guard isMoved else {
        Self.append(part, to: &result)
        continue
      }
      var rest = part
      while rest.count > 0 {
        let count = min(rest.count, size - rest.logical % size)
        let logical = rest.logical >> shift
        if current?.logical != logical {
          guard let base = round.claims.allocate(near: taken.last ?? rest.address) else {
            for address in taken { round.claims.release(address) }
            return false
          }
          taken.append(base)
          current = (logical, base)
        }
        guard let base = current?.base else { return false }
        var moved = rest
        moved.count = count
        moved.address = base + rest.logical % size
        copies.append(
          (
            MapRun(
              logical: rest.logical, address: rest.address, count: count,
              isUnwritten: rest.isUnwritten), moved.address
          ))
        Self.append(moved, to: &result)
        rest.skip(count)
      }
    }
    // Before the map: a block of data may be one of the map's, too.
    for (from, to) in copies where !from.isUnwritten { try copy(from, to: to) }
    guard try round.writeMap(number, &raw, result) else {
      for address in taken { round.claims.release(address) }
      return false
    }
    runs = result
    return true
  }

  private func copy(_ run: MapRun, to target: BlockAddress) throws(FileSystemError) {
    let buffer = BlockBuffer(byteCount: round.image.blockSize)
    for offset in 0..<run.count {
      let source = run.address + offset
      guard source.rawValue < round.image.deviceBlockCount else { continue }
      try round.image.read(source, into: buffer)
      try round.image.write(buffer, at: target + offset)
    }
  }

  private static func append(_ run: MapRun, to runs: inout [MapRun]) {
    if let last = runs.last, last.logical + last.count == run.logical,
      last.address.rawValue + last.count == run.address.rawValue,
      last.isUnwritten == run.isUnwritten
    {
      runs[runs.count - 1].count += run.count
    } else {
      runs.append(run)
    }
  }
}
