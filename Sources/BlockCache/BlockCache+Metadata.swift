import BlockIO
import ExtantBase

extension BlockCache {
  private enum Lookup {
    case found(BlockBuffer)
    /// There, busy now and ours, but nobody has verified it yet.
    case unverified(BlockBuffer)
    case absent
    case busy(UInt64)
  }

  /// The metadata block at `address`, read from the device if need be.
  ///
  /// `verify` runs once for each time the block is read, before anyone sees it, in the calling
  /// thread and under no lock; what it throws is thrown here, and the block is not kept. The
  /// buffer is the cache's own: as long as somebody holds it, it stays the one for the address.
  ///
  /// Throws `.io` for a failed read, EINVAL past the device's end.
  public func block(
    at address: BlockAddress, verify: (RawSpan) throws(FileSystemError) -> Void
  ) throws(FileSystemError) -> BlockBuffer {
    while true {
      let shard = shard(of: address)
      switch shard.withLock({ state in lookUp(address, &state) }) {
      case .found(let buffer):
        return buffer
      case .busy(let completions):
        shard.waitForCompletion(after: completions)
      case .absent:
        device.note(.metadataRead)
        if try fetch(from: address, wanted: 1, for: .necessary) > 0 {
          shard.withLock { $0.counters.misses += 1 }
        }
      case .unverified(let buffer):
        do throws(FileSystemError) {
          try verify(buffer.bytes)
        } catch {
          endVerification(address, good: false)
          throw error
        }
        endVerification(address, good: true)
        return buffer
      }
    }
  }

  private func lookUp(_ address: BlockAddress, _ state: inout ShardState) -> Lookup {
    guard let index = state.find(address) else { return .absent }
    guard !state.slots[index].flags.contains(.busy), let buffer = state.slots[index].buffer else {
      return .busy(state.completions)
    }
    if state.slots[index].flags.contains(.verified) {
      state.touch(index)
      state.slots[index].flags.insert(.shared)
      return .found(buffer)
    }
    state.slots[index].flags.insert([.busy, .accessed])
    state.dequeue(index)
    return .unverified(buffer)
  }

  private func endVerification(_ address: BlockAddress, good: Bool) {
    shard(of: address).withLock { state in
      state.completions += 1
      guard let index = state.find(address) else { return }
      state.slots[index].flags.remove(.busy)
      if good {
        state.slots[index].flags.insert([.verified, .shared])
        state.enqueue(index)
      } else if state.slots[index].isHeld {
        // Dirty data that somebody took for metadata: not ours to forget.
      } else {
        state.remove(index)
      }
    }
  }

  /// A zeroed block for a metadata address that was just allocated; nothing is read, and what
  /// the cache had there is dropped, after a write of it that is in flight. Whoever changes it
  /// pins it, or it is lost with its last reference.
  public func newBlock(at address: BlockAddress) -> BlockBuffer {
    let buffer = obtainOne()
    var bytes = buffer.mutableBytes
    bytes.zero(0..<blockSize)
    let shard = shard(of: address)
    while true {
      let busy = shard.withLock { state -> UInt64? in
        if let index = state.find(address) {
          guard state.slots[index].flags.isDisjoint(with: [.busy, .writing]) else {
            return state.completions
          }
          state.remove(index)
        }
        let index = state.insert(address, buffer, [.verified, .shared, .accessed])
        state.enqueue(index)
        return nil
      }
      guard let busy else { return buffer }
      shard.waitForCompletion(after: busy)
    }
  }

  /// Keeps the block from being evicted or written by the cache until as many `unpin`s: a
  /// transaction owns it. False when the address is not in the cache; for a block whose buffer
  /// the caller holds that means it was discarded.
  @discardableResult
  public func pin(_ address: BlockAddress) -> Bool {
    shard(of: address).withLock { state in
      guard let index = state.find(address) else { return false }
      state.slots[index].pins += 1
      state.dequeue(index)
      return true
    }
  }

  /// Ends one `pin`. Nothing happens when the block was discarded meanwhile, which ends all.
  public func unpin(_ address: BlockAddress) {
    shard(of: address).withLock { state in
      guard let index = state.find(address), state.slots[index].pins > 0 else { return }
      state.slots[index].pins -= 1
      state.enqueue(index)
    }
  }
}
