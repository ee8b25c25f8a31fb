import BlockIO
import Ext4Format
import ExtantBase
import ExtentMap

/// Extent trees at a commit: ext4's absolute block numbers, into the blocks of their nodes.
extension FileSystem {
  func encodeMap(_ node: Node, _ operation: Operation) throws(FileSystemError) {
    guard let map = node.map else { return }
    operation.reserved = node.reservedNodes
    defer {
      node.reservedNodes = operation.reserved
      operation.reserved = 0
      blocks.release(settleReservation(node, available: 0))
    }
    if let root = try encodeTree(of: node, map, operation) { node.inode.blockArea = root }
  }

  /// Encodes a map's changed nodes into their blocks. Returns the new `i_block`, if it changed.
  /// Called under `node.state`.
  ///
  /// Nodes that moved go to the blocks that the shift set aside for them; others without a block take
  /// one from the operation's reservation. Nothing on the device refers to a fresh block before the
  /// commit record is there, so fresh ones are written to their homes and stay out of the log: it
  /// holds what is rewritten in place, bitmaps and the inode.
  func encodeTree(
    of node: Node, _ map: ExtentMap, _ operation: Operation
  ) throws(FileSystemError) -> [UInt8]? {
    let shift = node.pendingShift
    node.pendingShift = nil
    var pool = FreshBlocks(shift?.blocks ?? [])
    guard map.hasChanges else {
      try giveBack(pool, operation)
      return nil
    }
    let seed = checksumSeed(inode: node.number, generation: node.inode.generation)
    var gained = 0
    var freed: [BlockAddress] = []
    let root = try map.encode(
      relocateShifted: shift?.relocates ?? false,
      allocate: { (count) throws(FileSystemError) -> [BlockAddress] in
        gained = count
        if count > 0 { device.note(.extentSplit) }
        var taken = pool.take(count)
        if taken.count < count {
          let goal = homeGoal(of: node)
          while taken.count < count {
            taken.append(try operation.allocateMetadataBlock(near: goal))
          }
        }
        return taken
      },
      write: { (encoded) throws(FileSystemError) in
        let buffer = try target(of: encoded, operation)
        let image = try ExtentNode(encoded.contents, depth: encoded.depth)
        var bytes = buffer.mutableBytes
        image.encode(into: &bytes, checksumSeed: seed)
      },
      freed: { freed.append($0) })
    try giveBack(pool, operation)
    try freeNodes(freed, operation)
    node.inode.blocks512 += UInt64(gained) * sectorsPerBlock
    node.inode.blocks512 -= min(node.inode.blocks512, UInt64(freed.count) * sectorsPerBlock)
    guard let root else { return nil }
    return try ExtentNode(root.contents, depth: root.depth).encodeRoot()
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

  private func giveBack(
    _ unused: FreshBlocks, _ operation: Operation
  ) throws(FileSystemError) {
    for run in unused.runs { try operation.free(BlockAddress(run.start), count: run.count) }
  }

  private func target(
    of node: EncodedExtentNode, _ operation: Operation
  ) throws(FileSystemError) -> BlockBuffer {
    if node.isFresh || isPlanted(.leafOverwrittenInPlace) {
      return operation.newUnloggedBlock(node.address)
    }
    let buffer = try read(node.address) { _ in }
    operation.modify(node.address, buffer)
    return buffer
  }
}

/// Blocks set aside, given out one by one.
private struct FreshBlocks {
  private(set) var runs: [BlockAllocator.Run]

  /// The runs are used from the last on.
  init(_ runs: [BlockAllocator.Run]) { self.runs = runs.reversed() }

  mutating func take(_ count: Int) -> [BlockAddress] {
    var taken: [BlockAddress] = []
    taken.reserveCapacity(count)
    while taken.count < count, let run = runs.popLast() {
      let used = min(run.count, UInt64(count - taken.count))
      for block in run.start..<run.start + used { taken.append(BlockAddress(block)) }
      if used < run.count {
        runs.append(BlockAllocator.Run(start: run.start + used, count: run.count - used))
      }
    }
    return taken
  }
}
