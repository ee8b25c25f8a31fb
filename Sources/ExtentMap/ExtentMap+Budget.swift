import ExtantBase

/// What an encode may cost in fresh blocks, so that an operation reserves it beforehand and the
/// commit never meets a full disk.
extension ExtentMap {
  /// Nodes that exist and need a block at the next encode; exact but for nodes that turn out to
  /// hold delayed runs alone. O(1).
  public var nodesWithoutHome: Int {
    if case .node(let node) = top, node.home == nil, node.count <= capacities.root {
      return homelessCount - 1
    }
    return homelessCount
  }

  /// Whether the topmost node goes back into the inode at the next encode and its block is freed.
  public var topGivesUpItsBlock: Bool {
    if case .node(let node) = top { return node.home != nil && node.count <= capacities.root }
    return false
  }

  /// By how many blocks the tree on disk grows at the next encode, or shrinks: what ext4 would
  /// have done at once. Nodes that hold delayed runs alone count too. O(1).
  public var pendingNodeChange: Int {
    var freed = orphanedHomes.count
    if topGivesUpItsBlock { freed += 1 }
    return nodesWithoutHome - freed
  }

  /// The most nodes that the next encode rewrites where they are, beside those that only moved: these
  /// are rewritten in place too without `relocateShifted`, see ``forEachShiftedNode(from:_:)``. O(1).
  public var changedNodeBound: Int { changedHomeCount }

  /// The most nodes without a block that the next encode gives one. Fewer than ``nodesWithoutHome``
  /// where delayed runs stay delayed: it is 0 after an encode. O(1).
  public var changedNodesWithoutHome: Int { changedHomelessCount }

  /// Blocks of nodes that are gone since the last encode. They are the caller's to free from here on:
  /// the next encode does not name them.
  public func takeOrphanedHomes() -> [BlockAddress] {
    defer { orphanedHomes = [] }
    return orphanedHomes
  }

  /// The most that an encode now would ask `allocate` for. O(1) without `relocateShifted`, else as
  /// ``forEachShiftedNode(from:_:)``.
  public func freshBlocksNeeded(relocateShifted: Bool) throws(FileSystemError) -> Int {
    guard relocateShifted, shiftFloor != Int.max else { return nodesWithoutHome }
    var count = nodesWithoutHome
    try forEachShiftedNode(from: Self.block(max(0, shiftFloor))) { _ in count += 1 }
    return count
  }

  /// Calls `body` with the block of every node that moving all from `block` on would move, of those
  /// that have one, and of the nodes on the path to `block`: what an encode with `relocateShifted`
  /// after `collapse` or `insertGap` there frees at most, and as many fresh blocks as it needs beside
  /// those for ``nodesWithoutHome``.
  ///
  /// Further shifts from `block` on, and edits anywhere, add nothing to them before the next encode.
  /// Loads index nodes behind `block` (one in 340 nodes at 4 KiB), never leaves; O(nodes behind it).
  public func forEachShiftedNode(
    from block: LogicalBlock, _ body: (BlockAddress) -> Void
  ) throws(FileSystemError) {
    guard !isEmpty else { return }
    try visitNodes(loadTop(), leadingGap, bound: Int.max, behind: Self.position(block), body)
  }

  private func visitNodes(
    _ node: Node, _ start: Int, bound: Int, behind position: Int, _ body: (BlockAddress) -> Void
  ) throws(FileSystemError) {
    if let home = node.home { body(home) }
    guard node.level > 0 else { return }
    var (index, reached) = node.find(position, from: start)
    while index < node.count {
      let next = self.bound(after: index, start: reached, of: node, bound: bound)
      switch node.children[index] {
      case .unloaded(let address, _) where node.level == 1: body(address)
      case .node(let leaf) where node.level == 1: if let home = leaf.home { body(home) }
      default:
        let child = try child(index, of: node, start: reached, bound: next)
        try visitNodes(child, reached, bound: next, behind: position, body)
      }
      reached = next
      index += 1
    }
  }

  /// The most by which ``nodesWithoutHome`` can grow while leaves gain `insertedEntries` entries.
  ///
  /// Entries that one call adds at most: `set` and `replace`, ceil(blocks / limit of the state) + 1;
  /// `remove`, `collapse` and `insertGap`, 1; `changeState`, 2 for each extent met. Each call counts
  /// at least 1. O(1), loads nothing.
  public func worstCaseNewNodes(insertedEntries: Int) -> Int {
    var splits = max(0, insertedEntries)
    if case .node(let node) = top, node.level == 0 {
      if node.count + splits <= min(capacities.root, capacities.leaf) { return 0 }
      // A block of a leaf that fits the root is given back at the next encode.
      let keepsHome = node.home != nil && node.count > capacities.root
      if node.count + splits <= capacities.leaf { return keepsHome ? 0 : 1 }
    }
    // A level splits once for each node that is full already, then once in half a node's capacity;
    // and never more often than the level below gains elements.
    var full: [Int] = []
    var nodes = 1
    for level in stride(from: height, through: 0, by: -1) {
      full.append(nodes)
      if level == height, case .node(let node) = top {
        nodes = node.count
      } else {
        nodes = min(nodes * capacities.index, 1 << 32)
      }
    }
    full.reverse()
    // The topmost node may have to leave the inode, and one above it, too.
    var total = 1
    var level = 0
    while splits > 0 {
      if level < full.count {
        splits = min(splits, full[level] + splits / max(1, capacities.of(level: level) / 2))
      } else {
        // Levels to come hold at least two of the level below in each node but one.
        splits = (splits + 1) / 2
      }
      total += splits
      if level > height, splits <= 1 { break }
      level += 1
    }
    return total + 1
  }
}
