import BlockIO
import ExtantBase

extension BlockCache {
  /// Writes the owner's dirty blocks that have a home, in the order of their addresses, and
  /// returns when all that was dirty before the call is on the device, including what others are
  /// writing. Virtual and pinned blocks stay dirty. The device itself is not flushed.
  ///
  /// Throws `.io` when a write of one of the owner's blocks failed, in this call or in the
  /// background since the last one. Blocks that could not be written stay dirty and are tried
  /// again by the next flush; the others are written.
  public func flush(owner: InodeNumber) throws(FileSystemError) {
    writeBack(of: owner)
    let error = writeErrors.withLock { errors in errors.report(to: owner) }
    if let error { throw error }
  }

  /// As `flush(owner:)`, but a failure, of this call alone, is only returned: the next flush throws
  /// it all the same.
  public func writeBack(owner: InodeNumber) -> FileSystemError? {
    writeBack(of: owner).values.first
  }

  /// As `writeBack(owner:)`, and returns the blocks that could not be written. Ascending.
  public func writeBackFailures(owner: InodeNumber) -> [BlockAddress] {
    writeBack(of: owner).keys.sorted()
  }

  /// As `flush(owner:)`, for everybody. A failure is also thrown to the owner's next flush.
  public func flushAll() throws(FileSystemError) {
    writeBack(of: nil)
    let error = writeErrors.withLock { errors in errors.reportAll() }
    if let error { throw error }
  }

  /// The owner is gone for good: nobody will ask for its failures, least of all who gets its number.
  public func forgetFailures(of owner: InodeNumber) {
    _ = writeErrors.withLock { $0.report(to: owner) }
  }

  /// How many owners have failures that they were not told of.
  package var ownersWithFailures: Int { writeErrors.withLock { $0.byOwner.count } }

  @discardableResult
  private func writeBack(of owner: InodeNumber?) -> [BlockAddress: FileSystemError] {
    var failures: [BlockAddress: FileSystemError] = [:]
    var addresses = dirtyAddresses(of: owner)
    // A block that somebody else is writing may hold newer bytes than that write: wait, then look
    // again. If it is in flight once more, that write began after ours was called for, so its
    // end is all we need.
    for _ in 0..<3 where !addresses.isEmpty {
      let result = write(addresses, atMost: .max)
      failures.merge(result.failures) { first, _ in first }
      addresses = result.inFlight
      for address in addresses { waitUntilLanded(address) }
    }
    return failures
  }

  /// Sorted.
  private func dirtyAddresses(of owner: InodeNumber?) -> [BlockAddress] {
    var addresses: [BlockAddress] = []
    for shard in shards where shard.dirtyCount.load(ordering: .relaxed) > 0 {
      shard.withLock { state in
        state.dirty.collect(of: owner, from: state.slots, into: &addresses)
      }
    }
    addresses.sort()
    return addresses
  }

  /// Writes some of the dirty blocks, whosever, so that they can be evicted. Whether there is a
  /// point in trying again to find room, and an error if that alone is why not: while other blocks
  /// wait for a home or for a checkpoint, giving them theirs is what makes room.
  func writeBackToMakeRoom() -> (progress: Bool, failure: FileSystemError?) {
    let addresses = dirtyAddresses(of: nil)
    // Each call looks at all that is dirty: a share of it pays for that.
    let share = max(transferLimit, addresses.count / 4)
    let result = write(addresses, atMost: share)
    if result.written > 0 || result.changed > 0 { return (true, nil) }
    if let first = result.inFlight.first {
      waitUntilLanded(first)
      return (true, nil)
    }
    let others = dirtyByteCount / blockSize - addresses.count
    return (false, others > 0 || result.held > 0 ? nil : result.failures.values.first)
  }

  private struct WriteResult {
    /// Blocks.
    var written = 0
    /// Blocks that were clean or gone when their turn came.
    var changed = 0
    /// Blocks that are pinned or busy.
    var held = 0
    /// Blocks that others are writing.
    var inFlight: [BlockAddress] = []
    var failures: [BlockAddress: FileSystemError] = [:]
  }

