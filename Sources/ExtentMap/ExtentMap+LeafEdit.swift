import ExtantBase

/// An extent with its place, while a leaf is being edited.
struct Part {
  var start: Int
  var length: Int
  var address: UInt64
  var state: ExtentState

  static let empty = Part(start: 0, length: 0, address: 0, state: .written)

  var end: Int { start + length }

  var limit: Int { Int(state.maximumCount) }

  init(start: Int, length: Int, address: UInt64, state: ExtentState) {
    self.start = start
    self.length = length
    self.address = address
    self.state = state
  }

  init(_ entry: Entry, at start: Int) {
    self.init(
      start: start, length: Int(entry.length), address: entry.address, state: entry.state)
  }

  var entry: Entry { Entry(address: address, length: UInt32(length), state: state) }

  var run: ExtentRun { ExtentMap.run(entry, at: start) }

  /// Whether `next` goes on where this one ends, in the file, on the device and in state.
  func isContinued(by next: Part) -> Bool {
    end == next.start && state == next.state && address &+ UInt64(length) == next.address
  }
}

/// What an edit did to a node, for its parent to follow.
struct Edit {
  /// Where the node starts now; without meaning if it is empty.
  var start: Int
  var isEmpty = false
  /// The upper part of a node that overflowed, and where it starts.
  var sibling: (node: Node, start: Int)?
  var isChanged = true
  /// Elements were removed: a neighbour may have room for the rest.
  var isShrunk = false

  static func unchanged(_ start: Int) -> Edit { Edit(start: start, isChanged: false) }
}

extension ExtentMap {
  /// Unmaps `lower ..< upper` in a leaf and maps `put`, which is exactly that range if given.
  /// Appends what was mapped to `removed`.
  ///
  /// `put` merges with what it continues within the leaf. Where the limit of its state is in the
  /// way, the extent before it is filled up and the rest remains its own: so pieces written one
  /// after the other end up in as few extents as one piece.
  func editLeaf(
    _ leaf: Node, _ start: Int, _ lower: Int, _ upper: Int, _ put: Part?, isLast: Bool,
    _ removed: inout [ExtentRun]
  ) -> Edit {
    let count = leaf.count
    // `first ..< behind` are the entries to replace; they start at `firstStart`, and what follows
    // them at `behindStart`. The entry before them starts at `beforeStart`.
    var first = 0
    var firstStart = start
    var beforeStart = start
    if count > 0, lower >= start {
      (first, firstStart) = leaf.find(lower, from: start)
      if firstStart + Int(leaf.entries[first].length) <= lower {
        beforeStart = firstStart
        firstStart += leaf.steps[first]
        first += 1
      } else if first > 0 {
        beforeStart = firstStart - leaf.steps[first - 1]
      }
    }
    var behind = first
    var behindStart = firstStart
    var head: Part?
    var tail: Part?
    while behind < count, behindStart < upper {
      let part = Part(leaf.entries[behind], at: behindStart)
      let from = max(part.start, lower)
      let to = min(part.end, upper)
      let cut = Part(
        start: from, length: to - from, address: part.address &+ UInt64(from - part.start),
        state: part.state)
      removed.append(cut.run)
      if part.state == .delayed { delayedCount -= cut.length }
      if part.start < lower {
        head = Part(
          start: part.start, length: lower - part.start, address: part.address, state: part.state)
      }
      if part.end > upper {
        tail = Part(
          start: upper, length: part.end - upper,
          address: part.address &+ UInt64(upper - part.start), state: part.state)
      }
      behindStart += leaf.steps[behind]
      behind += 1
    }
    if first == behind, put == nil { return .unchanged(start) }

    if let put {
      if put.state == .delayed { delayedCount += put.length }
      if head == nil, first > 0 {
        let before = Part(leaf.entries[first - 1], at: beforeStart)
        if before.isContinued(by: put), before.length < before.limit {
          head = before
          first -= 1
          firstStart = beforeStart
          if first > 0 { beforeStart -= leaf.steps[first - 1] }
        }
      }
      if tail == nil, behind < count, behindStart == upper {
        let next = Part(leaf.entries[behind], at: behindStart)
        if put.isContinued(by: next) {
          tail = next
          behindStart += leaf.steps[behind]
          behind += 1
        }
      }
    }

    var parts = InlineArray<3, Part>(repeating: .empty)
    var partCount = 0
    for part in [head, put, tail] {
      guard var part else { continue }
      if partCount > 0, parts[partCount - 1].isContinued(by: part) {
        let room = parts[partCount - 1].limit - parts[partCount - 1].length
        if part.length <= room {
          parts[partCount - 1].length += part.length
          continue
        }
        // Filling up moves a boundary, which is free only while `part` is being written anyway.
        if part.start == lower {
          parts[partCount - 1].length += room
          part.start += room
          part.length -= room
          part.address &+= UInt64(room)
        }
      }
      parts[partCount] = part
      partCount += 1
    }

    let next: Int? = behind < count ? behindStart : nil
    leaf.entries.resize(first..<behind, to: partCount)
    var steps = InlineArray<3, Int>(repeating: 0)
    for index in 0..<partCount {
      leaf.entries[first + index] = parts[index].entry
      let following = index + 1 < partCount ? parts[index + 1].start : next
      steps[index] = following.map { $0 - parts[index].start } ?? 0
    }
    let firstNow = partCount > 0 ? parts[0].start : next
    leaf.steps.replace(
      first..<behind, with: steps, count: partCount, before: firstNow.map { $0 - beforeStart } ?? 0)
    markDirty(leaf)

    var edit = Edit(start: first > 0 ? start : firstNow ?? start)
    edit.isEmpty = leaf.count == 0
    edit.isShrunk = leaf.count < count
    if leaf.count > capacities.leaf {
      // At the end of the file leaves are filled to the brim, as nothing will come between.
      let atEnd = isLast && first + partCount == leaf.count
      edit.sibling = split(leaf, edit.start, at: atEnd ? capacities.leaf : (leaf.count + 1) / 2)
    }
    return edit
  }

  /// Splits `node`, which starts at `start`, before element `index`.
  func split(_ node: Node, _ start: Int, at index: Int) -> (node: Node, start: Int) {
    let siblingStart = start + node.offset(of: index)
    homelessCount += 1
    changedHomelessCount += 1
    markDirty(node)
    return (
      node.splitOff(from: index, capacity: capacities.of(level: node.level)), siblingStart
    )
  }
}
