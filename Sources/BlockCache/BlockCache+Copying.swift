import BlockIO
import ExtantBase

extension BlockCache {
  /// Why work inside one run had to stop.
  private enum Stop {
    case endOfRun
    case moved
    case absent
    case busy(UInt64)
    case needBuffers
  }

  /// Copies bytes of a run of consecutive blocks out of the cache, reading what is not there.
  ///
  /// `byteOffset`: from the start of the block at `address`; may lie behind it. `readAhead`:
  /// blocks behind the last one copied that are worth reading with it; the caller vouches that
  /// they belong to the same run. Part comes with this call's own read, part in the background.
  ///
  /// `.moved` as CopyOutcome says; never `.full`. Throws `.io`, with the bytes before the bad
  /// block copied.
  public func copyOut(
    from address: BlockAddress, byteOffset: Int, into bytes: inout MutableRawSpan, readAhead: Int
  ) throws(FileSystemError) -> CopyOutcome {
    let total = bytes.byteCount
    guard total > 0 else { return .done }
    precondition(byteOffset >= 0)
    let lastBlock = (byteOffset + total - 1) / blockSize
    let ahead = min(max(0, readAhead), capacity / 8)
    var done = 0
    while done < total {
      let block = (byteOffset + done) / blockSize
      let current = address + UInt64(block)
      let shard = shard(of: current)
      let inRun = blocksInRun(current, lastBlock - block + 1)
      let stop = shard.withLock { state -> Stop in
        for step in 0..<inRun {
          let address = current + UInt64(step)
          guard let index = state.find(address) else {
            return address.isVirtual ? .moved : .absent
          }
          guard !state.slots[index].flags.contains(.busy), let buffer = state.slots[index].buffer
          else { return .busy(state.completions) }
          state.touch(index)
          let start = (byteOffset + done) % blockSize
          let count = min(blockSize - start, total - done)
          bytes.overwrite(at: done, with: buffer.bytes.extracting(start..<start + count))
          done += count
        }
        return .endOfRun
      }
      switch stop {
      case .endOfRun: break
      case .busy(let completions): shard.waitForCompletion(after: completions)
      case .moved, .needBuffers: return .moved
      case .absent:
        let block = (byteOffset + done) / blockSize
        let needed = lastBlock - block + 1
        device.note(.dataRead)
        let fetched = try fetch(
          from: address + UInt64(block), wanted: needed + ahead, for: .necessary)
        shard.withLock { $0.counters.misses += min(needed, fetched) }
      }
    }
    if ahead > 0 { readOn(from: address + UInt64(lastBlock) + 1, count: ahead) }
    return .done
  }

  /// Prefetches when the reader has come so near to what is there that it would have to wait.
  private func readOn(from next: BlockAddress, count: Int) {
    guard !next.isVirtual else { return }
    let probe = next + UInt64(count / 2)
    if countPresent(probe, 1) == 0 { prefetch(next, count: count) }
  }

  /// Copies `bytes` into a run of consecutive blocks, which become `owner`'s dirty blocks.
  ///
  /// `byteOffset`: from the start of the block at `address`; may lie behind it. `content`: see
  /// there. A virtual block that is `.existing` must be in the cache, or the outcome is `.moved`.
  ///
  /// `.moved` and `.full` as CopyOutcome says. Throws `.io` when a block that is changed in part
  /// cannot be read, or when the blocks in the way of new ones cannot be written.
  public func copyIn(
    _ bytes: RawSpan, to address: BlockAddress, byteOffset: Int, owner: InodeNumber,
    content: BlockContent
  ) throws(FileSystemError) -> CopyOutcome {
    try change(
      bytes.byteCount, to: address, byteOffset: byteOffset, owner: owner, content: content
    ) { target, start, done, count in
      target.overwrite(at: start, with: bytes.extracting(done..<done + count))
    }
  }

  /// As `copyIn`, with `byteCount` zeros.
  public func zero(
    _ byteCount: Int, from address: BlockAddress, byteOffset: Int, owner: InodeNumber,
    content: BlockContent
  ) throws(FileSystemError) -> CopyOutcome {
    try change(
      byteCount, to: address, byteOffset: byteOffset, owner: owner, content: content
    ) { target, start, _, count in
      target.zero(start..<start + count)
    }
  }

