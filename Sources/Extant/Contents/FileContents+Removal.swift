import BlockCache
import ExtantBase
import ExtentMap

/// Freeing any number of blocks, in steps that each fit a transaction.
extension FileContents {
  /// The end of a range that one operation may free.
  struct RemovalStep {
    /// Where it begins: at the range's start when it is the last one.
    var start: LogicalBlock
    /// Bitmaps and blocks of descriptors that it changes.
    var groupBlocks: Int
  }

  /// Extents that one step frees at most, so that others need not wait long for a commit.
  private static var longestStep: Int { 1 << 16 }

  /// How much of `range`, from its end, can be freed by changing at most `limit` bitmaps and blocks
  /// of descriptors. From the end, because a tree that only loses entries there never splits a node:
  /// a full disk can be emptied. Called under `node.state`; loads what it meets.
  func removalStep(
    of range: Range<LogicalBlock>, limit: Int, extentLimit: Int = longestStep
  ) throws(FileSystemError) -> RemovalStep {
    let limit = max(16, limit)
    var footprint = GroupFootprint(fileSystem.superblock)
    var start = range.upperBound
    var isWhole = true
    var extents = 0
    try map.forEachElement(in: range) { element in
      switch element {
      case .node(let address):
        // Its extents are in already, so that it goes with them.
        footprint.add(address)
        if footprint.count > limit { isWhole = false }
      case .run(let run):
        extents += 1
        let fitting = footprint.addFromEnd(run.address, count: run.count, limit: limit)
        if fitting > 0 { start = run.logical + (run.count - fitting) }
        if fitting < run.count || extents >= extentLimit { isWhole = false }
      }
      return isWhole
    }
    return RemovalStep(
      start: isWhole ? range.lowerBound : start,
      groupBlocks: min(footprint.count, fileSystem.groupBlockCount))
  }

  /// The same, with all that the journal takes in one operation.
  func removalStep(
    of range: Range<LogicalBlock>
  ) throws(FileSystemError) -> RemovalStep {
    try removalStep(of: range, limit: journal.maximumCredits - fileSystem.credits() - nodeSlack)
  }

  /// What nodes may add to a step that was full already: a bitmap and a descriptor on each level.
  private var nodeSlack: Int { 2 * (fileSystem.extentCapacities.depth + 1) }

  /// What an operation that takes `step` costs.
  func removalCredits(_ step: RemovalStep) -> Int {
    min(fileSystem.credits(freeing: max(16, step.groupBlocks) + nodeSlack), journal.maximumCredits)
  }

  /// Unmaps the end of `range` and frees it, as much as fits into `step`. Returns where the part
  /// begins that is gone. Called under `node.state`.
  ///
  /// What `step` said is looked at again: blocks may have got their homes since.
  func remove(
    _ step: RemovalStep, of range: Range<LogicalBlock>, _ operation: Operation
  ) throws(FileSystemError) -> LogicalBlock {
    guard !range.isEmpty else { return range.lowerBound }
    let now = try removalStep(
      of: range, limit: step.groupBlocks, extentLimit: Self.longestStep)
    try free(try map.remove(now.start..<range.upperBound), operation)
    operation.reserved = try settleNodes(available: operation.reserved, operation)
    return now.start
  }

  /// How many entries the map gains when `step` is taken: one where it leaves both ends of an
  /// extent. Called under `node.state`.
  private func entriesGained(
    byRemoving step: RemovalStep, of range: Range<LogicalBlock>
  ) throws(FileSystemError) -> Int {
    // Delayed runs may get homes meanwhile, and become one with their neighbours.
    if map.delayedBlockCount > 0 { return 1 }
    guard case .extent(let run) = try map.run(at: range.upperBound),
      run.logical < range.upperBound
    else { return 0 }
    return step.start == range.lowerBound && run.logical >= range.lowerBound ? 0 : 1
  }

  /// Unmaps the whole of `range`, in as many operations as it takes. The file is sound between them.
  func unmap(_ range: Range<LogicalBlock>) throws(FileSystemError) {
    var end = range.upperBound
    while range.lowerBound < end {
      let rest = range.lowerBound..<end
      let (step, credits) = try node.withState {
        () throws(FileSystemError) -> (RemovalStep, Int) in
        let step = try removalStep(of: rest)
        return (step, removalCredits(step))
      }
      let reserved = try fileSystem.reserve { () throws(FileSystemError) in
        try node.withState { () throws(FileSystemError) in
          let entries = try entriesGained(byRemoving: step, of: rest)
          return (nodesNeeded(newEntries: entries), .tree)
        }
      }
      end = try perform(reserved: reserved, credits: credits) {
        (operation) throws(FileSystemError) in
        try node.withState { () throws(FileSystemError) in
          let start = try remove(step, of: rest, operation)
          operation.changed(node)
          return start
        }
      }
    }
  }

  /// Frees runs that left the node's map. Called under `node.state`.
  func free(
    _ runs: [ExtentRun], _ operation: Operation
  ) throws(FileSystemError) {
    // They are out of the map: from here on a failure must not pass for a refusal.
    if !runs.isEmpty { operation.changed(node) }
    for run in runs {
      if run.state == .delayed {
        cache.discard(run.address, count: run.count)
        blocks.release(run.count)
      } else {
        try operation.free(run.address, count: run.count)
        charge(blocks: -Int64(clamping: run.count))
      }
    }
  }
}
