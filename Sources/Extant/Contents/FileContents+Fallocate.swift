import Ext4Format
import ExtantBase
import ExtentMap

import struct SystemPackage.Errno

/// The fallocate family. The rules and their order are those of docs/FALLOCATE.md: fallocate(2),
/// the VFS's checks, then ext4's.
extension FileContents {
  /// fallocate(2): `offset` and `length` in bytes, as the caller gave them.
  func fallocate(
    mode: FallocateMode, offset: Int64, length: Int64, access: FileAccess
  ) throws(FileSystemError) {
    let (request, range) = try fileSystem.checkFallocate(
      node, mode: mode, offset: offset, length: length, access: access)
    let keepSize = mode.contains(.keepSize)
    let claim = access.claim

    try fileSystem.requireWritable()
    try fileSystem.throttle(self)
    try node.lock.withExclusiveLock { () throws(FileSystemError) in
      guard !node.state.withLock({ node.isDeleted }) else { throw .refused(.staleNFSFileHandle) }
      // As the kernel: times change and privileges go before the geometry is looked at.
      try perform { (operation) throws(FileSystemError) in
        try node.withState { () throws(FileSystemError) in
          touch()
          operation.changed(node)
        }
      }
      switch request {
      case .allocate: try allocate(range, keepSize: keepSize, claim)
      case .punchHole: try punchHole(range)
      case .zeroRange:
        try zeroRange(range, keepSize: keepSize, written: false, claim)
      case .writeZeroes:
        try zeroRange(range, keepSize: false, written: true, claim)
      case .collapseRange: try collapseRange(range)
      case .insertRange: try insertRange(range)
      case .unshareRange: break
      }
      try fileSystem.syncIfFlagged(node)
    }
  }

  // MARK: Allocate

  /// Missing blocks become unwritten extents. Where the disk fills up on the way, what was
  /// allocated stays and the size grows to the part done.
  private func allocate(
    _ range: Range<UInt64>, keepSize: Bool, _ claim: BlockAllocator.Claim
  ) throws(FileSystemError) {
    if !keepSize, range.upperBound > node.size { try clearTail() }
    let blocks = blocksTouched(by: range)
    var next = blocks.lowerBound
    while next < blocks.upperBound {
      do throws(FileSystemError) {
        next = try allocateUnwritten(next..<blocks.upperBound, claim)
      } catch {
        // As far as blocks are there. Where the first is missing nothing was done.
        let rest = next..<blocks.upperBound
        let hole = try node.withState { () throws(FileSystemError) in try firstHole(in: rest) }
        if !keepSize, let reached = hole?.lowerBound, reached > blocks.lowerBound {
          let done = min(reached.rawValue * blockSize64, range.upperBound)
          if done > node.size { try setSize(to: done) }
        }
        throw error
      }
    }
    if !keepSize, range.upperBound > node.size { try setSize(to: range.upperBound) }
  }

  /// Allocates the first hole in `range`, or a part of it. Returns where to go on.
  private func allocateUnwritten(
    _ range: Range<LogicalBlock>, _ claim: BlockAllocator.Claim
  ) throws(FileSystemError) -> LogicalBlock {
    let (hole, needed) = try node.withState {
      () throws(FileSystemError) -> (Range<LogicalBlock>?, UInt64) in
      guard let hole = try firstHole(in: range) else { return (nil, 0) }
      return (hole, nodesNeeded(newEntries: 2))
    }
    guard let hole else { return range.upperBound }
    let wanted = min(UInt64(hole.upperBound - hole.lowerBound), ExtentState.unwritten.maximumCount)
    // One block at least must be had; what more there is comes in the same call.
    let reserved = try fileSystem.reserveUpTo(wanted, nodes: needed, claim: claim)
    return try perform(reserved: reserved + needed, credits: fileSystem.allocationCredits) {
      (operation) throws(FileSystemError) in
      try node.withState { () throws(FileSystemError) -> LogicalBlock in
        let home = try self.blocks.allocate(
          goal: try goal(at: hole.lowerBound), wanted: reserved, reserved: true,
          stream: nil, handle: operation)
        operation.reserved -= home.count
        let filled = hole.lowerBound..<hole.lowerBound + home.count
        try map.set(filled, address: home.start, state: .unwritten)
        charge(blocks: Int64(clamping: home.count))
        operation.reserved = try settleNodes(available: operation.reserved, operation)
        operation.changed(node)
        return filled.upperBound
      }
    }
  }

