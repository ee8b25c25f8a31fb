import ExtantBase

extension ExtentMap {
  /// A clean node from what the device says, and where it starts; checks what the map relies on.
  static func makeNode(
    _ contents: ExtentNodeContents, level: Int, capacity: Int, address: BlockAddress?
  ) throws(FileSystemError) -> (node: Node, start: Int) {
    func corrupt(_ rule: String) -> FileSystemError {
      .corrupt(Corruption("extent node", block: address, rule))
    }
    let node = Node(level: level, capacity: capacity)
    var start = 0
    var reached: UInt64 = 0
    var previous: UInt64 = 0
    let limit = LogicalBlock.limit.rawValue
    func place(_ position: UInt64) throws(FileSystemError) {
      guard position < limit, node.count == 0 || position > previous, position >= reached else {
        throw corrupt("entries ascend and do not overlap (\(position) after \(reached))")
      }
      if node.count == 0 {
        start = Int(position)
      } else {
        node.steps.add(Int(position - previous), at: node.count - 1)
      }
      node.steps.append(0)
      previous = position
    }
    guard (1...capacity).contains(contents.count) else {
      throw corrupt("\(contents.count) entries are at least 1 and at most \(capacity)")
    }
    switch contents {
    case .leaf(let runs):
      guard level == 0 else { throw corrupt("a node of depth \(level) is an index") }
      node.entries.reserve(runs.count)
      for run in runs {
        try place(run.logical.rawValue)
        guard run.count > 0, run.count <= run.state.maximumCount, run.state != .delayed,
          run.count <= limit - run.logical.rawValue, !run.address.isVirtual
        else { throw corrupt("the extent at \(run.logical.rawValue) has a valid length") }
        reached = run.logical.rawValue + run.count
        node.entries.append(
          Entry(address: run.address.rawValue, length: UInt32(run.count), state: run.state))
      }
    case .index(let entries):
      guard level > 0 else { throw corrupt("a node of depth 0 is a leaf") }
      node.children.reserveCapacity(entries.count)
      for entry in entries {
        try place(entry.key.rawValue)
        node.children.append(.unloaded(address: entry.address, key: UInt32(entry.key.rawValue)))
      }
    }
    node.isDirty = false
    node.isChanged = false
    node.keyOffset = 0
    node.writtenStart = start
    return (node, start)
  }

  /// Reads the node at `address`. `span` is what the tree has room for behind its start.
  private func load(_ address: BlockAddress, level: Int, key: UInt32, span: Int)
    throws(FileSystemError) -> Node
  {
    let contents = try source.loadNode(
      at: address, depth: level, key: LogicalBlock(UInt64(key)))
    let (node, start) = try Self.makeNode(
      contents, level: level, capacity: capacities.of(level: level), address: address)
    let last = start + node.offset(of: node.count - 1)
    let end = level == 0 ? last + Int(node.entries[node.count - 1].length) : last + 1
    guard start == Int(key) else {
      throw .corrupt(
        Corruption(
          "extent node", block: address, "first block \(start) equals the key \(key) in its parent")
      )
    }
    guard end - start <= span else {
      throw .corrupt(
        Corruption(
          "extent node", block: address, "last block \(end - 1) lies before the next node's first"))
    }
    node.home = address
    return node
  }

  /// The topmost node.
  func loadTop() throws(FileSystemError) -> Node {
    switch top {
    case .node(let node): return node
    case .unloaded(let address, let key):
      let node = try load(address, level: height, key: key, span: Int.max)
      top = .node(node)
      return node
    }
  }

  /// Child `index` of `parent`, which starts at `start`; what follows it starts at `bound`.
  func child(_ index: Int, of parent: Node, start: Int, bound: Int)
    throws(FileSystemError) -> Node
  {
    switch parent.children[index] {
    case .node(let node): return node
    case .unloaded(let address, let key):
      let node = try load(address, level: parent.level - 1, key: key, span: bound - start)
      parent.children[index] = .node(node)
      return node
    }
  }

  /// Where the element behind `index` starts, in a node that `bound` ends.
  func bound(after index: Int, start: Int, of node: Node, bound: Int) -> Int {
    index < node.count - 1 ? start + node.steps[index] : bound
  }

  /// Loads every node that an edit of `lower ..< upper` may touch.
  func prepare(_ lower: Int, _ upper: Int) throws(FileSystemError) {
    try prepare(loadTop(), leadingGap, bound: Int.max, lower, upper)
  }

  private func prepare(_ node: Node, _ start: Int, bound: Int, _ lower: Int, _ upper: Int)
    throws(FileSystemError)
  {
    if node.level == 0 { return }
    var (index, reached) = node.find(lower, from: start)
    while true {
      let next = self.bound(after: index, start: reached, of: node, bound: bound)
      let child = try child(index, of: node, start: reached, bound: next)
      try prepare(child, reached, bound: next, lower, upper)
      index += 1
      if index == node.count || next >= upper { return }
      reached = next
    }
  }

  /// Forgets what can be loaded again: all clean nodes below the topmost. Their memory is given
  /// back. Does nothing while delayed runs exist, since those are nowhere else.
  public func unloadCleanNodes() {
    guard delayedCount == 0, case .node(let node) = top else { return }
    unload(node, leadingGap)
  }

  private func unload(_ node: Node, _ start: Int) {
    var reached = start
    for index in node.children.indices {
      if case .node(let child) = node.children[index] {
        if let home = child.home, !child.isChanged, child.keyOffset == 0,
          child.writtenStart == reached
        {
          node.children[index] = .unloaded(address: home, key: UInt32(reached))
        } else {
          unload(child, reached)
        }
      }
      reached += node.steps[index]
    }
  }
}
