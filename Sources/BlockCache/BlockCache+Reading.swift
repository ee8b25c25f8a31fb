import BlockIO
import ExtantBase

extension BlockCache {
  /// Brings blocks into the cache that are not there, with one read: the block at `first` and
  /// those behind it, up to `wanted` and up to the first that is there already. How many blocks
  /// that were; 0 when the first is there, or is being read by somebody else, or (`.prefetch`)
  /// when there is no room.
  ///
  /// Throws when the block at `first` could not be read. The others' errors are for those who
  /// ask for them: one bad block does not spoil its neighbours.
  func fetch(
    from first: BlockAddress, wanted: Int, for purpose: Purpose
  ) throws(FileSystemError) -> Int {
    var buffers: [BlockBuffer] = []
    try obtain(fetchable(first, wanted), for: purpose, into: &buffers)
    let claimed = claim(first, &buffers)
    guard claimed > 0 else { return 0 }
    let failed = read(first, buffers)
    publish(first, buffers, failed: failed)
    if let error = failed[0] { throw error }
    return claimed
  }

  /// At least 1, so that an address past the device's end gets the device's own answer.
  private func fetchable(_ first: BlockAddress, _ wanted: Int) -> Int {
    let end = device.byteCount / UInt64(blockSize)
    let left = first.rawValue < end ? Int(clamping: end - first.rawValue) : 1
    return max(1, min(wanted, transferLimit, left))
  }

  /// Makes busy slots for blocks that are not there; drops the buffers that find no use.
  private func claim(_ first: BlockAddress, _ buffers: inout [BlockBuffer]) -> Int {
    var claimed = 0
    var stopped = false
    while claimed < buffers.count, !stopped {
      let address = first + UInt64(claimed)
      let count = blocksInRun(address, buffers.count - claimed)
      shard(of: address).withLock { state in
        for step in 0..<count {
          let address = address + UInt64(step)
          guard state.find(address) == nil else {
            stopped = true
            break
          }
          _ = state.insert(address, nil, .busy)
          claimed += 1
        }
      }
    }
    buffers.removeLast(buffers.count - claimed)
    return claimed
  }

  /// Reads all at once, and one by one when that fails. By the place in `buffers`, what failed.
  private func read(_ first: BlockAddress, _ buffers: [BlockBuffer]) -> [Int: FileSystemError] {
    var failed: [Int: FileSystemError] = [:]
    var calls = 1
    do throws(FileSystemError) {
      try readOnce(first, buffers)
    } catch {
      if buffers.count == 1 {
        failed[0] = error
      } else {
        for place in buffers.indices {
          calls += 1
          do throws(FileSystemError) {
            try readOnce(first + UInt64(place), [buffers[place]])
          } catch {
            failed[place] = error
          }
        }
      }
    }
    counters.withLock { counters in
      counters.deviceReads += calls
      counters.blocksRead += buffers.count - failed.count
    }
    return failed
  }

  private func readOnce(
    _ first: BlockAddress, _ buffers: [BlockBuffer]
  ) throws(FileSystemError) {
    if buffers.count == 1 {
      let buffer = buffers[0]
      var bytes = buffer.mutableBytes
      try device.read(into: &bytes, at: offset(of: first))
    } else {
      try device.read(into: buffers, at: offset(of: first))
    }
  }

  private func publish(
    _ first: BlockAddress, _ buffers: [BlockBuffer], failed: [Int: FileSystemError]
  ) {
    var place = 0
    while place < buffers.count {
      let address = first + UInt64(place)
      let count = blocksInRun(address, buffers.count - place)
      shard(of: address).withLock { state in
        state.completions += 1
        for step in 0..<count {
          guard let index = state.find(address + UInt64(step)) else { continue }
          state.slots[index].flags.remove(.busy)
          if failed[place + step] != nil {
            state.remove(index)
          } else {
            state.slots[index].buffer = buffers[place + step]
            state.enqueue(index)
          }
        }
      }
      place += count
    }
  }

  /// Starts to read `count` blocks from `address` that are not there, in the background. Errors
  /// are dropped: who asks for the block meets them again.
  public func prefetch(_ address: BlockAddress, count: Int) {
    guard count > 0, !address.isVirtual else { return }
    prefetches.add(address, min(count, capacity / 4)) { [weak self] address, count in
      self?.prefetchNow(address, count: count)
    }
  }

  /// As `prefetch`, in the calling thread.
  func prefetchNow(_ address: BlockAddress, count: Int) {
    var done = 0
    while done < count {
      let start = address + UInt64(done)
      let present = countPresent(start, blocksInRun(start, count - done))
      if present > 0 {
        done += present
        continue
      }
      var fetched = 0
      do throws(FileSystemError) {
        device.note(.dataRead)
        fetched = try fetch(from: start, wanted: count - done, for: .prefetch)
      } catch {
        return
      }
      if fetched == 0 { return }
      done += fetched
    }
  }

  /// How many of the `count` blocks from `address`, all of one run, are there without a gap.
  func countPresent(_ address: BlockAddress, _ count: Int) -> Int {
    shard(of: address).withLock { state in
      for step in 0..<count where state.find(address + UInt64(step)) == nil { return step }
      return count
    }
  }
}
