import ExtantBase
import ExtentMap

extension FileSystem {
  /// Sets the file's size in bytes. Growing leaves a hole; shrinking frees what lies behind,
  /// preallocated blocks included.
  ///
  /// The caller holds `node.lock`, exclusive.
  func truncate(_ node: Node, to size: UInt64) throws(FileSystemError) {
    guard size <= maximumFileSize else { throw .refused(.fileTooLarge) }
    let old = node.size
    if size > old { try clearTail(of: node) }
    if size < old, size % blockSize64 != 0 {
      try clear(node, size..<(size / blockSize64 + 1) * blockSize64)
    }
    let firstGone = LogicalBlock((size + blockSize64 - 1) / blockSize64)
    // A tree that only loses entries at its end splits no node.
    let reserved = try reserveIfPossible(
      node.state.withLock { nodesNeeded(node, newEntries: 0) })
    try perform(reserved: reserved) { (operation) throws(FileSystemError) in
      try node.withState { () throws(FileSystemError) in
        if size <= old, firstGone < LogicalBlock.limit {
          try remove(firstGone..<LogicalBlock.limit, of: node, operation)
        }
        node.inode.size = size
        node.diskSize = size
        touchContents(node)
        operation.changed(node)
      }
    }
  }

  /// Unmaps the blocks of `range` and frees them. Called under `node.state`.
  func remove(
    _ range: Range<LogicalBlock>, of node: Node, _ operation: Operation
  ) throws(FileSystemError) {
    guard let map = node.map else { return }
    try free(try map.remove(range), of: node, operation)
    operation.reserved = settleNodes(node, available: operation.reserved)
  }

  /// Frees runs that left the node's map. Called under `node.state`.
  func free(
    _ runs: [ExtentRun], of node: Node, _ operation: Operation
  ) throws(FileSystemError) {
    // They are out of the map: from here on a failure must not pass for a refusal.
    if !runs.isEmpty { operation.changed(node) }
    for run in runs {
      if run.state == .delayed {
        cache.discard(run.address, count: run.count)
        blocks.release(run.count)
      } else {
        try operation.free(run.address, count: run.count)
        node.inode.blocks512 -= min(node.inode.blocks512, run.count * sectorsPerBlock)
      }
    }
  }
}
