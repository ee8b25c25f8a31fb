import BlockIO
import Ext4Format
import ExtantBase

extension CheckRound {
  /// The quota files say what is used. A file that does not is written anew, as a whole; the limits
  /// in it are kept as far as they can be read.
  ///
  /// What merely follows from a repair of this round is written without a word.
  func checkQuota() throws(FileSystemError) {
    guard superblock.features.readOnlyCompat.contains(.quota) else { return }
    let followsRepairs = reporter.mendedInRound > 0
    for kind in QuotaKind.allCases {
      guard let number = superblock.quotaInode(kind),
        number == kind.reservedInode || number.rawValue >= superblock.firstInode,
        number.rawValue <= superblock.inodeCount
      else { continue }
      try checkQuotaFile(kind, number, followsRepairs: followsRepairs)
    }
  }

  private func checkQuotaFile(
    _ kind: QuotaKind, _ number: InodeNumber, followsRepairs: Bool
  ) throws(FileSystemError) {
    // What writing the file repairs.
    var repaired: [Issue] = []
    if !inodes.isInUse(number) {
      guard try found(.notAFile, in: number, into: &repaired) else { return }
      try writeInode(number, newQuotaInode(number))
      var entry = InodeLedger.Entry()
      entry.isInUse = true
      entry.kind = .regular
      entry.linkCount = 1
      inodes[number] = entry
      createdInodes.append(number)
      return try writeQuotaFile(kind, number, try quotaUsage(kind), [:], nil, repairs: repaired)
    }
    let raw = try readInode(number)
    guard raw.kind == .regular else { return }
    let usage = try quotaUsage(kind)
    let reader = try QuotaReader(self, number, raw)
    let head = try reader.head()
    var comparison = QuotaComparison(usage)
    var isWritten = false
    if raw.wholeSize == 0, followsRepairs {
      isWritten = true
    } else if let broken = rule(brokenBy: head, reader) {
      isWritten = try found(broken.issue, in: number, .number(broken.found), into: &repaired)
      comparison.isTrusted = false
    }
    let outside = try reader.forEachEntry(head) { comparison.add($0) }
    if !isWritten, comparison.isTrusted {
      if let outside {
        isWritten = try found(.reference, in: number, .number(UInt64(outside)), into: &repaired)
        comparison.isTrusted = false
      }
      if head.magic != QuotaFile.magic(kind),
        try found(.magic, in: number, .hexadecimal(UInt64(head.magic)), into: &repaired)
      {
        isWritten = true
      }
      if comparison.isTrusted,
        try differs(comparison, number, followsRepairs: followsRepairs, into: &repaired)
      {
        isWritten = true
      }
    }
    if isWritten {
      try writeQuotaFile(kind, number, usage, comparison.keptLimits, head, repairs: repaired)
    }
  }

  private func found(
    _ kind: QuotaIssue, in number: InodeNumber, _ value: IssueValue? = nil,
    into repaired: inout [Issue]
  ) throws(FileSystemError) -> Bool {
    let issue = Issue(.quota(kind), .inode(number), found: value)
    guard try reporter.found(issue) else { return false }
    repaired.append(issue)
    return true
  }

  /// What must hold of a head before its tree is followed.
  private func rule(
    brokenBy head: QuotaHead, _ reader: QuotaReader
  ) -> (issue: QuotaIssue, found: UInt64)? {
    // Nor is one known that is larger than 2 GiB.
    if reader.blockCount < 2 || reader.size > 1 << 31 { return (.size, reader.size) }
    if head.version > 1 { return (.version, UInt64(head.version)) }
    if UInt64(head.blockCount) > reader.blockCount { return (.size, UInt64(head.blockCount)) }
    if head.freeBlock >= head.blockCount { return (.freeBlock, UInt64(head.freeBlock)) }
    if head.freeEntry >= head.blockCount { return (.freeEntry, UInt64(head.freeEntry)) }
    return nil
  }

  /// Whether a file that can be read is to be written anew.
  private func differs(
    _ comparison: QuotaComparison, _ number: InodeNumber, followsRepairs: Bool,
    into repaired: inout [Issue]
  ) throws(FileSystemError) -> Bool {
    let missing = comparison.missing
    guard !comparison.wrong.isEmpty || !missing.isEmpty else { return false }
    if followsRepairs { return true }
    var isRepaired = false
    for (issue, ids) in [(QuotaIssue.usage, comparison.wrong), (.missingEntry, missing)]
    where !ids.isEmpty {
      if try found(issue, in: number, .text(QuotaComparison.text(ids)), into: &repaired) {
        isRepaired = true
      }
    }
    return isRepaired
  }

