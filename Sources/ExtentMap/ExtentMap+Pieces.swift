import ExtantBase

/// What a range of one map held, to be put into another map of the same filesystem. It belongs to
/// no map: its nodes have no blocks on disk, and the addresses it maps are its holder's.
public struct ExtentPiece: ~Copyable {
  /// Blocks of the range, holes included.
  public let count: UInt64
  public let delayedBlockCount: UInt64
  fileprivate let capacities: ExtentCapacities
  fileprivate var node: Node?
  /// From the range's first block to the first extent.
  fileprivate let offset: Int
  fileprivate let nodeCount: Int

  /// Whether the range was a hole.
  public var isEmpty: Bool { node == nil }
}

extension ExtentMap {
  /// Takes what `range` maps out of the map; a hole remains, which `collapse` closes if wanted.
  ///
  /// Cuts two paths and takes the subtrees between them as they are: O(log n) and a visit to each
  /// node (not extent) taken. Loads all of the range first; throws what that throws.
  public func extract(_ range: Range<LogicalBlock>) throws(FileSystemError) -> ExtentPiece {
    let lower = Self.position(range.lowerBound)
    let upper = Self.position(range.upperBound)
    let count = UInt64(upper - lower)
    let delayedBefore = delayedCount
    guard lower < upper, !isEmpty else { return piece(nil, count: count) }
    try prepare(max(0, lower - 1), upper == Int.max ? upper : upper + 1)
    guard try !isHole(range) else { return piece(nil, count: count) }
    hasChanges = true
    let (left, rest) = try cut(at: lower, loadTop(), leadingGap)
    guard let rest else { return piece(nil, count: count) }
    let (middle, right) = try cut(at: upper, rest.node, rest.start)
    try setTop(left, right)
    guard var middle else { return piece(nil, count: count) }
    while middle.node.count == 1, middle.node.level > 0,
      case .node(let child) = middle.node.children[0]
    {
      retire(middle.node)
      middle.node = child
    }
    var taken = 0
    var delayed = 0
    strip(middle.node, &taken, &delayed)
    homelessCount -= taken
    changedHomelessCount -= taken
    delayedCount = delayedBefore - delayed
    return ExtentPiece(
      count: count, delayedBlockCount: UInt64(delayed), capacities: capacities, node: middle.node,
      offset: middle.start - lower, nodeCount: taken)
  }

  private func piece(_ node: Node?, count: UInt64) -> ExtentPiece {
    ExtentPiece(
      count: count, delayedBlockCount: 0, capacities: capacities, node: node, offset: 0,
      nodeCount: 0)
  }

  /// Puts a piece where `block ..< block + piece.count` is a hole.
  ///
  /// Throws EEXIST where it is not, EFBIG where it would end after `LogicalBlock.limit`, EINVAL for
  /// a piece of a map with other capacities, or what loading throws; map and piece are then as
  /// before. Afterwards the piece is empty. O(log n).
  public func splice(_ piece: inout ExtentPiece, at block: LogicalBlock)
    throws(FileSystemError)
  {
    guard piece.capacities == capacities else { throw .refused(.invalidArgument) }
    let limit = LogicalBlock.limit.rawValue
    guard block.rawValue <= limit, piece.count <= limit - block.rawValue else {
      throw .refused(.fileTooLarge)
    }
    guard let node = piece.node else { return }
    let position = Self.position(block)
    let end = position + Int(piece.count)
    guard try isHole(block..<Self.block(end)) else { throw .refused(.fileExists) }
    if !isEmpty { try prepare(max(0, position - 1), end + 1) }
    piece.node = nil
    hasChanges = true
    homelessCount += piece.nodeCount
    changedHomelessCount += piece.nodeCount
    delayedCount += Int(piece.delayedBlockCount)
    let middle = Subtree(node: node, start: position + piece.offset)
    if isEmpty {
      try retire(loadTop())
      try setTop(nil, middle)
    } else {
      let (left, right) = try cut(at: position, loadTop(), leadingGap)
      try setTop(left, middle)
      try setTop(Subtree(node: loadTop(), start: leadingGap), right)
      if let right { try mergeSeam(at: right.start) }
    }
    try mergeSeam(at: middle.start)
  }

  private struct Subtree {
    var node: Node
    var start: Int
  }

