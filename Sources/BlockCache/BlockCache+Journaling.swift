import BlockIO
import ExtantBase

/// Contents of files that go through the journal as metadata does (data=journal).
extension BlockCache {
  /// A copy of the owner's dirty block at `address`, for a transaction. The block counts as clean
  /// from now on, and is pinned: until as many `unpin`s the device may have older bytes.
  ///
  /// Waits for a write of it that is in flight. Nil, and nothing is pinned, where the block is not a
  /// dirty one of this owner.
  public func takeForJournal(_ address: BlockAddress, owner: InodeNumber) -> BlockBuffer? {
    let shard = shard(of: address)
    while true {
      var busy: UInt64?
      let copy = shard.withLock { state -> BlockBuffer? in
        guard let index = state.find(address), let buffer = state.slots[index].buffer,
          state.slots[index].owner == owner
        else { return nil }
        // A write that is in flight has older bytes: it must not land after a checkpoint of those
        // that are taken here.
        guard state.slots[index].flags.isDisjoint(with: [.busy, .writing]) else {
          busy = state.completions
          return nil
        }
        guard state.slots[index].flags.contains(.dirty) else { return nil }
        // Writers change it under the shard's lock.
        let copy = BlockBuffer(copying: buffer)
        state.slots[index].pins += 1
        state.markClean(index)
        return copy
      }
      guard let busy else { return copy }
      shard.waitForCompletion(after: busy)
    }
  }

  /// The owner's dirty blocks that have a home, in the order of their addresses.
  public func dirtyHomes(of owner: InodeNumber) -> [BlockAddress] {
    var addresses: [BlockAddress] = []
    for shard in shards where shard.dirtyCount.load(ordering: .relaxed) > 0 {
      shard.withLock { $0.dirty.collect(of: owner, from: $0.slots, into: &addresses) }
    }
    addresses.sort()
    return addresses
  }
}
