import BlockIO
import ExtantBase
import ExtentMap

/// Blocks for the nodes of a file's extent tree: how many a change may need, and what is done where
/// they cannot be had.
extension FileContents {
  /// Blocks to reserve before `newEntries` entries and `newDelayed` delayed blocks come into the
  /// node's map. Called under `node.state`.
  ///
  /// What the node has reserved already is not counted on: until the entries come, write-back may
  /// use it or give it back. `settleNodes` returns what turns out to be too much. Where no entry can
  /// come, no block is needed.
  func nodesNeeded(newEntries: Int, newDelayed: UInt64 = 0) -> UInt64 {
    let entries = UInt64(newEntries) + map.delayedBlockCount + newDelayed
    guard entries > 0 else { return 0 }
    return mapping.nodesNeeded(forEntries: entries)
  }

  /// Does what every change of the node's map is followed by: frees the blocks of tree nodes that are
  /// gone, makes the node's reservation fit the map as it is now, and charges the transaction for
  /// what its encode will add. Takes from `available` or gives to it, and returns what is then
  /// available. Called under `node.state`.
  func settleNodes(
    available: UInt64, _ operation: Operation
  ) throws(FileSystemError) -> UInt64 {
    let gone = map.takeOrphanedHomes()
    if !gone.isEmpty {
      operation.changed(node)
      try freeNodes(gone, operation)
      charge(blocks: -Int64(gone.count))
    }
    chargeTree(operation)
    return settleReservation(available: available)
  }

  /// Makes the node's reservation for tree nodes fit its map as it is now, taking from or giving
  /// to `available`. Returns what is then available. Called under `node.state`.
  ///
  /// Between an operation's reservation and its end a commit may have moved the tree's last leaf
  /// into the inode and freed its block, which the same leaf needs again when it grows. Such a
  /// block, that nobody could foresee, is reserved here.
  func settleReservation(available: UInt64) -> UInt64 {
    let needed = mapping.nodesNeeded(forEntries: map.delayedBlockCount)
    var total = available + node.reservedNodes
    if needed > total, (try? blocks.reserve(needed - total, claim: .tree)) != nil {
      total = needed
    }
    node.reservedNodes = min(needed, total)
    return total - node.reservedNodes
  }

  /// Charges the transaction for what the node's tree will cost at its encode, once for each block.
  /// Called under `node.state` after each change of the map.
  private func chargeTree(_ operation: Operation) {
    let cost = mapping.encodingCost(pending: node.pendingShift) {
      fileSystem.groupBlocks(forSingleBlocks: $0)
    }
    if node.charge.transaction != operation.transaction {
      node.charge = NodeCharge(transaction: operation.transaction)
    }
    guard cost > node.charge.blocks else { return }
    operation.charge(cost - node.charge.blocks)
    node.charge.blocks = cost
  }

  /// Brings what changed in the map into its blocks, with those that the node has reserved. Called
  /// under `node.state`, in a commit.
  func encode(_ operation: Operation) throws(FileSystemError) {
    operation.reserved = node.reservedNodes
    defer {
      node.reservedNodes = operation.reserved
      operation.reserved = 0
      blocks.release(settleReservation(available: 0))
    }
    try encodeMap(operation)
  }

  /// As `encode`, with blocks of the operation's own.
  func encodeMap(_ operation: Operation) throws(FileSystemError) {
    let pending = node.pendingShift
    node.pendingShift = nil
    try mapping.encode(self, pending: pending, operation)
  }

  /// Frees blocks of tree nodes, neighbours together.
  func freeNodes(
    _ addresses: [BlockAddress], _ operation: Operation
  ) throws(FileSystemError) {
    var run: (start: BlockAddress, count: UInt64)?
    for address in addresses.sorted() {
      if let last = run, last.start + last.count == address {
        run = (last.start, last.count + 1)
        continue
      }
      if let run { try operation.free(run.start, count: run.count) }
      run = (address, 1)
    }
    if let run { try operation.free(run.start, count: run.count) }
  }

  // MARK: Where no node can be had

  /// Makes the unwritten extents that `blocks` touches written ones full of zeros, each as a whole,
  /// so that writing into them splits nothing. ENOSPC where that cannot be: for an extent that
  /// reaches past the end of the file, where nothing written may lie.
  ///
  /// Only for a tree reserve that is used up. The caller holds `node.lock`, exclusive.
  func writeWholeExtents(
    touching blocks: Range<LogicalBlock>
  ) throws(FileSystemError) {
    let end = (node.size + blockSize64 - 1) / blockSize64
    while let run = try firstUnwritten(in: blocks) {
      guard run.end.rawValue <= end else { throw .refused(.noSpace) }
      try zeroOnDevice(run)
      try perform(credits: fileSystem.credits()) { (operation) throws(FileSystemError) in
        try node.withState { () throws(FileSystemError) in
          try map.changeState(of: run.logical..<run.end, to: .written)
          coverOnDisk(run.logical..<run.end)
          operation.reserved = try settleNodes(available: operation.reserved, operation)
          operation.changed(node)
        }
      }
    }
  }

  private func firstUnwritten(
    in blocks: Range<LogicalBlock>
  ) throws(FileSystemError) -> ExtentRun? {
    try node.withState { () throws(FileSystemError) in
      var first: ExtentRun?
      try map.forEachRun(in: blocks) { run in
        if run.state == .unwritten { first = run }
        return first == nil
      }
      return first
    }
  }

  /// Past the cache: it may be 128 MiB, and most of it nobody asked for.
  private func zeroOnDevice(_ run: ExtentRun) throws(FileSystemError) {
    cache.discard(run.address, count: run.count)
    let zeros = BlockBuffer(byteCount: max(blockSize, 1 << 18))
    var offset = run.address.rawValue * blockSize64
    let end = offset + run.count * blockSize64
    while offset < end {
      let length = min(UInt64(zeros.byteCount), end - offset)
      try device.write(zeros.bytes.extracting(0..<Int(length)), at: offset)
      offset += length
    }
  }
}
