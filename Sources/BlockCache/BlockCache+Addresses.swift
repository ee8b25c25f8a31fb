import BlockIO
import ExtantBase

extension BlockCache {
  /// Gives the `count` blocks from `virtual` their home at `physical`: their bytes, dirty as they
  /// are, are found there from now on, and nowhere else. What the cache had there is dropped,
  /// after a read or write of it that is in flight. Each block moves at once: a copy into or out
  /// of it comes entirely before or after.
  ///
  /// A virtual block that is not here, because nobody wrote it, becomes a dirty block of zeros: it
  /// must not show what the device holds there. It belongs to `owner`, or else to the owner of
  /// the block before it. Call this before the extent map tells anyone of `physical`.
  public func rename(
    _ virtual: BlockAddress, count: UInt64, to physical: BlockAddress, owner: InodeNumber? = nil
  ) {
    var owner = owner
    var done: UInt64 = 0
    while done < count {
      let (from, to) = (virtual + done, physical + done)
      let (source, target) = (shard(of: from), shard(of: to))
      let left = blocksInRun(to, blocksInRun(from, Int(clamping: count - done)))
      let (moved, stop) = Shard.withLocks(
        source, target,
        same: { state in
          Self.move(left, from, to, &owner) { address in
            state.isInFlight(address)
          } take: { address in
            state.take(address)
          } settle: { slot, address in
            state.settle(slot, at: address)
          }
        },
        different: { sourceState, targetState in
          Self.move(left, from, to, &owner) { address in
            targetState.isInFlight(address)
          } take: { address in
            sourceState.take(address)
          } settle: { slot, address in
            targetState.settle(slot, at: address)
          }
        })
      done += UInt64(moved)
      switch stop {
      case nil: break
      case .inFlight: waitUntilLanded(physical + done)
      case .absent:
        putZeros(at: physical + done, owner: owner ?? InodeNumber(0))
        done += 1
      }
    }
  }

  private enum MoveStop { case inFlight, absent }

  /// Moves up to `count` blocks; how many, and why not more.
  @inline(__always)
  private static func move(
    _ count: Int, _ from: BlockAddress, _ to: BlockAddress, _ owner: inout InodeNumber?,
    isInFlight: (BlockAddress) -> Bool, take: (BlockAddress) -> Slot?,
    settle: (Slot, BlockAddress) -> Void
  ) -> (moved: Int, stop: MoveStop?) {
    for step in 0..<count {
      if isInFlight(to + UInt64(step)) { return (step, .inFlight) }
      guard let slot = take(from + UInt64(step)) else { return (step, .absent) }
      owner = slot.owner
      settle(slot, to + UInt64(step))
    }
    return (count, nil)
  }

  private func putZeros(at address: BlockAddress, owner: InodeNumber) {
    let buffer = obtainOne()
    var bytes = buffer.mutableBytes
    bytes.zero(0..<blockSize)
    while true {
      waitUntilLanded(address)
      let settled = shard(of: address).withLock { state in
        guard !state.isInFlight(address) else { return false }
        var slot = Slot(address: address, buffer: buffer, flags: [.put, .dirty])
        slot.owner = owner
        state.settle(slot, at: address)
        return true
      }
      if settled { return }
    }
  }

  /// Waits while the block is being read, verified or written.
  func waitUntilLanded(_ address: BlockAddress) {
    let shard = shard(of: address)
    while true {
      let busy = shard.withLock { state in
        state.isInFlight(address) ? state.completions : nil
      }
      guard let busy else { return }
      shard.waitForCompletion(after: busy)
    }
  }

  /// Forgets `count` blocks from `address`, dirty and pinned ones included: they were freed.
  /// Waits for reads and writes of them that are in flight, so that nothing of them reaches the
  /// device after this has returned.
  public func discard(_ address: BlockAddress, count: UInt64) {
    // A range larger than the cache: look at what is there instead of at each address.
    if count > UInt64(2 * capacity) {
      let end = address.rawValue.addingReportingOverflow(count)
      let range = address.rawValue..<(end.overflow ? .max : end.partialValue)
      for shard in shards {
        let found = shard.withLock { state in
          state.slots.filter { $0.isInUse && range.contains($0.address.rawValue) }
            .map(\.address)
        }
        for address in found {
          settle(address, count: 1) { state, index in state.remove(index) }
        }
      }
      return
    }
    settle(address, count: count) { state, index in state.remove(index) }
  }

  /// Tries no more to write `count` blocks from `address`, which read as zeros from now on to whoever
  /// looks them up. Who did so before still finds their contents.
  public func giveUp(_ address: BlockAddress, count: UInt64) {
    settle(address, count: count) { state, index in
      guard state.slots[index].flags.contains(.dirty) else { return }
      state.slots[index].flags.remove(.put)
      state.markClean(index)
      state.enqueue(index)
    }
  }

  /// Calls `body` for each of the blocks that is here, when nobody reads or writes it.
  private func settle(
    _ address: BlockAddress, count: UInt64, _ body: (inout ShardState, Int) -> Void
  ) {
    var done: UInt64 = 0
    while done < count {
      let start = address + done
      let inRun = blocksInRun(start, Int(clamping: count - done))
      settleRun(start, inRun, body)
      done += UInt64(inRun)
    }
  }

  private func settleRun(
    _ address: BlockAddress, _ count: Int, _ body: (inout ShardState, Int) -> Void
  ) {
    let shard = shard(of: address)
    var done = 0
    while done < count {
      let busy = shard.withLock { state -> UInt64? in
        while done < count {
          if let index = state.find(address + UInt64(done)) {
            guard state.slots[index].flags.isDisjoint(with: [.busy, .writing]) else {
              return state.completions
            }
            body(&state, index)
          }
          done += 1
        }
        return nil
      }
      if let busy { shard.waitForCompletion(after: busy) }
    }
  }
}

extension ShardState {
  func isInFlight(_ address: BlockAddress) -> Bool {
    guard let index = find(address) else { return false }
    return !slots[index].flags.isDisjoint(with: [.busy, .writing])
  }

  /// Takes a block out, with all that is known of it. Nil when it is not here.
  mutating func take(_ address: BlockAddress) -> Slot? {
    guard let index = find(address), slots[index].flags.isDisjoint(with: [.busy, .writing])
    else { return nil }
    let slot = slots[index]
    remove(index)
    return slot
  }

  /// Puts what `take` gave at `address`, in place of whatever is there and not in flight.
  mutating func settle(_ slot: Slot, at address: BlockAddress) {
    if let index = find(address) { remove(index) }
    let index = insert(address, slot.buffer, slot.flags.subtracting([.dirty, .writing, .busy]))
    slots[index].frequency = slot.frequency
    slots[index].pins = slot.pins
    if slot.flags.contains(.dirty) {
      markDirty(index, owner: slot.owner)
    } else {
      enqueue(index)
    }
  }
}
