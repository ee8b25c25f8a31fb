import BlockIO
import Ext4Format
import ExtantBase

/// Gives every cluster that several claim to one of them, and copies to the others.
///
/// The one that keeps it is the last: inodes are gone through in ascending order, the reserved ones
/// after all others, and who shares a cluster with somebody still to come gets a copy. The filesystem
/// itself, the list of bad blocks and blocks of attributes keep what they have; these last have been
/// moved out of the way of the former (`moveSharedXattrBlocks`).
struct SharedBlocks {
  let round: CheckRound
  /// Clusters that must not be shared.
  private let contested: SparseBitSet
  /// Whether others are shared on purpose: then a claim counts only where it is contested, for who
  /// else claims the rest of it is not known here.
  private let isPartial: Bool
  private var segments = SharedSegments([])
  /// Inodes that share something, or lie across the bounds of clusters.
  private var claimants: [InodeNumber] = []
  private var misaligned: Set<InodeNumber>
  /// No more clusters than these are free: what needs more is not tried.
  private var freeLimit: UInt64
  /// Inodes for which there was no room.
  private var freed: Set<InodeNumber> = []
  /// Where the contents of directories that were moved are now.
  private var movedDirectories: [InodeNumber: [MapRun]] = [:]

  init(
    _ round: CheckRound, _ contested: SparseBitSet, isPartial: Bool
  ) throws(FileSystemError) {
    self.round = round
    self.contested = contested
    self.isPartial = isPartial
    misaligned = Set(round.maps.misaligned)
    freeLimit = round.claims.freeCount
    try gather()
  }

  mutating func resolve() throws(FileSystemError) {
    let reserved = claimants.prefix { $0.rawValue < round.superblock.firstInode }
    for number in claimants.dropFirst(reserved.count) { try resolve(number) }
    for number in reserved { try resolve(number) }
    finish()
  }

  // MARK: Who claims what

  private mutating func gather() throws(FileSystemError) {
    var claims: [SharedSegments.Claim] = []
    for number in round.inodes.numbersInUse {
      let raw = try round.readInode(number)
      let attributes = raw.fileACL(round.superblock)
      if round.isMappable(attributes), round.claims.isShared(attributes) {
        claims.append(
          SharedSegments.Claim(
            clusters: round.claims.clusters(attributes, count: 1), owner: .fixed))
      }
      if number == .resize {
        // All else of it is the filesystem's reserve.
        let own = BlockAddress(UInt64(raw.blockWord(PointerReader.directCount + 1)))
        if round.isMappable(own), round.claims.isShared(own) {
          claims.append(
            SharedSegments.Claim(clusters: round.claims.clusters(own, count: 1), owner: .fixed))
        }
        continue
      }
      let before = claims.count
      try forEachClaim(number, raw) { clusters in
        for part in contestedParts(of: clusters, number) {
          claims.append(
            SharedSegments.Claim(
              clusters: part, owner: number == .badBlocks ? .fixed : .inode(number)))
        }
      }
      if number != .badBlocks, claims.count > before || misaligned.contains(number) {
        claimants.append(number)
      }
    }
    var cluster: UInt64 = 0
    while let start = round.claims.shared.first(true, from: cluster) {
      let end = round.claims.shared.first(false, from: start) ?? round.claims.shared.limit
      var own = start
      while let first = round.claims.metadata.first(true, from: own, below: end) {
        let last = round.claims.metadata.first(false, from: first, below: end) ?? end
        claims.append(SharedSegments.Claim(clusters: first..<last, owner: .metadata))
        own = last
      }
      cluster = end
    }
    segments = SharedSegments(claims)
  }

