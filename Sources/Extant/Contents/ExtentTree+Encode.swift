import BlockIO
import Ext4Format
import ExtantBase
import ExtentMap

/// ext4's absolute block numbers, into the blocks of the tree's nodes.
extension ExtentTree {
  /// Nodes that moved go to the blocks that the shift set aside for them; others without a block take
  /// one from the operation's reservation. Nothing on the device refers to a fresh block before the
  /// commit record is there, so fresh ones are written to their homes and stay out of the log: it
  /// holds what is rewritten in place, bitmaps and the inode.
  func encode(
    _ contents: FileContents, pending: PendingShift?, _ operation: Operation
  ) throws(FileSystemError) {
    var pool = FreshBlocks(pending?.blocks ?? [])
    guard map.hasChanges else { return try giveBack(pool, operation) }
    let seed = contents.checksumSeed
    var gained = 0
    var freed: [BlockAddress] = []
    let root = try map.encode(
      relocateShifted: pending?.relocates ?? false,
      allocate: { (count) throws(FileSystemError) -> [BlockAddress] in
        gained = count
        if count > 0 { contents.device.note(.extentSplit) }
        var taken = pool.take(count)
        if taken.count < count {
          let goal = contents.homeGoal
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
    try contents.freeNodes(freed, operation)
    contents.charge(blocks: Int64(gained) - Int64(freed.count))
    if let root {
      contents.node.inode.blockArea = try ExtentNode(root.contents, depth: root.depth).encodeRoot()
    }
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
    let buffer = try operation.fileSystem.read(node.address) { _ in }
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