  /// Has `put(target, start, done, count)` set `count` bytes from `start` of each block's bytes.
  @inline(__always)
  private func change(
    _ total: Int, to address: BlockAddress, byteOffset: Int, owner: InodeNumber,
    content: BlockContent, put: (inout MutableRawSpan, Int, Int, Int) -> Void
  ) throws(FileSystemError) -> CopyOutcome {
    guard total > 0 else { return .done }
    precondition(byteOffset >= 0)
    let lastBlock = (byteOffset + total - 1) / blockSize
    var spare: [BlockBuffer] = []
    var done = 0
    while done < total {
      let block = (byteOffset + done) / blockSize
      let current = address + UInt64(block)
      let shard = shard(of: current)
      let inRun = blocksInRun(current, lastBlock - block + 1)
      let stop = shard.withLock { state -> Stop in
        for step in 0..<inRun {
          let start = (byteOffset + done) % blockSize
          let count = min(blockSize - start, total - done)
          let stop = prepare(
            current + UInt64(step), isWhole: count == blockSize, content, &spare, &state)
          switch stop {
          case .failure(let stop): return stop
          case .success(let prepared):
            var target = prepared.buffer.mutableBytes
            if prepared.needsZeros, count < blockSize { target.zero(0..<blockSize) }
            put(&target, start, done, count)
            state.slots[prepared.index].flags.insert(.put)
            state.markDirty(prepared.index, owner: owner)
            done += count
          }
        }
        return .endOfRun
      }
      switch stop {
      case .endOfRun: break
      case .busy(let completions): shard.waitForCompletion(after: completions)
      case .moved: return .moved
      case .needBuffers:
        let left = lastBlock - (byteOffset + done) / blockSize + 1
        try obtain(min(left, Int(Self.runLength)), for: .write, into: &spare)
        if spare.isEmpty { return .full }
      case .absent:
        let block = (byteOffset + done) / blockSize
        device.note(.dataRead)
        let fetched = try fetch(from: address + UInt64(block), wanted: 1, for: .necessary)
        shard.withLock { $0.counters.misses += fetched }
      }
    }
    return .done
  }

  private struct Prepared {
    var index: Int
    var buffer: BlockBuffer
    /// The buffer's bytes are somebody else's, or arbitrary.
    var needsZeros: Bool
  }

  private enum Preparation {
    case success(Prepared)
    case failure(Stop)
  }

  /// Finds or makes the slot of a block that is about to change, with a buffer that nobody reads.
  @inline(__always)
  private func prepare(
    _ address: BlockAddress, isWhole: Bool, _ content: BlockContent, _ spare: inout [BlockBuffer],
    _ state: inout ShardState
  ) -> Preparation {
    guard let index = state.find(address) else {
      if content == .existing {
        if address.isVirtual { return .failure(.moved) }
        if !isWhole { return .failure(.absent) }
      }
      guard let buffer = spare.popLast() else { return .failure(.needBuffers) }
      let index = state.insert(address, buffer, [.accessed])
      return .success(Prepared(index: index, buffer: buffer, needsZeros: true))
    }
    let flags = state.slots[index].flags
    guard !flags.contains(.busy), let buffer = state.slots[index].buffer else {
      return .failure(.busy(state.completions))
    }
    // Fresh, yet here: bytes that were read are what the block held for somebody before; bytes
    // that were put are its own, from a writer who was faster than the extent map.
    let isStale = content == .fresh && !flags.contains(.put)
    guard !flags.isDisjoint(with: [.writing, .shared]) else {
      state.touch(index)
      state.slots[index].flags.remove(.verified)
      return .success(Prepared(index: index, buffer: buffer, needsZeros: isStale))
    }
    // Somebody reads this buffer outside the lock: the change goes to a new one.
    guard let replacement = spare.popLast() else { return .failure(.needBuffers) }
    state.touch(index)
    if !isWhole, !isStale {
      var target = replacement.mutableBytes
      target.overwrite(at: 0, with: buffer.bytes)
    }
    state.slots[index].buffer = replacement
    state.slots[index].flags.subtract([.shared, .verified])
    return .success(Prepared(index: index, buffer: replacement, needsZeros: isStale))
  }
}