  /// What is to be decided about a claim: nothing, all of it, or the contested parts.
  private func contestedParts(
    of clusters: Range<UInt64>, _ number: InodeNumber
  ) -> [Range<UInt64>] {
    if misaligned.contains(number) { return [clusters] }
    guard contested.intersects(clusters) else { return [] }
    guard isPartial else { return [clusters] }
    var parts: [Range<UInt64>] = []
    var start = clusters.lowerBound
    while let first = contested.first(true, from: start, below: clusters.upperBound) {
      start =
        contested.first(false, from: first, below: clusters.upperBound) ?? clusters.upperBound
      parts.append(first..<start)
    }
    return parts
  }

  /// Calls `body` with each claim of a map, as pass 1 made them.
  private func forEachClaim(
    _ number: InodeNumber, _ raw: RawInode, _ body: (Range<UInt64>) -> Void
  ) throws(FileSystemError) {
    var cursor = ClusterCursor(round.claims)
    try round.forEachMapPiece(number, raw, withRuns: true) {
      (piece: CheckRound.MapPiece) throws(FileSystemError) -> Bool in
      switch piece {
      case .node(let address): body(round.claims.clusters(address, count: 1))
      case .run(let run): body(cursor.next(run))
      }
      return true
    }
  }

  // MARK: One inode

  private mutating func resolve(_ number: InodeNumber) throws(FileSystemError) {
    guard round.inodes.isInUse(number) else { return }
    var raw = try round.readInode(number)
    var own: [Range<UInt64>] = []
    var total: UInt64 = 0
    try forEachClaim(number, raw) { clusters in
      total &+= UInt64(clusters.count)
      own += contestedParts(of: clusters, number)
    }
    // From now on only the claims of others count.
    for clusters in own { segments.remove(clusters) }
    let exclusive = own.flatMap { segments.free(in: $0) }
    var mover = BlockMover(round, taking: &segments)
    try round.forEachMapPiece(number, raw, withRuns: true) {
      (piece: CheckRound.MapPiece) throws(FileSystemError) -> Bool in
      switch piece {
      case .node(let address): mover.add(node: address)
      case .run(let run): mover.add(run)
      }
      return true
    }
    mover.close()
    mover.giveBack(&segments)
    if mover.isIdle {
      for clusters in exclusive { round.claims.unshare(clusters: clusters) }
      return
    }
    var isLeft = try !ask(number, mover)
    if !isLeft {
      // What nobody else claims any more is this inode's alone.
      for clusters in exclusive { round.claims.unshare(clusters: clusters) }
      let needed = mover.movedDataCount >> round.claims.clusterShift
      var isMoved = false
      if needed <= freeLimit {
        isMoved = try mover.move(number, &raw)
        if !isMoved { freeLimit = round.claims.freeCount }
      }
      if isMoved {
        freeLimit -= min(needed, freeLimit)
        try round.writeInode(number, raw)
        release(own)
        if raw.kind == .directory { movedDirectories[number] = mover.runs }
        return
      }
      let issue: MapIssue = mover.sharedCount > 0 ? .sharedNoRoom : .clusterNoRoom
      isLeft = try !round.found(.map(issue), .inode(number), found: .number(mover.movedCount))
    }
    for clusters in mover.kept { segments.remove(clusters) }
    if isLeft {
      for clusters in own { segments.add(clusters) }
    } else {
      var others: UInt64 = 0
      for clusters in own {
        others &+= UInt64(clusters.count)
        for free in segments.free(in: clusters) { others &-= UInt64(free.count) }
      }
      if total > others { freeLimit &+= total - others }
      try round.freeInode(number, keepingDirectory: true)
      // Else the next round would bring the inode back, to the same end.
      if number == .journal { round.superblock.journalBackupType = 0 }
      freed.insert(number)
      release(own)
    }
  }

