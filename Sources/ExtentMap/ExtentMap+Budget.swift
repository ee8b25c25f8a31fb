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

  /// By how many blocks the tree on disk grows at the next encode, or shrinks: what ext4 would
  /// have done at once. Nodes that hold delayed runs alone count too. O(1).
  public var pendingNodeChange: Int {
    var freed = orphanedHomes.count
    if case .node(let node) = top, node.home != nil, node.count <= capacities.root { freed += 1 }
    return nodesWithoutHome - freed
  }

  /// The most that an encode now would ask `allocate` for. O(1) without `relocateShifted`, else as
  /// ``shiftedNodeBound(from:)``.
  public func freshBlocksNeeded(relocateShifted: Bool) throws(FileSystemError) -> Int {
    guard relocateShifted, shiftFloor != Int.max else { return nodesWithoutHome }
    return try nodesWithoutHome + shiftedNodeBound(from: Self.block(max(0, shiftFloor)))
  }

  /// The most nodes that have a block on disk and that moving everything from `block` on would
  /// move: what `collapse` or `insertGap` there adds to the fresh blocks of an encode with
  /// `relocateShifted`, beside ``worstCaseNewNodes(insertedEntries:)``.
  ///
  /// Loads index nodes behind `block` (one in 340 nodes at 4 KiB), never leaves for being counted.
  public func shiftedNodeBound(from block: LogicalBlock) throws(FileSystemError) -> Int {
    guard !isEmpty else { return 0 }
    return try countNodes(
      loadTop(), leadingGap, bound: Int.max, behind: Self.position(block))
  }

  private func countNodes(_ node: Node, _ start: Int, bound: Int, behind position: Int)
    throws(FileSystemError) -> Int
  {
    var total = node.home == nil ? 0 : 1
    guard node.level > 0 else { return total }
    var (index, reached) = node.find(position, from: start)
    if node.level == 1 { return total + node.count - index }
    while index < node.count {
      let next = self.bound(after: index, start: reached, of: node, bound: bound)
      let child = try child(index, of: node, start: reached, bound: next)
      total += try countNodes(child, reached, bound: next, behind: position)
      reached = next
      index += 1
    }
    return total
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
