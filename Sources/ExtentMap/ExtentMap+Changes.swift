import ExtantBase

extension ExtentMap {
  /// Maps `range`, which must be a hole, to the blocks from `address` on. Merges with what it
  /// continues, and splits where the range is longer than an extent may be.
  ///
  /// Throws EEXIST where something is mapped in `range`, EFBIG where it ends after
  /// `LogicalBlock.limit`, or what loading throws; the map is then as before. O(log n) an extent.
  public func set(_ range: Range<LogicalBlock>, address: BlockAddress, state: ExtentState)
    throws(FileSystemError)
  {
    try checkLimit(range)
    guard try isHole(range) else { throw .refused(.fileExists) }
    try replace(range, address: address, state: state)
  }

  /// Maps `range` to the blocks from `address` on, whatever it was before. Returns what was mapped
  /// there, clipped to the range, ascending.
  ///
  /// Throws EFBIG where the range ends after `LogicalBlock.limit`, or what loading throws; the map
  /// is then as before. O(log n) an extent put or removed.
  @discardableResult
  public func replace(_ range: Range<LogicalBlock>, address: BlockAddress, state: ExtentState)
    throws(FileSystemError) -> [ExtentRun]
  {
    try checkLimit(range)
    var removed: [ExtentRun] = []
    let upper = Self.position(range.upperBound)
    var lower = Self.position(range.lowerBound)
    guard lower < upper else { return removed }
    try prepare(lower, upper)
    var address = address
    while lower < upper {
      let length = min(upper - lower, Int(state.maximumCount))
      let put = Part(start: lower, length: length, address: address.rawValue, state: state)
      try edit(lower, lower + length, put, &removed)
      lower += length
      address = address + UInt64(length)
    }
    return removed
  }

  /// Unmaps `range` (punch): a hole remains. Returns what was mapped, clipped to the range,
  /// ascending. Throws what loading throws, before any change. O(log n + removed).
  @discardableResult
  public func remove(_ range: Range<LogicalBlock>) throws(FileSystemError) -> [ExtentRun] {
    var removed: [ExtentRun] = []
    let lower = Self.position(range.lowerBound)
    let upper = Self.position(range.upperBound)
    guard lower < upper, !isEmpty else { return removed }
    try prepare(lower, upper)
    try edit(lower, upper, nil, &removed)
    return removed
  }

  /// Gives the allocated blocks in `range` another state; holes and delayed runs stay as they are.
  /// `state` must not be `.delayed` (EINVAL). Throws what loading throws, before any change.
  /// O(log n) an extent met.
  public func changeState(of range: Range<LogicalBlock>, to state: ExtentState)
    throws(FileSystemError)
  {
    guard state != .delayed else { throw .refused(.invalidArgument) }
    let lower = Self.position(range.lowerBound)
    let upper = Self.position(range.upperBound)
    guard lower < upper, !isEmpty else { return }
    try prepare(lower, upper)
    for run in try runs(in: range) where run.state != state && run.state != .delayed {
      guard let part = run.clipped(to: range) else { continue }
      try replace(part.range, address: part.address, state: state)
    }
  }

  /// Cuts `range` out: unmaps it and moves everything behind it to the front by its length. Returns
  /// what was mapped in it, clipped, ascending. Throws what loading throws, before any change.
  /// O(log n + removed).
  @discardableResult
  public func collapse(_ range: Range<LogicalBlock>) throws(FileSystemError) -> [ExtentRun] {
    let removed = try remove(range)
    let lower = Self.position(range.lowerBound)
    let upper = Self.position(range.upperBound)
    guard lower < upper, !isEmpty else { return removed }
    shift(from: lower, by: lower - upper)
    try mergeSeam(at: lower)
    return removed
  }

  /// Opens a hole of `count` blocks at `block`: what is mapped from there on moves to the back; an
  /// extent that holds `block` inside is split.
  ///
  /// Throws EINVAL where the last mapped block would move past `LogicalBlock.limit`, or what
  /// loading throws; the map is then as before. O(log n).
  public func insertGap(at block: LogicalBlock, count: UInt64) throws(FileSystemError) {
    let position = Self.position(block)
    let end = try mappedEnd()
    guard count > 0, block < end else { return }
    guard count <= LogicalBlock.limit.rawValue, end.rawValue + count <= LogicalBlock.limit.rawValue
    else { throw .refused(.invalidArgument) }
    guard let place = try place(position) else { return }
    let entry = Part(place.leaf.entries[place.index], at: place.start)
    guard entry.start < position, position < entry.end else {
      shift(from: position, by: Int(count))
      return
    }
    // All in one leaf, which is loaded: nothing below can fail.
    var removed: [ExtentRun] = []
    try edit(position, entry.end, nil, &removed)
    shift(from: position, by: Int(count))
    for run in removed {
      let start = position + Int(count)
      let put = Part(
        start: start, length: Int(run.count), address: run.address.rawValue, state: run.state)
      try edit(start, put.end, put, &removed)
    }
  }

  private func checkLimit(_ range: Range<LogicalBlock>) throws(FileSystemError) {
    guard range.upperBound <= LogicalBlock.limit else { throw .refused(.fileTooLarge) }
  }

  /// Moves every extent that starts at `position` or later by `distance`. A negative distance needs
  /// a hole of that length there. Loads nothing: a subtree that is not loaded moves as a whole, and
  /// the one that holds the point, if not loaded, has nothing behind it.
  func shift(from position: Int, by distance: Int) {
    hasChanges = true
    shiftFloor = min(shiftFloor, position)
    if leadingGap >= position {
      leadingGap += distance
      return
    }
    var child = top
    var start = leadingGap
    while case .node(let node) = child, node.count > 0 {
      let (index, reached) = node.find(position - 1, from: start)
      markChanged(node)
      if index < node.count - 1 {
        node.steps.add(distance, at: index)
        if node.level == 0 { markDirty(node) }
      }
      if node.level == 0 { return }
      child = node.children[index]
      start = reached
    }
  }

  /// Merges the extents before and behind `position` if one continues the other and both are in one
  /// leaf. That leaf must be loaded or have no seam there.
  func mergeSeam(at position: Int) throws(FileSystemError) {
    var child = top
    var start = leadingGap
    while case .node(let node) = child, node.count > 0 {
      let (index, reached) = node.find(position, from: start)
      if node.level > 0 {
        child = node.children[index]
        start = reached
        continue
      }
      guard index > 0, reached == position else { return }
      let before = Part(node.entries[index - 1], at: reached - node.steps[index - 1])
      let behind = Part(node.entries[index], at: reached)
      if before.isContinued(by: behind), before.length < before.limit {
        var removed: [ExtentRun] = []
        try edit(behind.start, behind.end, behind, &removed)
      }
      return
    }
  }
}