  private func firstHole(
    in range: Range<LogicalBlock>
  ) throws(FileSystemError) -> Range<LogicalBlock>? {
    var block = range.lowerBound
    while block < range.upperBound {
      switch try map.run(at: block) {
      case .hole(let hole): return block..<min(hole.upperBound, range.upperBound)
      case .extent(let run): block = run.logical + run.count
      }
    }
    return nil
  }

  // MARK: Punch

  private func punchHole(_ range: Range<UInt64>) throws(FileSystemError) {
    let size = node.size
    guard range.lowerBound < size else { return }
    // A hole that reaches past the end of the file takes the rest of its last page with it, as in
    // the kernel; preallocated blocks behind that survive.
    let page = max(4096, blockSize64)
    let end = range.upperBound > size ? (size + page - 1) / page * page : range.upperBound
    let range = range.lowerBound..<end
    try clearPartialBlocks(range)
    try unmap(wholeBlocks(in: range))
  }

  /// Zeros the parts of blocks that `range` covers in part.
  ///
  /// As ordered data: no commit has the rest of the operation and not these zeros.
  private func clearPartialBlocks(_ range: Range<UInt64>) throws(FileSystemError) {
    let whole = wholeBlocks(in: range)
    let first = whole.lowerBound.rawValue * blockSize64
    let last = whole.upperBound.rawValue * blockSize64
    if whole.isEmpty {
      try clear(range)
    } else {
      if range.lowerBound < first { try clear(range.lowerBound..<first) }
      if last < range.upperBound { try clear(last..<range.upperBound) }
      if range == first..<last { return }
    }
    try perform(credits: 0) { (operation) throws(FileSystemError) in
      operation.handle.order(node.number)
    }
  }

  // MARK: Zero

  /// Every block of the range ends up allocated and reads as zeros: unwritten, or written where
  /// `written` asks for it; blocks covered in part are zeroed through the cache.
  private func zeroRange(
    _ range: Range<UInt64>, keepSize: Bool, written: Bool,
    _ claim: BlockAllocator.Claim
  ) throws(FileSystemError) {
    if !keepSize, range.upperBound > node.size { try clearTail() }
    try clearPartialBlocks(range)
    let whole = wholeBlocks(in: range)
    // Contents that wait in the journal for their checkpoint claim a place in the cache: they must be
    // home before it forgets them.
    if node.state.withLock({ journalsData }) { try settleJournaledData() }
    try discardDelayed(whole)
    do throws(FileSystemError) {
      try changeState(whole, to: .unwritten)
    } catch .refused(.noSpace) {
      // No node for a split is left: what is written stays so, and becomes zeros.
      try clear(whole.lowerBound.rawValue * blockSize64..<whole.upperBound.rawValue * blockSize64)
    }
    try allocate(range, keepSize: keepSize, claim)
    if written { try writeZeros(range) }
  }

  /// Drops delayed blocks: their contents are zeroed anyway, and real blocks come in their place.
  private func discardDelayed(
    _ blocks: Range<LogicalBlock>
  ) throws(FileSystemError) {
    var delayed: [ExtentRun] = []
    try node.withState { () throws(FileSystemError) in
      guard map.delayedBlockCount > 0, !blocks.isEmpty else { return }
      try map.forEachRun(in: blocks) { run in
        if run.state == .delayed { delayed.append(run) }
        return true
      }
    }
    for run in delayed {
      let start = max(run.logical, blocks.lowerBound)
      let end = min(run.logical + run.count, blocks.upperBound)
      try unmap(start..<end)
    }
  }

  /// Gives the blocks of a range another state, in steps that each fit a transaction.
  private func changeState(
    _ blocks: Range<LogicalBlock>, to state: ExtentState
  ) throws(FileSystemError) {
    var rest = blocks
    while !rest.isEmpty { rest = try changeStateOfFront(rest, to: state)..<rest.upperBound }
  }