  /// Cuts the subtree of `node` in two of the same level, at most one of them missing. An extent
  /// across the cut is split. The path to the cut must be loaded.
  private func cut(at position: Int, _ node: Node, _ start: Int)
    throws(FileSystemError) -> (Subtree?, Subtree?)
  {
    guard node.count > 0 else { return (nil, nil) }
    guard start < position else { return (nil, Subtree(node: node, start: start)) }
    let (index, reached) = node.find(position - 1, from: start)
    var split: Subtree?
    var splitEntry: Entry?
    if node.level == 0 {
      let entry = node.entries[index]
      let kept = position - reached
      if kept < Int(entry.length) {
        splitEntry = Entry(
          address: entry.address &+ UInt64(kept), length: entry.length - UInt32(kept),
          state: entry.state)
        node.entries[index].length = UInt32(kept)
        markDirty(node)
      }
    } else if case .node(let child) = node.children[index] {
      split = try cut(at: position, child, reached).1
      if child.isChanged { markChanged(node) }
    }
    let hasMore = index < node.count - 1
    let nextStart = hasMore ? reached + node.steps[index] : nil
    guard hasMore || split != nil || splitEntry != nil else {
      return (Subtree(node: node, start: start), nil)
    }
    homelessCount += 1
    changedHomelessCount += 1
    markDirty(node)
    let capacity = capacities.of(level: node.level)
    let right =
      hasMore
      ? node.splitOff(from: index + 1, capacity: capacity)
      : Node(level: node.level, capacity: capacity)
    let rightStart: Int
    if let splitEntry {
      right.entries.resize(0..<0, to: 1)
      right.entries[0] = splitEntry
      rightStart = position
    } else if let split {
      right.children.insert(.node(split.node), at: 0)
      rightStart = split.start
    } else {
      return (Subtree(node: node, start: start), Subtree(node: right, start: nextStart ?? position))
    }
    right.steps.replace(0..<0, with: [nextStart.map { $0 - rightStart } ?? 0], before: 0)
    return (Subtree(node: node, start: start), Subtree(node: right, start: rightStart))
  }

  /// Makes the map of two subtrees, one behind the other.
  private func setTop(_ left: Subtree?, _ right: Subtree?) throws(FileSystemError) {
    switch (left, right) {
    case (nil, nil):
      top = .node(makeHomelessNode(level: 0))
      height = 0
      leadingGap = 0
    case (let only?, nil), (nil, let only?):
      top = .node(only.node)
      height = only.node.level
      leadingGap = only.start
    case (let left?, let right?):
      let level = max(left.node.level, right.node.level)
      let first = raise(left.node, to: level)
      let second = raise(right.node, to: level)
      top = .node(first)
      height = level
      leadingGap = left.start
      var rightStart = right.start
      if !join(first, left.start, second, &rightStart) {
        if second.home == nil { markDirty(second) }
        growTop(first, (second, rightStart))
      }
    }
    shrinkTop()
  }

  /// Puts nodes with one child above `node` until `level` is reached.
  private func raise(_ node: Node, to level: Int) -> Node {
    var node = node
    while node.level < level {
      let parent = makeHomelessNode(level: node.level + 1)
      parent.children = [.node(node)]
      parent.steps.append(0)
      if node.home == nil { markDirty(node) }
      node = parent
    }
    return node
  }

  /// Merges the nodes on both sides of the seam between two subtrees of one level, from the leaves
  /// up, where they fit. True if all of `right` went into `left`.
  /// Otherwise `rightStart` is where what is left of `right` starts now.
  private func join(_ left: Node, _ leftStart: Int, _ right: Node, _ rightStart: inout Int) -> Bool
  {
    if left.level > 0, case .node(let last) = left.children[left.count - 1],
      case .node(let first) = right.children[0]
    {
      let lastStart = leftStart + left.offset(of: left.count - 1)
      let before = rightStart
      let step = right.steps[0]
      markChanged(left)
      markDirty(right)
      if join(last, lastStart, first, &rightStart) {
        rightStart = before + step
        right.steps.replace(0..<1, with: [], before: 0)
        right.children.removeFirst()
        if right.count == 0 {
          retire(right)
          return true
        }
      } else if right.count > 1 {
        right.steps.add(before - rightStart, at: 0)
      }
    }
    let capacity = capacities.of(level: left.level)
    guard left.count + right.count <= capacity - capacity / 4 else { return false }
    merge(right, into: left, distance: rightStart - leftStart)
    return true
  }

  /// Takes a subtree, all of it loaded, away from its blocks on disk.
  private func strip(_ node: Node, _ taken: inout Int, _ delayed: inout Int) {
    taken += 1
    if let home = node.home {
      orphanedHomes.append(home)
      homelessCount += 1
      if node.isChanged {
        changedHomeCount -= 1
        changedHomelessCount += 1
      }
      node.home = nil
    }
    node.keyOffset = -1
    markDirty(node)
    if delayedCount > 0 {
      for index in 0..<node.entries.count where node.entries[index].state == .delayed {
        delayed += Int(node.entries[index].length)
      }
    }
    for case .node(let child) in node.children { strip(child, &taken, &delayed) }
  }
}
