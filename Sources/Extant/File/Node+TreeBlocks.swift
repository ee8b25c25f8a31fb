import BlockIO
import ExtantBase
import ExtentMap

/// Blocks for the nodes of a file's extent tree: how many a change may need, and what is done where
/// they cannot be had.
extension FileSystem {
  /// Blocks to reserve before `newEntries` entries and `newDelayed` delayed blocks come into the
  /// node's map. Called under `node.state`.
  ///
  /// What the node has reserved already is not counted on: until the entries come, write-back may
  /// use it or give it back. `settleNodes` returns what turns out to be too much. Where no entry can
  /// come, no block is needed.
  func nodesNeeded(_ node: Node, newEntries: Int, newDelayed: UInt64 = 0) -> UInt64 {
    guard let map = node.map else { return 0 }
    let entries = UInt64(newEntries) + map.delayedBlockCount + newDelayed
    guard entries > 0 else { return 0 }
    return UInt64(
      map.nodesWithoutHome + map.worstCaseNewNodes(insertedEntries: Int(clamping: entries)))
  }

  /// Does what every change of the node's map is followed by: frees the blocks of tree nodes that are
  /// gone, makes the node's reservation fit the map as it is now, and charges the transaction for
  /// what its encode will add. Takes from `available` or gives to it, and returns what is then
  /// available. Called under `node.state`.
  func settleNodes(
    _ node: Node, available: UInt64, _ operation: Operation
  ) throws(FileSystemError) -> UInt64 {
    guard let map = node.map else { return available }
    let gone = map.takeOrphanedHomes()
    if !gone.isEmpty {
      operation.changed(node)
      try freeNodes(gone, operation)
      node.inode.blocks512 -= min(node.inode.blocks512, UInt64(gone.count) * sectorsPerBlock)
    }
    chargeTree(of: node, operation)
    return settleReservation(node, available: available)
  }

  /// Makes the node's reservation for tree nodes fit its map as it is now, taking from or giving
  /// to `available`. Returns what is then available. Called under `node.state`.
  ///
  /// Between an operation's reservation and its end a commit may have moved the tree's last leaf
  /// into the inode and freed its block, which the same leaf needs again when it grows. Such a
  /// block, that nobody could foresee, is reserved here.
  func settleReservation(_ node: Node, available: UInt64) -> UInt64 {
    guard let map = node.map else { return available }
    let delayed = Int(clamping: map.delayedBlockCount)
    let needed = UInt64(
      map.nodesWithoutHome + (delayed > 0 ? map.worstCaseNewNodes(insertedEntries: delayed) : 0))
    var total = available + node.reservedNodes
    if needed > total, (try? blocks.reserve(needed - total, claim: .tree)) != nil {
      total = needed
    }
    node.reservedNodes = min(needed, total)
    return total - node.reservedNodes
  }

  // MARK: Where no node can be had

  /// Makes the unwritten extents that `blocks` touches written ones full of zeros, each as a whole,
  /// so that writing into them splits nothing. ENOSPC where that cannot be: for an extent that
  /// reaches past the end of the file, where nothing written may lie.
  ///
  /// Only for a tree reserve that is used up. The caller holds `node.lock`, exclusive.
  func writeWholeExtents(
    of node: Node, touching blocks: Range<LogicalBlock>
  ) throws(FileSystemError) {
    let end = (node.size + blockSize64 - 1) / blockSize64
    while let run = try firstUnwritten(of: node, in: blocks) {
      guard run.end.rawValue <= end else { throw .refused(.noSpace) }
      try zeroOnDevice(run)
      try perform(credits: credits()) { (operation) throws(FileSystemError) in
        try node.withState { () throws(FileSystemError) in
          try node.map?.changeState(of: run.logical..<run.end, to: .written)
          coverOnDisk(node, run.logical..<run.end)
          operation.reserved = try settleNodes(node, available: operation.reserved, operation)
          operation.changed(node)
        }
      }
    }
  }

  private func firstUnwritten(
    of node: Node, in blocks: Range<LogicalBlock>
  ) throws(FileSystemError) -> ExtentRun? {
    try node.withState { () throws(FileSystemError) in
      var first: ExtentRun?
      try node.map?.forEachRun(in: blocks) { run in
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
