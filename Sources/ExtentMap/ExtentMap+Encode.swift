import ExtantBase

/// What an encode found to do, before it does any of it.
private struct EncodePlan {
  var relocateShifted: Bool
  /// Nodes looked at, for the bookkeeping afterwards; children before parents.
  var visited: [(node: Node, start: Int)] = []
  /// Nodes to write, children before parents.
  var written: [(node: Node, start: Int, isFresh: Bool)] = []
  var freshCount = 0
  /// Blocks that hold nothing of the tree any more.
  var freed: [BlockAddress] = []
}

extension ExtentMap {
  /// Brings the tree on disk up to date: ext4's absolute block numbers are made here.
  ///
  /// Only nodes that changed, or whose place in the file did, are visited; a clean subtree costs
  /// O(1). Delayed runs are left out, and nodes that hold nothing else are not written.
  ///
  /// - `relocateShifted`: a node whose only change is its place in the file goes to a fresh block
  ///   and its old one is freed, instead of being rewritten in place.
  /// - `allocate(count)`: called at most once, before anything else, never with 0, with exactly the
  ///   number of fresh blocks needed; at most ``freshBlocksNeeded(relocateShifted:)``. Returns that
  ///   many addresses.
  /// - `write`: called once for every node that goes to a block, children before parents.
  /// - `freed`: called after all writes for each block that the tree on disk no longer uses.
  ///
  /// Returns the root to store in the inode, nil where it did not change. Afterwards every node is
  /// clean.
  ///
  /// Throws what loading, `allocate` or `write` throws, ENOSPC where `allocate` returned too few
  /// addresses, EFBIG where the tree is deeper than ext4 knows (340 or 84 entries a node, merged when
  /// they grow few, never get there). The map is then as before, as if encode had not been called; addresses that
  /// `allocate` had returned are the caller's to give back.
  public func encode(
    relocateShifted: Bool,
    allocate: (_ count: Int) throws(FileSystemError) -> [BlockAddress],
    write: (_ node: EncodedExtentNode) throws(FileSystemError) -> Void,
    freed: (_ address: BlockAddress) -> Void
  ) throws(FileSystemError) -> ExtentRoot? {
    guard hasChanges else { return nil }
    var plan = EncodePlan(relocateShifted: relocateShifted)
    let isInline = try planTop(&plan)
    guard height + (isInline ? 0 : 1) <= capacities.depth else { throw .refused(.fileTooLarge) }

    if plan.freshCount > 0 {
      let addresses = try allocate(plan.freshCount)
      guard addresses.count >= plan.freshCount else { throw .refused(.noSpace) }
      var next = 0
      for item in plan.written where item.isFresh {
        item.node.nextHome = addresses[next]
        next += 1
      }
    }
    for item in plan.written {
      guard let address = item.node.nextHome else { continue }
      try write(
        EncodedExtentNode(
          depth: item.node.level, contents: contents(of: item.node, item.start), address: address,
          isFresh: item.isFresh))
    }
    let root = encodedRoot(isInline: isInline)

    for item in plan.visited { finish(item.node, item.start) }
    for address in plan.freed { freed(address) }
    for address in orphanedHomes { freed(address) }
    orphanedHomes = []
    shiftFloor = Int.max
    hasChanges = false
    guard root != writtenRoot else { return nil }
    writtenRoot = root
    return root
  }

  private func encodedRoot(isInline: Bool) -> ExtentRoot {
    switch top {
    case .unloaded(let address, let key):
      let entry = ExtentIndex(key: LogicalBlock(UInt64(key)), address: address)
      return ExtentRoot(depth: height + 1, contents: .index([entry]))
    case .node(let node):
      guard node.nextKey >= 0 else { return .empty }
      if !isInline, let home = node.nextHome {
        let entry = ExtentIndex(key: Self.block(node.nextKey), address: home)
        return ExtentRoot(depth: height + 1, contents: .index([entry]))
      }
      return ExtentRoot(depth: height, contents: contents(of: node, leadingGap))
    }
  }

  /// Plans the whole tree. True if the topmost node goes into the inode.
  private func planTop(_ plan: inout EncodePlan) throws(FileSystemError) -> Bool {
    if case .unloaded(_, let key) = top, leadingGap == Int(key) { return false }
    let node = try loadTop()
    let contents = try planContents(node, leadingGap, bound: Int.max, &plan)
    node.nextKey = contents.key
    if contents.count <= capacities.root {
      // Nothing at all to store counts as fitting, too.
      if let home = node.home { plan.freed.append(home) }
      node.nextHome = nil
      plan.visited.append((node, leadingGap))
      return true
    }
    settle(node, leadingGap, isChanged: contents.isChanged, &plan)
    return false
  }