  /// Changes the state of as many extents as one transaction surely takes, of one where the disk has
  /// no nodes for more. Returns where to go on.
  private func changeStateOfFront(
    _ blocks: Range<LogicalBlock>, to state: ExtentState
  ) throws(FileSystemError) -> LogicalBlock {
    var runs: [ExtentRun] = []
    var end = blocks.upperBound
    var most = min(1024, fileSystem.extentsPerOperation)
    let reserved = try fileSystem.reserve { () throws(FileSystemError) in
      runs = []
      end = blocks.upperBound
      defer { most = 1 }
      return try node.withState { () throws(FileSystemError) in
        guard !blocks.isEmpty else { return (0, .tree) }
        try map.forEachRun(in: blocks) { run in
          if run.state == state { return true }
          runs.append(run)
          if runs.count == most { end = min(end, run.end) }
          return runs.count < most
        }
        // A written extent of 32,768 blocks becomes two unwritten ones.
        return (runs.isEmpty ? 0 : nodesNeeded(newEntries: 2 + 2 * runs.count), .tree)
      }
    }
    guard !runs.isEmpty else { return end }
    try perform(reserved: reserved, credits: fileSystem.credits(changing: runs.count)) {
      (operation) throws(FileSystemError) in
      try node.withState { () throws(FileSystemError) in
        for run in runs {
          let start = max(run.logical, blocks.lowerBound)
          let end = min(run.logical + run.count, blocks.upperBound)
          try map.changeState(of: start..<end, to: state)
          if state == .unwritten {
            // Cached contents, dirty ones too, are of no use to anyone any more.
            cache.discard(
              run.address + UInt64(start - run.logical), count: UInt64(end - start))
          } else {
            coverOnDisk(start..<end)
            let first = run.address + UInt64(start - run.logical)
            operation.handle.order(node.number, blocks: first..<first + UInt64(end - start))
          }
        }
        operation.reserved = try settleNodes(available: operation.reserved, operation)
        operation.changed(node)
      }
    }
    return end
  }

  /// Turns the unwritten blocks of `range` into written ones that hold zeros.
  private func writeZeros(_ range: Range<UInt64>) throws(FileSystemError) {
    let blocks = blocksTouched(by: range)
    var block = blocks.lowerBound
    while block < blocks.upperBound {
      let run = try node.withState { () throws(FileSystemError) -> ExtentRun? in
        guard case .extent(let run) = try map.run(at: block) else {
          return nil
        }
        return run
      }
      guard let run else { throw .refused(.noSpace) }
      let end = min(run.logical + run.count, blocks.upperBound)
      if run.state == .unwritten {
        // In steps that fit the cache many times over.
        let step = min(end, block + max(1, UInt64(1 << 20) / blockSize64))
        let outcome = try cache.zero(
          Int(UInt64(step - block) * blockSize64),
          from: run.address + UInt64(block - run.logical), byteOffset: 0, owner: node.number,
          content: .fresh)
        if outcome == .full {
          try fileSystem.relieveCache(of: self)
          continue
        }
        if node.state.withLock({ journalsData }) { try journalDirtyData() }
        do throws(FileSystemError) {
          try changeState(block..<step, to: .written)
        } catch .refused(.noSpace) {
          try writeWholeExtents(touching: block..<step)
        }
        block = step
      } else {
        block = end
      }
    }
  }

  // MARK: Ranges

  private func setSize(to size: UInt64) throws(FileSystemError) {
    try perform { (operation) throws(FileSystemError) in
      try node.withState { () throws(FileSystemError) in
        node.inode.size = size
        if map.delayedBlockCount == 0 { node.diskSize = size }
        operation.changed(node)
      }
    }
  }

  /// The blocks that lie in `range` from end to end.
  func wholeBlocks(in range: Range<UInt64>) -> Range<LogicalBlock> {
    let first = LogicalBlock((range.lowerBound + blockSize64 - 1) / blockSize64)
    let end = LogicalBlock(range.upperBound / blockSize64)
    return first..<max(first, end)
  }

  /// The blocks that `range` touches.
  private func blocksTouched(by range: Range<UInt64>) -> Range<LogicalBlock> {
    LogicalBlock(
      range.lowerBound / blockSize64)..<LogicalBlock(
        (range.upperBound + blockSize64 - 1) / blockSize64)
  }
}
