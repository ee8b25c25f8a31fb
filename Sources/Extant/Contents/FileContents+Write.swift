import BlockCache
import ExtantBase
import ExtentMap

extension FileContents {
  /// One step of a write copies at most this many bytes, so that a full disk is noticed and
  /// other operations go on between steps.
  private static let stepByteCount = 1 << 20

  /// Writes `bytes` at `offset`, extending the file where needed. Returns what was written: less
  /// than asked only when the disk filled up on the way.
  ///
  /// The caller holds `node.lock`, exclusive.
  func write(
    _ bytes: RawSpan, at offset: UInt64, claim: BlockAllocator.Claim = .ordinary
  ) throws(FileSystemError) -> Int {
    let end = offset.addingReportingOverflow(UInt64(bytes.byteCount))
    guard offset < fileSystem.maximumFileSize else { throw .refused(.fileTooLarge) }
    guard !end.overflow else { throw .refused(.fileTooLarge) }
    let count = Int(min(end.partialValue, fileSystem.maximumFileSize) - offset)
    guard count > 0 else { return 0 }
    if offset > node.size { try clearTail() }

    var done = 0
    var step = min(Self.stepByteCount, cache.copyLimit)
    if node.state.withLock({ journalsData }) { step = min(step, journaledStep * blockSize) }
    while done < count {
      let position = offset + UInt64(done)
      // Steps end at block boundaries, so that only the first and last block are partial.
      let aligned = (position + UInt64(step)) / blockSize64 * blockSize64
      let length = min(count - done, max(Int(aligned - position), 1))
      do throws(FileSystemError) {
        try writeStep(bytes.extracting(done..<done + length), at: position, claim)
        done += length
      } catch .refused(.noSpace) {
        // What fits still goes in, block by block at the end, as the kernel does.
        if length > blockSize {
          step = max(blockSize, length / 2)
          continue
        }
        if done == 0 {
          // As the kernel, which takes the time before it looks for room.
          try noteAttempt()
          throw .refused(.noSpace)
        }
        break
      } catch {
        if done == 0 { throw error }
        break
      }
    }
    if done > 0 { try fileSystem.syncIfFlagged(node) }
    return done
  }

  /// What a write changes of a file that gets none of its bytes.
  private func noteAttempt() throws(FileSystemError) {
    try perform { (operation) throws(FileSystemError) in
      node.state.withLock { touch() }
      operation.changed(node, onlyTimes: true)
    }
  }

  private func writeStep(
    _ bytes: RawSpan, at offset: UInt64, _ claim: BlockAllocator.Claim
  ) throws(FileSystemError) {
    let end = offset + UInt64(bytes.byteCount)
    let first = offset / blockSize64
    let blocks = LogicalBlock(first)..<LogicalBlock((end + blockSize64 - 1) / blockSize64)
    var unused = try reserveForWrite(blocks, claim)
    defer { self.blocks.release(unused) }

    // The bytes go to the cache before the map knows of them: whoever finds a block in the map
    // finds its contents too.
    let segments = try copyIn(bytes, at: offset, blocks)
    var rest = segments[...]
    repeat {
      // No more than one transaction surely takes: each segment may lie in a leaf of its own.
      let part = rest.prefix(fileSystem.extentsPerOperation)
      rest = rest.dropFirst(part.count)
      let reached = rest.first.map { min(end, $0.block.rawValue * blockSize64) } ?? end
      unused = try note(part, reaching: reached, reserved: unused)
    } while !rest.isEmpty
  }

