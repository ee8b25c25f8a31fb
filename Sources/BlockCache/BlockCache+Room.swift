import BlockIO
import ExtantBase

extension BlockCache {
  /// What buffers are wanted for, and so what is done when there is none.
  enum Purpose {
    /// Read-ahead: evicts, but neither writes back nor takes the reserve.
    case prefetch
    /// Dirty data: evicts and writes back, and leaves the reserve to the others.
    case write
    /// A read or metadata: must not fail; goes beyond the limit at the very last.
    case necessary
  }

  /// Appends between 1 and `count` buffers with arbitrary bytes in them; none only for lack of
  /// room, and never for `.necessary`. Throws, for `.write` alone, what kept dirty blocks from
  /// being written to make room. Takes no shard's lock while it waits or writes.
  func obtain(
    _ count: Int, for purpose: Purpose, into buffers: inout [BlockBuffer]
  ) throws(FileSystemError) {
    let kept = purpose == .necessary ? 0 : reserve
    while true {
      if pool.take(count, keeping: kept, into: &buffers) > 0 { return }
      // One more than is missing would be evicted for nothing; less would have us come again.
      if evict(count) > 0 { continue }
      if purpose == .prefetch { return }
      let (progress, failure) = writeBackToMakeRoom()
      if progress { continue }
      if purpose == .write {
        if let failure { throw failure }
        return
      }
      counters.withLock { $0.takenBeyondLimit += 1 }
      buffers.append(pool.takeBeyondLimit())
      return
    }
  }

  func obtainOne() -> BlockBuffer {
    var buffers: [BlockBuffer] = []
    // `.necessary` throws nothing and gives one; the rest is for the compiler.
    do throws(FileSystemError) { try obtain(1, for: .necessary, into: &buffers) } catch {}
    return buffers.popLast() ?? pool.takeBeyondLimit()
  }

  /// Forgets up to `wanted` clean blocks; how many.
  ///
  /// The queues are the shards', the choice between small and main is made for all together, and
  /// the shard where that queue is longest pays: so blocks that are hot are safe in a shard that
  /// happens to have nothing else.
  private func evict(_ wanted: Int) -> Int {
    var smallTotal = 0
    var (longestSmall, longestMain) = (shards[0], shards[0])
    for shard in shards {
      let small = shard.smallCount.load(ordering: .relaxed)
      smallTotal += small
      if small > longestSmall.smallCount.load(ordering: .relaxed) { longestSmall = shard }
      if shard.mainCount.load(ordering: .relaxed)
        > longestMain.mainCount.load(ordering: .relaxed)
      {
        longestMain = shard
      }
    }
    let smallFirst = smallTotal > capacity / 10
    let evicted =
      smallFirst
      ? longestSmall.withLock { $0.evictFromSmall(wanted) }
      : longestMain.withLock { $0.evictFromMain(wanted) }
    if evicted > 0 { return evicted }
    for shard in shards {
      let evicted = shard.withLock { state in
        let evicted = state.evictFromSmall(wanted)
        return evicted > 0 ? evicted : state.evictFromMain(wanted)
      }
      if evicted > 0 { return evicted }
    }
    return 0
  }
}