  /// Whether what is to be moved may be.
  private func ask(_ number: InodeNumber, _ mover: BlockMover) throws(FileSystemError) -> Bool {
    if mover.misalignedCount > 0 {
      guard
        try round.found(
          .map(.clusterMisaligned), .inode(number), found: .number(mover.misalignedCount))
      else { return false }
    }
    guard let conflict = mover.firstConflict else { return true }
    let block = BlockAddress(conflict.cluster << round.claims.clusterShift)
    let others: IssueValue? =
      conflict.isMetadata
      ? nil
      : .text(
        conflict.owner.map { $0 == number ? "itself" : "inode \($0.rawValue)" }
          ?? "bad blocks or attributes")
    return try round.found(
      .map(conflict.isMetadata ? .sharedWithMetadata : .sharedBlocks),
      Place(inode: number, block: block), found: others ?? .number(mover.sharedCount))
  }

  /// Gives up what it has left and nobody claims.
  private func release(_ own: [Range<UInt64>]) {
    for clusters in own {
      for free in segments.free(in: clusters) { round.claims.release(clusters: free) }
    }
  }

  // MARK: End

  private func finish() {
    segments.forEach { segment, count in
      guard count + (segment.isFixed ? 1 : 0) <= 1 else { return }
      round.claims.unshare(clusters: segment.clusters)
      if count == 0, !segment.isFixed { round.claims.release(clusters: segment.clusters) }
    }
    round.directories.remove(freed)
    guard !movedDirectories.isEmpty else { return }
    var runs: [DirectoryList.Run] = []
    runs.reserveCapacity(round.directories.runs.count)
    var last: InodeNumber?
    for run in round.directories.runs {
      defer { last = run.inode }
      guard let moved = movedDirectories[run.inode] else {
        runs.append(run)
        continue
      }
      if last == run.inode { continue }
      var next: UInt64 = 0
      for part in moved {
        if next < part.logical {
          runs.append(
            DirectoryList.Run(
              inode: run.inode, logical: next, address: BlockAddress(0),
              count: part.logical - next))
        }
        runs.append(
          DirectoryList.Run(
            inode: run.inode, logical: part.logical, address: part.address, count: part.count))
        next = part.logical + part.count
      }
    }
    round.directories.runs = runs
  }
}

extension CheckRound {
  /// Gives every block that several claim to one of them.
  func resolveSharedBlocks() throws(FileSystemError) {
    guard !claims.shared.isEmpty || !maps.misaligned.isEmpty else { return }
    try moveSharedXattrBlocks()
    try moveSharedTranslators()
    // Blocks of misaligned runs are moved, whoever shares them.
    let isPartial =
      superblock.features.readOnlyCompat.contains(.sharedBlocks) && maps.misaligned.isEmpty
    let contested = isPartial ? try wronglyShared() : claims.shared
    guard !contested.isEmpty || !maps.misaligned.isEmpty else { return }
    var shared = try SharedBlocks(self, contested, isPartial: isPartial)
    try shared.resolve()
  }

  /// With `shared_blocks` files share their contents on purpose, for nothing writes to them. What is
  /// the filesystem's own, a map's, a directory's or the orphan file's may be nobody else's all the
  /// same: the clusters of these that are shared.
  private func wronglyShared() throws(FileSystemError) -> SparseBitSet {
    var exclusive = claims.metadata
    for number in inodes.numbersInUse {
      let raw = try readInode(number)
      let isExclusive = raw.kind == .directory || number == superblock.orphanFileInode
      try forEachMapPiece(number, raw, withRuns: isExclusive) {
        (piece: MapPiece) throws(FileSystemError) -> Bool in
        switch piece {
        case .node(let address): exclusive.insert(claims.clusters(address, count: 1))
        case .run(let run):
          if isExclusive { exclusive.insert(claims.clusters(run.address, count: run.count)) }
        }
        return true
      }
    }
    var both = SparseBitSet(limit: claims.used.limit)
    var cluster: UInt64 = 0
    while let start = claims.shared.first(true, from: cluster) {
      let end = claims.shared.first(false, from: start) ?? claims.shared.limit
      var place = start
      while let first = exclusive.first(true, from: place, below: end) {
        place = exclusive.first(false, from: first, below: end) ?? end
        both.insert(first..<place)
      }
      cluster = end
    }
    return both
  }
}