  /// Tells the map of segments that are in the cache, and lets the file reach to `end`, in bytes.
  /// Returns what is left of the reservation.
  private func note(
    _ segments: ArraySlice<WriteSegment>, reaching end: UInt64, reserved: UInt64
  ) throws(FileSystemError) -> UInt64 {
    let journaled = segments.reduce(0) { $0 + ($1.isJournaled ? Int($1.count) : 0) }
    let credits = min(
      fileSystem.credits(changing: segments.count) + journaled, journal.maximumCredits)
    return try perform(credits: credits) {
      (operation) throws(FileSystemError) in
      try node.withState { () throws(FileSystemError) -> UInt64 in
        var left = reserved
        for segment in segments {
          switch segment.change {
          case .delayed:
            try map.set(segment.range, address: segment.address, state: .delayed)
            left -= segment.count
          case .written:
            try map.changeState(of: segment.range, to: .written)
            operation.handle.order(
              node.number, blocks: segment.address..<segment.address + segment.count)
          case nil: break
          }
          if segment.isJournaled {
            journalData(segment.address, count: segment.count, operation)
          }
        }
        left = try settleNodes(available: left, operation)
        let onlyTimes = end <= node.inode.size && segments.isEmpty
        if end > node.inode.size { node.inode.size = end }
        // Delayed blocks before these are holes on the device, but no written block may lie behind
        // the end of the file there.
        for segment in segments where segment.change == .written {
          coverOnDisk(segment.range)
        }
        if !segments.contains(where: { $0.change == .delayed }), end > node.diskSize,
          map.delayedBlockCount == 0
        {
          node.diskSize = end
        }
        touch()
        operation.changed(node, onlyTimes: onlyTimes)
        return left
      }
    }
  }

  /// Lets the size on the device reach over blocks that have their contents there, as far as the
  /// file does. Called under `node.state`.
  func coverOnDisk(_ blocks: Range<LogicalBlock>) {
    node.diskSize = max(
      node.diskSize, min(node.inode.size, blocks.upperBound.rawValue * blockSize64))
  }

  /// Copies `bytes` into the cache. Returns the runs that the map must learn of.
  private func copyIn(
    _ bytes: RawSpan, at offset: UInt64, _ blocks: Range<LogicalBlock>
  ) throws(FileSystemError) -> [WriteSegment] {
    let end = offset + UInt64(bytes.byteCount)
    var segments: [WriteSegment] = []
    var position = offset
    do throws(FileSystemError) {
      while position < end {
        let block = LogicalBlock(position / blockSize64)
        let segment = try node.withState { () throws(FileSystemError) -> WriteSegment in
          var segment = try writeSegment(at: block, limit: blocks.upperBound)
          segment.isJournaled = !segment.address.isVirtual && journalsData
          return segment
        }
        let segmentEnd = min(end, (block.rawValue + segment.count) * blockSize64)
        if segment.change != nil || segment.isJournaled { segments.append(segment) }
        let outcome = try cache.copyIn(
          bytes.extracting(Int(position - offset)..<Int(segmentEnd - offset)),
          to: segment.address, byteOffset: Int(position % blockSize64), owner: node.number,
          content: segment.content)
        switch outcome {
        case .done: position = segmentEnd
        case .moved: break
        case .full:
          // Write-back cannot give homes to what the map does not know: it makes room, too.
          discardDelayed(segments)
          segments = []
          position = offset
          try fileSystem.relieveCache(of: self)
        }
      }
    } catch {
      discardDelayed(segments)
      throw error
    }
    return segments
  }

  /// Drops blocks that no map entry leads to: nobody else ever would.
  private func discardDelayed(_ segments: [WriteSegment]) {
    for segment in segments where segment.change == .delayed {
      cache.discard(segment.address, count: segment.count)
    }
  }

  /// Reserves what writing `blocks` may need: a block for each hole, and tree nodes.
  ///
  /// Blocks that are there already were promised: where all are, nodes come out of the tree reserve,
  /// and what is written or delayed needs none.
  private func reserveForWrite(
    _ blocks: Range<LogicalBlock>, _ claim: BlockAllocator.Claim
  ) throws(FileSystemError) -> UInt64 {
    var isPromised = false
    var nodes: UInt64 = 0
    do throws(FileSystemError) {
      return try fileSystem.reserve { () throws(FileSystemError) in
        try node.withState { () throws(FileSystemError) in
          var mapped: UInt64 = 0
          var existing = 0
          var unwritten = 0
          try map.forEachRun(in: blocks) { run in
            mapped += run.clipped(to: blocks)?.count ?? 0
            if run.state != .delayed { existing += 1 }
            if run.state == .unwritten { unwritten += 1 }
            return true
          }
          let holes = UInt64(blocks.upperBound - blocks.lowerBound) - mapped
          isPromised = holes == 0
          if isPromised {
            return (unwritten == 0 ? 0 : nodesNeeded(newEntries: 2 * unwritten), .tree)
          }
          nodes = nodesNeeded(newEntries: 1 + 2 * existing, newDelayed: holes)
          return (holes + nodes, claim)
        }
      }
    } catch .refused(.noSpace) where isPromised {
      try writeWholeExtents(touching: blocks)
      return 0
    } catch .refused(.noSpace) where blocks.upperBound - blocks.lowerBound == 1 {
      try fileSystem.reserveLastBlock(nodes: nodes, claim: claim)
      return 1 + nodes
    }
  }

