import Ext4Format
import ExtantBase
import ExtentMap

/// What shifts since the last commit made ready for their encoding.
struct PendingShift {
  /// The nodes behind this block are provided for: a further shift there needs nothing more.
  var floor: LogicalBlock
  /// Nodes that move at most.
  var nodeCount: Int
  /// Whether nodes that moved go to fresh blocks. Otherwise they are rewritten in place.
  var relocates: Bool
  /// Where they go: allocated already, in the transaction that will use them or free them.
  var blocks: [BlockAllocator.Run] = []

  var blockCount: Int { blocks.reduce(0) { $0 + Int($1.count) } }
}

/// Collapse and insert: atomic whatever the size of the file and of the journal.
///
/// ext4 stores absolute block numbers, so every node of the tree behind the cut is written anew, once
/// for all shifts between two commits. They go to fresh blocks, beside the log; the log takes the
/// inode, the path to the cut, and the bitmaps. Both are made sure of here, before the first change:
/// the blocks are allocated and the bitmaps of the old ones announced, so that the commit can meet
/// neither a full disk nor a full transaction.
extension FileContents {
  /// What must be made ready before a shift.
  private struct ShiftPlan {
    /// The shift moves what lies from here on; `prepareFrom` is in front of it or there.
    var prepareFrom: LogicalBlock
    var nodeCount = 0
    var relocates = false
    /// Blocks to reserve.
    var missing = 0
    /// Bitmaps and blocks of descriptors that hold the nodes' present blocks.
    var oldGroupBlocks = 0
    /// The same for the fresh ones: what may be used.
    var freshGroupBlocks = 0
  }

  /// Cuts the range out: what lies behind moves down. No data moves, no page leaves the cache.
  ///
  /// One step, whatever lies behind. Only where the range itself holds blocks in more groups than a
  /// transaction has room for bitmaps of, it is punched first, in steps, until the rest fits: a crash
  /// then can leave the range, or its end, a hole with nothing moved, but never a half of the shift.
  func collapseRange(_ range: Range<UInt64>) throws(FileSystemError) {
    guard range.lowerBound % blockSize64 == 0, range.upperBound % blockSize64 == 0 else {
      throw .refused(.invalidArgument)
    }
    let size = node.size
    guard range.upperBound < size else { throw .refused(.invalidArgument) }
    let blocks = wholeBlocks(in: range)
    let length = range.upperBound - range.lowerBound
    try shift(
      from: blocks.lowerBound, removing: blocks, newEntries: 1
    ) { (map, operation) throws(FileSystemError) in
      try free(try map.collapse(blocks), operation)
      node.inode.size = size - length
      node.diskSize =
        node.diskSize <= range.lowerBound
        ? node.diskSize : max(range.lowerBound, node.diskSize - min(node.diskSize, length))
    }
  }

  /// Opens a hole at the range's start: what lies behind moves up.
  func insertRange(_ range: Range<UInt64>) throws(FileSystemError) {
    guard range.lowerBound % blockSize64 == 0, range.upperBound % blockSize64 == 0 else {
      throw .refused(.invalidArgument)
    }
    let size = node.size
    let length = range.upperBound - range.lowerBound
    guard length <= fileSystem.maximumFileSize - min(size, fileSystem.maximumFileSize) else {
      throw .refused(.fileTooLarge)
    }
    guard range.lowerBound < size else { throw .refused(.invalidArgument) }
    let first = LogicalBlock(range.lowerBound / blockSize64)
    let count = length / blockSize64
    try node.withState { () throws(FileSystemError) in
      let end = try map.mappedEnd()
      guard first < end else { return }
      guard count <= LogicalBlock.limit.rawValue - end.rawValue else {
        throw .refused(.invalidArgument)
      }
    }
    try shift(
      from: first, removing: first..<first, newEntries: 2
    ) { (map, operation) throws(FileSystemError) in
      try map.insertGap(at: first, count: count)
      node.inode.size = size + length
      if node.diskSize > range.lowerBound { node.diskSize += length }
    }
  }

  /// Runs `change`, which frees `removed` and moves what is mapped from `block` on, when everything
  /// that its encoding needs is there. ENOSPC where it cannot be had, with nothing changed.
  private func shift(
    from block: LogicalBlock, removing removed: Range<LogicalBlock>, newEntries: Int,
    _ change: (ExtentMap, Operation) throws(FileSystemError) -> Void
  ) throws(FileSystemError) {
    var mayRelocate = true
    // A shift may have a transaction to itself.
    let limit = 2 * journal.maximumCredits - 1
    // Write-back and commits may change the tree between plan and operation. Each round finds it
    // as they left it, and they are done once the file's delayed blocks are.
    for _ in 0..<32 {
      var plan = ShiftPlan(prepareFrom: block)
      var needed: UInt64 = 0
      var step = RemovalStep(start: removed.lowerBound, groupBlocks: 0)
      var credits = 0
      try node.withState { () throws(FileSystemError) in
        // Loads the path, so that nothing below reads with a handle open.
        _ = try map.run(at: block)
        plan = try shiftPlan(map, from: block, mayRelocate: mayRelocate)
        needed = nodesNeeded(newEntries: newEntries) + UInt64(plan.missing)
        credits = fileSystem.credits() + (plan.relocates ? 0 : plan.nodeCount)
        // A few groups for the fresh blocks come first, all that is left over then.
        let wanted = fileSystem.groupBlocks(forSingleBlocks: plan.missing)
        let least = min(wanted, 8) + plan.oldGroupBlocks
        step = try removalStep(
          of: removed, limit: limit - credits - min(fileSystem.groupBlockCount, least),
          extentLimit: .max)
        let others = plan.oldGroupBlocks + step.groupBlocks
        plan.freshGroupBlocks = max(0, min(wanted, limit - credits - others))
        credits += min(fileSystem.groupBlockCount, others + plan.freshGroupBlocks)
      }
      if step.start > removed.lowerBound {
        try unmap(removed)
        continue
      }
      guard credits <= limit,
        try hasReserved(needed)
      else {
        // No room in the transaction for the bitmaps, or no room on the disk.
        guard plan.relocates, mayRelocate else { throw .refused(.noSpace) }
        mayRelocate = false
        try journal.commit()
        continue
      }
      let outcome = try perform(reserved: needed, credits: credits) {
        (operation) throws(FileSystemError) -> Preparation in
        try node.withState { () throws(FileSystemError) -> Preparation in
          let now = try removalStep(of: removed, limit: .max, extentLimit: .max)
          guard now.groupBlocks <= step.groupBlocks else { return .outdated }
          let prepared = try prepare(plan, for: block, map, operation)
          guard prepared == .ready else { return prepared }
          try change(map, operation)
          node.virtualWindow = nil
          operation.reserved = try settleNodes(available: operation.reserved, operation)
          operation.changed(node)
          return .ready
        }
      }
      switch outcome {
      case .ready: return
      case .outdated: break
      case .scattered:
        guard mayRelocate else { throw .refused(.noSpace) }
        mayRelocate = false
        try journal.commit()
      }
    }
    throw .refused(.noSpace)
  }