  /// Plans the subtree of `node`, not the topmost. True if its parent on disk must say something
  /// else than it does.
  private func plan(_ node: Node, _ start: Int, bound: Int, _ plan: inout EncodePlan)
    throws(FileSystemError) -> Bool
  {
    if !node.isChanged, start == node.writtenStart {
      node.nextKey = node.keyOffset < 0 ? -1 : start + node.keyOffset
      node.nextHome = node.home
      return false
    }
    let contents = try planContents(node, start, bound: bound, &plan)
    let oldKey = node.home == nil ? -1 : node.writtenStart + node.keyOffset
    let oldHome = node.home
    node.nextKey = contents.key
    if contents.key < 0 {
      if let home = node.home { plan.freed.append(home) }
      node.nextHome = nil
      plan.visited.append((node, start))
      return oldHome != nil
    }
    let isFresh = settle(node, start, isChanged: contents.isChanged, &plan)
    return isFresh || contents.key != oldKey
  }

  /// What a node will hold on disk: its first key (negative: nothing), the number of its entries,
  /// and whether they differ from what it holds now.
  private func planContents(
    _ node: Node, _ start: Int, bound: Int, _ plan: inout EncodePlan
  ) throws(FileSystemError) -> (key: Int, count: Int, isChanged: Bool) {
    var key = -1
    var count = 0
    var isChanged = node.isDirty
    var reached = start
    for index in 0..<node.count {
      var entryKey = reached
      if node.level == 0 {
        if node.entries[index].state == .delayed { entryKey = -1 }
        isChanged = isChanged || start != node.writtenStart
      } else {
        let next = self.bound(after: index, start: reached, of: node, bound: bound)
        if case .unloaded(_, let written) = node.children[index], Int(written) == reached {
          // As it was.
        } else {
          let child = try child(index, of: node, start: reached, bound: next)
          if try self.plan(child, reached, bound: next, &plan) { isChanged = true }
          entryKey = child.nextKey
        }
      }
      if entryKey >= 0 {
        if key < 0 { key = entryKey }
        count += 1
      }
      reached += node.steps[index]
    }
    return (key, count, isChanged)
  }

  /// Decides where `node` goes. True if to a fresh block.
  @discardableResult
  private func settle(
    _ node: Node, _ start: Int, isChanged: Bool, _ plan: inout EncodePlan
  ) -> Bool {
    plan.visited.append((node, start))
    node.nextHome = node.home
    guard isChanged || node.home == nil else { return false }
    let isMoved = plan.relocateShifted && !node.isDirty && start != node.writtenStart
    let isFresh = node.home == nil || isMoved
    if isFresh {
      plan.freshCount += 1
      if let home = node.home { plan.freed.append(home) }
    }
    plan.written.append((node, start, isFresh))
    return isFresh
  }

  private func finish(_ node: Node, _ start: Int) {
    if (node.home == nil) != (node.nextHome == nil) {
      homelessCount += node.nextHome == nil ? 1 : -1
    }
    if node.isChanged {
      if node.home == nil { changedHomelessCount -= 1 } else { changedHomeCount -= 1 }
    }
    node.home = node.nextHome
    node.writtenStart = start
    node.keyOffset = node.nextKey < 0 ? -1 : node.nextKey - start
    node.isDirty = false
    node.isChanged = false
    node.hadDelayed = node.holdsDelayed
  }

  /// The entries of a node as they go to disk, after its children were planned and have addresses.
  private func contents(of node: Node, _ start: Int) -> ExtentNodeContents {
    var reached = start
    if node.level == 0 {
      var runs: [ExtentRun] = []
      runs.reserveCapacity(node.count)
      for index in 0..<node.count {
        if node.entries[index].state != .delayed {
          runs.append(Self.run(node.entries[index], at: reached))
        }
        reached += node.steps[index]
      }
      return .leaf(runs)
    }
    var entries: [ExtentIndex] = []
    entries.reserveCapacity(node.count)
    for index in 0..<node.count {
      switch node.children[index] {
      case .unloaded(let address, _):
        entries.append(ExtentIndex(key: Self.block(reached), address: address))
      case .node(let child):
        if child.nextKey >= 0, let address = child.nextHome {
          entries.append(ExtentIndex(key: Self.block(child.nextKey), address: address))
        }
      }
      reached += node.steps[index]
    }
    return .index(entries)
  }
}
