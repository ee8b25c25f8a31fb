import ExtantBase

extension ExtentMap {
  /// Unmaps `lower ..< upper` and maps `put`, if given, there. Appends what was mapped to `removed`.
  /// Everything that `prepare(lower, upper)` loads must be loaded.
  func edit(_ lower: Int, _ upper: Int, _ put: Part?, _ removed: inout [ExtentRun])
    throws(FileSystemError)
  {
    let node = try loadTop()
    let edit = try edit(
      node, leadingGap, bound: Int.max, lower, upper, put, isLast: true, &removed)
    guard edit.isChanged else { return }
    hasChanges = true
    leadingGap = edit.start
    if edit.isEmpty {
      leadingGap = 0
      if node.level > 0 {
        retire(node)
        top = .node(makeHomelessNode(level: 0))
        height = 0
      }
    } else if let sibling = edit.sibling {
      growTop(node, sibling)
    } else {
      shrinkTop()
    }
  }

  /// Puts a new topmost node above `node`, the present one, and `sibling`.
  func growTop(_ node: Node, _ sibling: (node: Node, start: Int)) {
    let parent = makeHomelessNode(level: node.level + 1)
    parent.children = [.node(node), .node(sibling.node)]
    parent.steps.append(sibling.start - leadingGap)
    parent.steps.append(0)
    // A node that lived in the inode must be written somewhere now.
    if node.home == nil { markDirty(node) }
    top = .node(parent)
    height = parent.level
  }

  func shrinkTop() {
    while case .node(let node) = top, node.level > 0, node.count == 1 {
      retire(node)
      top = node.children[0]
      height -= 1
    }
  }

  private func edit(
    _ node: Node, _ start: Int, bound: Int, _ lower: Int, _ upper: Int, _ put: Part?, isLast: Bool,
    _ removed: inout [ExtentRun]
  ) throws(FileSystemError) -> Edit {
    if node.level == 0 {
      return editLeaf(node, start, lower, upper, put, isLast: isLast, &removed)
    }
    let (index, reached) = node.find(lower, from: start)
    let next = self.bound(after: index, start: reached, of: node, bound: bound)
    let isLastChild = index == node.count - 1
    if !isLastChild, next < upper {
      return try editAcross(
        node, start, bound: bound, lower, upper, put, isLast: isLast, &removed, index, reached)
    }
    let child = try child(index, of: node, start: reached, bound: next)
    let edit = try edit(
      child, reached, bound: next, lower, upper, put, isLast: isLast && isLastChild, &removed)
    guard edit.isChanged else { return .unchanged(start) }
    markChanged(node)
    guard edit.sibling == nil, !edit.isEmpty else {
      var elements: [(start: Int, child: Child)] = []
      if !edit.isEmpty { elements.append((edit.start, .node(child))) }
      if let sibling = edit.sibling { elements.append((sibling.start, .node(sibling.node))) }
      if edit.isEmpty { retire(child) }
      return replaceChildren(
        of: node, start, index..<index + 1, at: reached, next: isLastChild ? nil : next, elements,
        isLast: isLast)
    }
    var result = Edit(start: index == 0 ? edit.start : start)
    let moved = edit.start - reached
    if moved != 0 {
      // The node's own first key changes: it was edited, not merely moved as a whole.
      if index == 0 { markDirty(node) }
      if index > 0 { node.steps.add(moved, at: index - 1) }
      if !isLastChild { node.steps.add(-moved, at: index) }
    }
    if edit.isShrunk { result.isShrunk = mergeChildren(of: node, around: index) }
    return result
  }

  /// The edit of a range that begins in child `first`, at `firstStart`, and ends in another one.
  private func editAcross(
    _ node: Node, _ start: Int, bound: Int, _ lower: Int, _ upper: Int, _ put: Part?, isLast: Bool,
    _ removed: inout [ExtentRun], _ first: Int, _ firstStart: Int
  ) throws(FileSystemError) -> Edit {
    var elements: [(start: Int, child: Child)] = []
    var isChanged = false
    var index = first
    var reached = firstStart
    var next: Int?
    // Whole children between the two ends become empty on the way.
    while true {
      let isLastChild = index == node.count - 1
      let bound = self.bound(after: index, start: reached, of: node, bound: bound)
      let child = try child(index, of: node, start: reached, bound: bound)
      let edit = try edit(
        child, reached, bound: bound, lower, upper, index == first ? put : nil,
        isLast: isLast && isLastChild, &removed)
      isChanged = isChanged || edit.isChanged
      if edit.isEmpty {
        retire(child)
      } else {
        elements.append((edit.start, .node(child)))
        if let sibling = edit.sibling { elements.append((sibling.start, .node(sibling.node))) }
      }
      index += 1
      if isLastChild { break }
      next = bound
      reached = bound
      if bound >= upper { break }
      next = nil
    }
    guard isChanged else { return .unchanged(start) }
    return replaceChildren(
      of: node, start, first..<index, at: firstStart, next: next, elements, isLast: isLast)
  }