  private func writeQuotaFile(
    _ kind: QuotaKind, _ number: InodeNumber, _ usage: QuotaUsage,
    _ limits: [UInt32: QuotaEntry.Limits], _ head: QuotaHead?, repairs: [Issue]
  ) throws(FileSystemError) {
    var limits = limits
    var head = head
    if let former = formerQuotaFiles[kind], inodes.isInUse(former) {
      let reader = try QuotaReader(self, former, try readInode(former))
      var comparison = QuotaComparison(usage)
      head = try reader.head()
      _ = try reader.forEachEntry(try reader.head()) { comparison.add($0) }
      limits = comparison.keptLimits
    }
    var entries = usage.amounts.map { id, amount in
      QuotaEntry(id: id, inodes: amount.inodes, space: amount.space)
    }
    entries += limits.keys.filter { usage.amounts[$0] == nil }
      .map { QuotaEntry(id: $0, inodes: 0, space: 0) }
    entries.sort { $0.id < $1.id }
    for place in entries.indices {
      if let kept = limits[entries[place].id] { entries[place].limits = kept }
    }
    var writer = QuotaWriter(kind, entries)
    if let head, head.magic == QuotaFile.magic(kind) { writer.takeGraces(from: head) }
    if try !storeQuotaFile(number, writer) {
      // There is no room.
      for issue in repairs { reporter.giveUp(issue) }
    }
  }

  /// Gives the file as many blocks as it needs, and fills them. False where there are not so many.
  private func storeQuotaFile(
    _ number: InodeNumber, _ writer: QuotaWriter
  ) throws(FileSystemError) -> Bool {
    let blockSize = UInt64(superblock.blockSize)
    let size = UInt64(writer.blockCount) * UInt64(QuotaFile.blockSize)
    var raw = try readInode(number)
    // Pass 1 saw no map there, and claimed none.
    if raw.flags.contains(.inlineData) { raw = newQuotaInode(number) }
    guard let runs = try resizedRuns(number, &raw, to: (size + blockSize - 1) / blockSize) else {
      return false
    }
    raw.wholeSize = size
    raw.linkCount = max(raw.linkCount, 1)
    try writeInode(number, raw)
    let zeros = BlockBuffer(byteCount: superblock.blockSize)
    if size % blockSize != 0, let last = runs.last {
      try image.write(zeros, at: last.address + (last.count - 1))
    }
    let reader = try QuotaReader(self, number, raw)
    try writer.forEachBlock { (block: UInt32, buffer: BlockBuffer) throws(FileSystemError) in
      try reader.write(buffer, to: block)
    }
    return true
  }

  /// Makes an inode map `count` blocks from its start on, those that it has first. Sets the map.
  private func resizedRuns(
    _ number: InodeNumber, _ raw: inout RawInode, to count: UInt64
  ) throws(FileSystemError) -> [MapRun]? {
    let ratio = UInt64(1) << claims.clusterShift
    var runs: [MapRun] = []
    var end: UInt64 = 0
    var rest: [MapRun] = []
    try forEachRun(number, raw) { (run: MapRun) throws(FileSystemError) -> Bool in
      // Any block will do, but a cluster's must lie in it as they did.
      guard run.logical == end || ratio == 1, end < count else {
        rest.append(run)
        return true
      }
      let kept = min(run.count, count - end)
      runs.append(MapRun(logical: end, address: run.address, count: kept))
      end += kept
      if kept < run.count {
        rest.append(
          MapRun(logical: end, address: run.address + kept, count: run.count - kept))
      }
      return true
    }
    var taken: [BlockAddress] = []
    while end < count {
      if let last = runs.last, end % ratio != 0 {
        runs[runs.count - 1].count += min(ratio - end % ratio, count - end)
        end = last.logical + runs[runs.count - 1].count
        continue
      }
      guard let free = claims.allocate(near: runs.last?.address ?? goal(of: number)) else {
        for address in taken { claims.release(address) }
        return nil
      }
      taken.append(free)
      let length = min(ratio, count - end)
      if let last = runs.last, last.address + last.count == free {
        runs[runs.count - 1].count += length
      } else {
        runs.append(MapRun(logical: end, address: free, count: length))
      }
      end += length
    }
    guard try writeMap(number, &raw, runs) else {
      for address in taken { claims.release(address) }
      return nil
    }
    var kept = SparseBitSet(limit: claims.used.limit)
    for run in runs { kept.insert(claims.clusters(run.address, count: run.count)) }
    for run in rest {
      for cluster in claims.clusters(run.address, count: run.count)
      where !kept.contains(cluster) {
        releaseClaim(BlockAddress(cluster << claims.clusterShift), count: 1)
      }
    }
    return runs
  }
}
