import ExtantBase

/// What freeing a range meets: blocks that the tree itself occupies, and extents.
public enum MapElement: Sendable, Hashable {
  /// The block of a node that lies in the range, or partly.
  case node(BlockAddress)
  /// An extent, clipped to the range.
  case run(ExtentRun)
}

extension ExtentMap {
  /// Calls `body` with everything that meets `range`, from the back to the front, extents before the
  /// leaf that holds them, until it returns false. `body` must not change the map.
  ///
  /// Loads what it meets; throws what that throws.
  public func forEachElement(
    in range: Range<LogicalBlock>, _ body: (MapElement) throws(FileSystemError) -> Bool
  ) throws(FileSystemError) {
    guard !isEmpty, !range.isEmpty else { return }
    _ = try visitElements(loadTop(), leadingGap, bound: Int.max, range, body)
  }

  /// False once `body` wants no more.
  private func visitElements(
    _ node: Node, _ start: Int, bound: Int, _ range: Range<LogicalBlock>,
    _ body: (MapElement) throws(FileSystemError) -> Bool
  ) throws(FileSystemError) -> Bool {
    let lower = Self.position(range.lowerBound)
    let upper = Self.position(range.upperBound)
    guard start < upper, node.count > 0 else { return true }
    var (index, reached) = node.find(upper - 1, from: start)
    var next = self.bound(after: index, start: reached, of: node, bound: bound)
    while true {
      if node.level == 0 {
        if let part = Self.run(node.entries[index], at: reached).clipped(to: range) {
          guard try body(.run(part)) else { return false }
        }
      } else {
        let child = try child(index, of: node, start: reached, bound: next)
        guard try visitElements(child, reached, bound: next, range, body) else { return false }
      }
      guard reached > lower, index > 0 else { break }
      index -= 1
      next = reached
      reached -= node.steps[index]
    }
    guard let home = node.home else { return true }
    return try body(.node(home))
  }
}