  /// Puts `elements` in the place of the children in `range`, the first of which started at
  /// `rangeStart`; `next` is where the child behind them starts.
  private func replaceChildren(
    of node: Node, _ start: Int, _ range: Range<Int>, at rangeStart: Int, next: Int?,
    _ elements: [(start: Int, child: Child)], isLast: Bool
  ) -> Edit {
    let first = range.lowerBound
    let before = first > 0 ? rangeStart - node.steps[first - 1] : nil
    var steps: [Int] = []
    for index in elements.indices {
      let following = index + 1 < elements.count ? elements[index + 1].start : next
      steps.append(following.map { $0 - elements[index].start } ?? 0)
    }
    let isShrunk = elements.count < range.count
    let firstNow = elements.first?.start ?? next
    let stepBefore = before.flatMap { before in firstNow.map { $0 - before } } ?? 0
    node.steps.replace(range, with: steps, before: stepBefore)
    node.children.replaceSubrange(range, with: elements.map(\.child))
    markDirty(node)

    var edit = Edit(start: first > 0 ? start : firstNow ?? start)
    edit.isEmpty = node.count == 0
    edit.isShrunk = isShrunk
    if node.count > capacities.index {
      let atEnd = isLast && first + elements.count == node.count
      edit.sibling = split(node, edit.start, at: atEnd ? capacities.index : (node.count + 1) / 2)
    } else if elements.count <= range.count, node.count > 1 {
      // From the back, so that the indices in front stay right.
      let last = min(first + elements.count, node.count - 1)
      for index in stride(from: last, through: max(first - 1, 1), by: -1) {
        if mergeChildren(of: node, index - 1) { edit.isShrunk = true }
      }
    }
    return edit
  }

  /// Merges child `index` with the neighbours that it fits together with. True if it did.
  private func mergeChildren(of node: Node, around index: Int) -> Bool {
    var didMerge = false
    if index < node.count - 1, mergeChildren(of: node, index) { didMerge = true }
    if index > 0, mergeChildren(of: node, index - 1) { didMerge = true }
    return didMerge
  }

  /// Merges children `index` and `index + 1` if they leave some room in one node.
  func mergeChildren(of node: Node, _ index: Int) -> Bool {
    guard let left = mergeable(index, of: node, beside: index + 1),
      let right = mergeable(index + 1, of: node, beside: index)
    else { return false }
    let capacity = capacities.of(level: left.level)
    guard left.count + right.count <= capacity - capacity / 4 else { return false }
    merge(right, into: left, distance: node.steps[index])
    let step = index + 1 < node.count - 1 ? node.steps[index] + node.steps[index + 1] : 0
    node.steps.replace(index + 1..<index + 2, with: [], before: step)
    node.children.remove(at: index + 1)
    markDirty(node)
    return true
  }

  /// The child, loaded if need be only where the one beside it has come down to few entries. Merging
  /// is a help, not a duty: where it cannot be loaded, nothing is merged.
  private func mergeable(_ index: Int, of node: Node, beside other: Int) -> Node? {
    if case .node(let child) = node.children[index] { return child }
    guard index < node.count - 1, case .node(let neighbour) = node.children[other],
      neighbour.count <= capacities.of(level: neighbour.level) / 8
    else { return nil }
    return try? child(index, of: node, start: 0, bound: node.steps[index])
  }

  /// Moves all of `right`, which starts `distance` behind the start of `left`, into `left`.
  func merge(_ right: Node, into left: Node, distance: Int) {
    left.absorb(right, distance: distance - left.offset(of: left.count - 1))
    markDirty(left)
    retire(right)
  }
}
