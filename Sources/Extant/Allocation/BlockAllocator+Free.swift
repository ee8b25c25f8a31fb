import Ext4Format
import ExtantBase

/// Freeing: checked whole before anything changes.
extension BlockAllocator.State {
  mutating func free(
    _ start: BlockAddress, count: UInt64, transaction: UInt64, _ handle: any MetadataHandle
  ) throws(FileSystemError) {
    guard count > 0 else { return }
    operationStart = clock
    guard superblock.contains(start, count: count) else {
      throw .corrupt(
        Corruption("block bitmap", block: start, "\(count) blocks to free are not on the device"))
    }
    let run = BlockAllocator.Run(start: start.rawValue, count: count)
    guard !table.zones.overlaps(run.range) else {
      throw .corrupt(
        Corruption(
          "block bitmap", block: start,
          "\(count) blocks to free hold some of the filesystem's own structures"))
    }
    let pieces = pieces(of: run)
    for (group, bits) in pieces {
      try load(group)
      guard let used = groups[group].used, used.containsAll(bits) else {
        throw .corrupt(
          Corruption("block bitmap", block: start, "of \(count) blocks to free some are free"))
      }
    }
    for (group, _) in pieces { try prepare(group, handle) }

    for (group, bits) in pieces {
      groups[group].used?.remove(bits)
      table.update(group) { $0.freeBlocks &+= UInt32(truncatingIfNeeded: bits.count) }
    }
    freeCount += count
    if isPlanted(.freedBlockReusedBeforeCommit) { return restore(run) }
    pendingCount += count
    pending[transaction, default: []].append(run)
  }

  /// Announces what freeing these blocks later in the transaction will change, so that it cannot fail
  /// then. Throws `corrupt` for one that is not on the device, the fault of a group that is out of use.
  mutating func prepareToFree(
    _ addresses: [BlockAddress], _ handle: any MetadataHandle
  ) throws(FileSystemError) {
    operationStart = clock
    var touched: Set<Int> = []
    for address in addresses {
      guard superblock.contains(address, count: 1) else {
        throw .corrupt(Corruption("extent node", block: address, "lies outside the filesystem"))
      }
      touched.insert(place(of: address.rawValue).group)
    }
    for group in touched { try load(group) }
    for group in touched { try prepare(group, handle) }
  }

  mutating func didCommit(_ transaction: UInt64) {
    for key in pending.keys where key <= transaction {
      for run in pending.removeValue(forKey: key) ?? [] {
        pendingCount -= run.count
        restore(run)
      }
    }
  }

  /// Makes blocks available that are free, loaded and in nobody's reach.
  mutating func restore(_ run: BlockAllocator.Run) {
    longestKnown = .max
    for (group, bits) in pieces(of: run) where groups[group].fault == nil {
      groups[group].restore(bits)
    }
  }

  mutating func withdraw(_ run: BlockAllocator.Run) {
    for (group, bits) in pieces(of: run) { groups[group].withdraw(bits) }
  }

  mutating func dropWindow(of stream: InodeNumber) {
    guard let window = windows.removeValue(forKey: stream) else { return }
    restore(window)
  }

  mutating func dropAllWindows() {
    for window in windows.values { restore(window) }
    windows.removeAll()
  }
}
