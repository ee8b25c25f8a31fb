import ExtantBase

/// Finding delayed runs among any number of others.
extension ExtentMap {
  /// The first delayed run that ends after `block`, as stored; nil where there is none. Loads
  /// nothing: what is not loaded holds no delayed run. Skips subtrees without any, so that it takes
  /// O(log n) where changes are few.
  public func nextDelayed(from block: LogicalBlock) -> ExtentRun? {
    guard delayedCount > 0, case .node(let node) = top else { return nil }
    return nextDelayed(in: node, startingAt: leadingGap, from: Self.position(block))
  }

  private func nextDelayed(in node: Node, startingAt start: Int, from position: Int) -> ExtentRun? {
    var (index, reached) = node.find(position, from: start)
    while index < node.count {
      if node.level == 0 {
        let entry = node.entries[index]
        if entry.state == .delayed, reached + Int(entry.length) > position {
          return Self.run(entry, at: reached)
        }
      } else if case .node(let child) = node.children[index], child.isChanged || child.hadDelayed,
        let run = nextDelayed(in: child, startingAt: reached, from: position)
      {
        return run
      }
      reached += node.steps[index]
      index += 1
    }
    return nil
  }
}

extension Node {
  /// Whether a delayed run is in the subtree, of whose changed nodes the children come first.
  var holdsDelayed: Bool {
    if level == 0 { return (0..<entries.count).contains { entries[$0].state == .delayed } }
    return children.contains { child in
      if case .node(let child) = child { return child.hadDelayed }
      return false
    }
  }
}