  /// Writes those of the blocks, given in order, that are dirty; neighbours with one call.
  private func write(_ addresses: [BlockAddress], atMost limit: Int) -> WriteResult {
    var result = WriteResult()
    var place = 0
    while place < addresses.count, result.written < limit {
      var buffers: [BlockBuffer] = []
      let first = claim(addresses, from: &place, &buffers, &result)
      guard !buffers.isEmpty else { continue }
      let failed = write(first, buffers)
      finish(first, buffers.count, failed: failed)
      result.written += buffers.count - failed.count
      for (place, error) in failed { result.failures[first + UInt64(place)] = error }
    }
    return result
  }

  /// Marks consecutive dirty blocks as being written, and moves `place` past those it looked at.
  /// The first one's address.
  private func claim(
    _ addresses: [BlockAddress], from place: inout Int, _ buffers: inout [BlockBuffer],
    _ result: inout WriteResult
  ) -> BlockAddress {
    var first = addresses[place]
    var ended = false
    while place < addresses.count, !ended {
      let start = addresses[place]
      let run = start.rawValue / Self.runLength
      shard(of: start).withLock { state in
        while place < addresses.count, addresses[place].rawValue / Self.runLength == run {
          let address = addresses[place]
          if !buffers.isEmpty,
            address != first + UInt64(buffers.count) || buffers.count >= transferLimit
          {
            ended = true
            return
          }
          place += 1
          guard let index = state.find(address), let buffer = state.slots[index].buffer else {
            result.changed += 1
            continue
          }
          let flags = state.slots[index].flags
          if flags.contains(.writing) {
            result.inFlight.append(address)
          } else if !flags.contains(.dirty) {
            result.changed += 1
          } else if flags.contains(.busy) || state.slots[index].pins > 0 {
            result.held += 1
          } else {
            if buffers.isEmpty { first = address }
            buffers.append(buffer)
            state.slots[index].flags.remove(.dirty)
            state.slots[index].flags.insert(.writing)
          }
        }
      }
    }
    return first
  }

  /// Writes all at once, and one by one when that fails. By the place in `buffers`, what failed.
  private func write(
    _ first: BlockAddress, _ buffers: [BlockBuffer]
  ) -> [Int: FileSystemError] {
    var failed: [Int: FileSystemError] = [:]
    var calls = 1
    device.note(.dataWrite)
    do throws(FileSystemError) {
      try device.write(buffers, at: offset(of: first))
    } catch {
      if buffers.count == 1 {
        failed[0] = error
      } else {
        for place in buffers.indices {
          calls += 1
          let buffer = buffers[place]
          do throws(FileSystemError) {
            try device.write(buffer.bytes, at: offset(of: first + UInt64(place)))
          } catch {
            failed[place] = error
          }
        }
      }
    }
    counters.withLock { counters in
      counters.deviceWrites += calls
      counters.blocksWritten += buffers.count - failed.count
    }
    return failed
  }

  private func finish(_ first: BlockAddress, _ count: Int, failed: [Int: FileSystemError]) {
    var place = 0
    while place < count {
      let address = first + UInt64(place)
      let inRun = blocksInRun(address, count - place)
      shard(of: address).withLock { state in
        state.completions += 1
        for step in 0..<inRun {
          guard let index = state.find(address + UInt64(step)) else { continue }
          if let error = failed[place + step] {
            // Before the block is seen to have landed, so that who waited for it meets the error.
            let owner = state.slots[index].owner
            writeErrors.withLock { $0.record(error, of: owner) }
            state.slots[index].flags.insert(.dirty)
          }
          state.slots[index].flags.remove(.writing)
          if !state.slots[index].flags.contains(.dirty) {
            state.markClean(index)
            state.enqueue(index)
          }
        }
      }
      place += inRun
    }
  }
}
