import BlockIO
import Ext4Format
import ExtantBase

/// Examines the map of one inode in pass 1: mends it in place, entry by entry, and claims its blocks.
struct MapExaminer {
  let round: CheckRound
  var inode: ExaminedInode
  let isDirectory: Bool
  /// What was said when too many nodes that somebody had before were met: it is asked once.
  var dropsRepeated: Bool?
  /// One past the last logical block that was taken.
  var position: UInt64 = 0
  private var cursor: ClusterCursor

  init(_ round: CheckRound, _ inode: ExaminedInode) {
    self.round = round
    self.inode = inode
    cursor = ClusterCursor(round.claims)
    isDirectory = inode.raw.kind == .directory
  }

  /// Reports an issue of this inode's map; true where it shall be repaired.
  func found(
    _ issue: MapIssue, block: BlockAddress? = nil, logical: UInt64? = nil,
    found: IssueValue? = nil, expected: IssueValue? = nil
  ) throws(FileSystemError) -> Bool {
    try round.found(
      .map(issue), Place(inode: inode.number, block: block, logical: logical), found: found,
      expected: expected)
  }

  // MARK: Claims

  /// Claims the blocks of a run of data.
  mutating func take(_ run: MapRun) {
    let clusters = cursor.next(run)
    if !clusters.isEmpty, round.claims.claim(clusters: clusters), round.maps.sharedRunsLeft > 0 {
      round.maps.sharedRunsLeft -= 1
    }
    inode.chargedBlocks &+= UInt64(clusters.count) << cursor.shift
    let end = run.logical &+ run.count
    let start = position
    position = max(position, end)
    inode.mappedEnd = max(inode.mappedEnd ?? 0, end)
    if !run.isUnwritten { inode.writtenEnd = max(inode.writtenEnd ?? 0, end) }
    if isDirectory {
      if start < run.logical { addDirectoryRun(start, BlockAddress(0), run.logical - start) }
      addDirectoryRun(run.logical, run.address, run.count)
      round.maps.directoryBlocks += run.count
    }
  }

  /// Whether a block may be read as a node: not where too many others were that somebody had before.
  mutating func mayTakeNode(_ address: BlockAddress) -> Bool {
    guard round.claims.isClaimed(address) else { return true }
    guard round.maps.revisitsLeft > 0, round.maps.sharedRunsLeft > 0 else { return false }
    round.maps.revisitsLeft -= 1
    return true
  }

  /// Whether there is room to remember one claim more of what somebody has.
  func mayShare(_ address: BlockAddress, count: UInt64) -> Bool {
    round.maps.sharedRunsLeft > 0
      || !round.claims.isClaimed(clusters: round.claims.clusters(address, count: count))
  }

  /// Claims a block of the map itself.
  mutating func takeNode(_ address: BlockAddress) {
    round.claims.claim(address)
    inode.chargedBlocks &+= 1 << round.claims.clusterShift
  }

  /// Gives it up again.
  mutating func giveBackNode(_ address: BlockAddress) {
    round.releaseClaim(address, count: 1)
    inode.chargedBlocks &-= 1 << round.claims.clusterShift
  }

  /// Whether the filesystem's own structures are there, which nothing may be written over.
  func isMetadata(_ address: BlockAddress) -> Bool {
    round.claims.metadata.contains(round.claims.cluster(of: address))
  }

  // MARK: Directories

  func addDirectoryRun(_ logical: UInt64, _ address: BlockAddress, _ count: UInt64) {
    round.directories.runs.append(
      DirectoryList.Run(inode: inode.number, logical: logical, address: address, count: count))
  }

  /// The blocks that a directory may have: 2 GiB without `large_dir`; and all directories together have
  /// no more than the filesystem, which matters where many claim the same.
  var directoryLimit: UInt64 {
    round.superblock.features.incompat.contains(.largedir)
      ? LogicalBlock.limit.rawValue : (2 << 30) / UInt64(round.image.blockSize)
  }

  /// How many blocks all directories together may still take.
  var directoryRoom: UInt64 {
    let taken = round.maps.directoryBlocks
    return round.superblock.blockCount > taken ? round.superblock.blockCount - taken : 0
  }

  /// What is to be done when everything is claimed.
  func finish() {
    if cursor.isMisaligned { round.maps.misaligned.append(inode.number) }
  }
}
