import ExtantBase

extension ExtentMap {
  /// The first rule of the structure that does not hold, in words; nil where all hold. For tests.
  /// Looks at what is loaded and loads nothing.
  public func _checkInvariants() -> String? {
    var homeless = 0
    var delayed = 0
    var changed = 0
    var changedHomeless = 0

    func check(_ node: Node, _ start: Int, bound: Int, isTop: Bool) -> String? {
      let place = "node of level \(node.level) at \(start)"
      if node.home == nil { homeless += 1 }
      if node.isChanged {
        if node.home == nil { changedHomeless += 1 } else { changed += 1 }
      }
      let elements = node.level == 0 ? node.entries.count : node.children.count
      guard node.steps.count == elements else { return "\(place): steps and elements disagree" }
      guard node.steps.isConsistent else { return "\(place): marks and steps disagree" }
      guard node.count <= capacities.of(level: node.level) else { return "\(place): too full" }
      guard node.count > 0 || (isTop && node.level == 0) else { return "\(place): empty" }
      // One that was loaded so stays so until the next change.
      if isTop, node.level > 0, node.count < 2, node.isDirty {
        return "\(place): topmost with one child"
      }
      if node.isDirty, !node.isChanged { return "\(place): dirty but not changed" }
      if node.home == nil, !node.isChanged, node.keyOffset >= 0, !isTop {
        return "\(place): clean, on disk, and without home"
      }
      if let last = node.steps.last, last != 0 { return "\(place): last step is \(last)" }
      var reached = start
      for index in 0..<node.count {
        let next = index < node.count - 1 ? reached + node.steps[index] : bound
        guard next > reached else { return "\(place): element \(index) has no room" }
        if node.level == 0 {
          let entry = node.entries[index]
          guard entry.length > 0, UInt64(entry.length) <= entry.state.maximumCount else {
            return "\(place): entry \(index) has length \(entry.length)"
          }
          guard Int(entry.length) <= next - reached else {
            return "\(place): entry \(index) overlaps the next"
          }
          guard reached + Int(entry.length) <= Int(LogicalBlock.limit.rawValue) else {
            return "\(place): entry \(index) passes the limit"
          }
          if entry.state == .delayed { delayed += Int(entry.length) }
        } else if case .node(let child) = node.children[index] {
          guard child.level == node.level - 1 else { return "\(place): child of wrong level" }
          if child.isChanged, !node.isChanged { return "\(place): child changed, parent not" }
          if let wrong = check(child, reached, bound: next, isTop: false) { return wrong }
        }
        reached = next
      }
      return nil
    }

    if case .node(let node) = top {
      guard node.level == height else { return "height \(height) is not the top's level" }
      if node.count == 0, leadingGap != 0 { return "an empty map has a leading gap" }
      if let wrong = check(node, leadingGap, bound: Int.max, isTop: true) { return wrong }
    }
    guard homeless == homelessCount else {
      return "\(homeless) nodes without home, counted \(homelessCount)"
    }
    guard changed == changedHomeCount else {
      return "\(changed) changed nodes with a home, counted \(changedHomeCount)"
    }
    guard changedHomeless == changedHomelessCount else {
      return "\(changedHomeless) changed nodes without home, counted \(changedHomelessCount)"
    }
    guard delayed == delayedCount else { return "\(delayed) delayed, counted \(delayedCount)" }
    guard leadingGap >= 0 else { return "negative leading gap" }
    return nil
  }
}