  /// Nodes alone: a shift takes no blocks for data.
  private func hasReserved(_ count: UInt64) throws(FileSystemError) -> Bool {
    do throws(FileSystemError) {
      try fileSystem.reserve(count, claim: .tree)
      return true
    } catch .refused(.noSpace) {
      return false
    }
  }

  /// What a shift from `block` on needs beyond what earlier ones since the commit made ready.
  private func shiftPlan(
    _ map: ExtentMap, from block: LogicalBlock, mayRelocate: Bool
  ) throws(FileSystemError) -> ShiftPlan {
    var plan = ShiftPlan(prepareFrom: block)
    if let pending = node.pendingShift {
      plan.relocates = pending.relocates
      if pending.floor <= block { return plan }
      // Further to the front for a second time: all of the file, so that there is no third.
      plan.prepareFrom = LogicalBlock(0)
    }
    var footprint = GroupFootprint(fileSystem.superblock)
    var count = 0
    try map.forEachShiftedNode(from: plan.prepareFrom) { address in
      count += 1
      footprint.add(address)
    }
    plan.nodeCount = count
    plan.relocates =
      plan.relocates || (count > fileSystem.options.nodesShiftedInPlace && mayRelocate)
    guard plan.relocates else { return plan }
    plan.missing = max(0, count - (node.pendingShift?.blockCount ?? 0))
    plan.oldGroupBlocks = footprint.count
    return plan
  }

  private enum Preparation {
    case ready
    /// The tree is not what the plan saw.
    case outdated
    /// The free blocks lie in too many groups.
    case scattered
  }

  /// Allocates what moved nodes will go to and announces what freeing their present blocks changes.
  private func prepare(
    _ plan: ShiftPlan, for block: LogicalBlock, _ map: ExtentMap,
    _ operation: Operation
  ) throws(FileSystemError) -> Preparation {
    var pending = node.pendingShift
    if let pending, pending.floor <= block { return .ready }
    var homes: [BlockAddress] = []
    var footprint = GroupFootprint(fileSystem.superblock)
    try map.forEachShiftedNode(from: plan.prepareFrom) { address in
      homes.append(address)
      footprint.add(address)
    }
    let missing = max(0, homes.count - (pending?.blockCount ?? 0))
    guard homes.count <= plan.nodeCount, footprint.count <= plan.oldGroupBlocks || !plan.relocates,
      missing <= plan.missing || !plan.relocates, plan.relocates || pending?.relocates != true
    else { return .outdated }
    if plan.relocates {
      try blocks.prepareToFree(homes, handle: operation)
      let fresh = try freshRuns(
        UInt64(missing), near: homeGoal, limit: plan.freshGroupBlocks, operation)
      guard let fresh else { return .scattered }
      pending = PendingShift(
        floor: plan.prepareFrom, nodeCount: homes.count, relocates: true,
        blocks: (pending?.blocks ?? []) + fresh)
    } else {
      pending = PendingShift(floor: plan.prepareFrom, nodeCount: homes.count, relocates: false)
    }
    node.pendingShift = pending
    operation.changed(node)
    return .ready
  }

  /// Allocates `count` of the operation's reserved blocks, in few runs. Nil, with all given back,
  /// where they lie in so many groups that more than `limit` bitmaps and blocks of descriptors change.
  private func freshRuns(
    _ count: UInt64, near goal: BlockAddress, limit: Int, _ operation: Operation
  ) throws(FileSystemError) -> [BlockAllocator.Run]? {
    var runs: [BlockAllocator.Run] = []
    var footprint = GroupFootprint(fileSystem.superblock)
    var goal = goal
    var missing = count
    while missing > 0, footprint.count <= limit {
      let run: (start: BlockAddress, count: UInt64)
      do throws(FileSystemError) {
        run = try blocks.allocate(goal: goal, wanted: missing, reserved: true, handle: operation)
      } catch {
        // Groups may be out of use that hold what was reserved.
        break
      }
      runs.append(BlockAllocator.Run(start: run.start.rawValue, count: run.count))
      footprint.add(run.start, count: run.count)
      operation.reserved -= min(run.count, operation.reserved)
      missing -= run.count
      goal = run.start + run.count
    }
    if missing == 0, footprint.count <= limit { return runs }
    for run in runs { try operation.free(BlockAddress(run.start), count: run.count) }
    return nil
  }
}