  /// The run of blocks from `block` that is written in one way. Called under `node.state`.
  private func writeSegment(
    at block: LogicalBlock, limit: LogicalBlock
  ) throws(FileSystemError) -> WriteSegment {
    let wanted = UInt64(limit - block)
    switch try map.run(at: block) {
    case .hole(let range):
      let address = virtualAddress(block)
      let count = min(
        wanted, UInt64(range.upperBound - block), address.count)
      return WriteSegment(
        block: block, count: count, address: address.start, content: .fresh, change: .delayed)
    case .extent(let run):
      let skipped = UInt64(block - run.logical)
      let unwritten = run.state == .unwritten
      return WriteSegment(
        block: block, count: min(wanted, run.count - skipped), address: run.address + skipped,
        content: unwritten ? .fresh : .existing, change: unwritten ? .written : nil)
    }
  }

  /// A virtual address for a new delayed block, and how many follow it. Called under
  /// `node.state`.
  private func virtualAddress(
    _ block: LogicalBlock
  ) -> (start: BlockAddress, count: UInt64) {
    if let window = node.virtualWindow, let address = window.address(of: block) {
      return (address, VirtualWindow.blockCount - UInt64(block - window.logical))
    }
    let window = VirtualWindow(
      logical: block, address: cache.allocateVirtualRun(count: VirtualWindow.blockCount))
    node.virtualWindow = window
    return (window.address, VirtualWindow.blockCount)
  }

  /// Zeros the file's last block behind the end of the file, before the file grows past it.
  ///
  /// ext4 asks for zeros there, but an image may hold anything: what a program wrote there
  /// through a mapping, for one.
  func clearTail() throws(FileSystemError) {
    let size = node.size
    let within = size % blockSize64
    if within != 0 { try clear(size..<size - within + blockSize64) }
  }

  /// Zeros bytes of written and delayed blocks; holes and unwritten blocks are zeros already.
  func clear(_ range: Range<UInt64>) throws(FileSystemError) {
    var position = range.lowerBound
    while position < range.upperBound {
      let block = LogicalBlock(position / blockSize64)
      let piece = try node.withState { () throws(FileSystemError) -> MappedPiece in
        try self.piece(at: block)
      }
      let reach = (block.rawValue &+ piece.blockCount).multipliedReportingOverflow(by: blockSize64)
      let end = reach.overflow ? range.upperBound : min(range.upperBound, reach.partialValue)
      if case .blocks(let address) = piece.content {
        let outcome = try cache.zero(
          Int(end - position), from: address, byteOffset: Int(position % blockSize64),
          owner: node.number, content: .existing)
        switch outcome {
        case .done: break
        case .moved: continue
        case .full:
          try fileSystem.relieveCache(of: self)
          continue
        }
      }
      position = end
    }
    // A transaction has a block as it was when it joined: it must not commit what the zeros are for
    // without them.
    if node.state.withLock({ journalsData }) { try journalDirtyData() }
  }
}

/// Consecutive blocks that one copy into the cache writes.
private struct WriteSegment {
  /// What the map must learn once the bytes are in the cache.
  enum Change { case delayed, written }

  var block: LogicalBlock
  var count: UInt64
  var address: BlockAddress
  var content: BlockContent
  var change: Change?
  /// The contents go through the journal.
  var isJournaled = false

  var range: Range<LogicalBlock> { block..<block + count }
}
