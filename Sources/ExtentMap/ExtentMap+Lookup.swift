import ExtantBase

extension ExtentMap {
  /// The leaf responsible for `position`: the one that holds the last extent starting at or before
  /// it, else the first.
  struct Place {
    var leaf: Node
    /// Of the entry found, which is the last that starts at or before the position, else the first.
    var index: Int
    var start: Int
    /// Where the next leaf starts; nil behind the last.
    var next: Int?
  }

  /// nil in an empty map.
  func place(_ position: Int) throws(FileSystemError) -> Place? {
    var node = try loadTop()
    guard node.count > 0 else { return nil }
    var start = leadingGap
    var bound = Int.max
    while true {
      let (index, reached) = node.find(position, from: start)
      if node.level == 0 {
        return Place(leaf: node, index: index, start: reached, next: bound == Int.max ? nil : bound)
      }
      bound = self.bound(after: index, start: reached, of: node, bound: bound)
      node = try child(index, of: node, start: reached, bound: bound)
      start = reached
    }
  }

  static func position(_ block: LogicalBlock) -> Int { Int(clamping: block.rawValue) }

  static func block(_ position: Int) -> LogicalBlock { LogicalBlock(UInt64(position)) }

  static func run(_ entry: Entry, at start: Int) -> ExtentRun {
    ExtentRun(
      logical: block(start), count: UInt64(entry.length), address: BlockAddress(entry.address),
      state: entry.state)
  }

  /// What is at `block`: the extent that holds it, as stored, or the hole around it.
  /// Loads one path; throws what the source throws, and `.corrupt` for a bad node. O(log n).
  public func run(at block: LogicalBlock) throws(FileSystemError) -> MapLookup {
    let position = Self.position(block)
    guard let place = try place(position) else {
      return .hole(LogicalBlock(0)..<Self.endless)
    }
    if position < place.start { return .hole(LogicalBlock(0)..<Self.block(place.start)) }
    let entry = place.leaf.entries[place.index]
    let end = place.start + Int(entry.length)
    if position < end { return .extent(Self.run(entry, at: place.start)) }
    let next =
      place.index < place.leaf.count - 1
      ? place.start + place.leaf.steps[place.index] : place.next ?? Int.max
    return .hole(Self.block(end)..<Self.block(next))
  }

  /// The first extent that ends after `block`: the one that holds it, else the one that follows.
  /// nil where there is none. Loads at most two paths. O(log n).
  public func next(from block: LogicalBlock) throws(FileSystemError) -> ExtentRun? {
    var position = Self.position(block)
    while let place = try place(position) {
      let entry = place.leaf.entries[place.index]
      if position < place.start + Int(entry.length) { return Self.run(entry, at: place.start) }
      if place.index < place.leaf.count - 1 {
        let following = place.start + place.leaf.steps[place.index]
        return Self.run(place.leaf.entries[place.index + 1], at: following)
      }
      guard let next = place.next else { return nil }
      position = next
    }
    return nil
  }

  /// Calls `body` with every extent that meets `range`, ascending, as stored (not clipped), until
  /// it returns false. `body` must not change the map. Leaves load as they are reached.
  public func forEachRun(
    in range: Range<LogicalBlock> = LogicalBlock(0)..<ExtentMap.endless,
    _ body: (ExtentRun) throws(FileSystemError) -> Bool
  ) throws(FileSystemError) {
    var position = Self.position(range.lowerBound)
    let upper = Self.position(range.upperBound)
    while position < upper, let place = try place(position) {
      var index = place.index
      var start = place.start
      while start < upper {
        let entry = place.leaf.entries[index]
        if start + Int(entry.length) > position {
          guard try body(Self.run(entry, at: start)) else { return }
        }
        if index == place.leaf.count - 1 { break }
        start += place.leaf.steps[index]
        index += 1
      }
      guard start < upper, let next = place.next else { return }
      position = next
    }
  }

  /// All extents that meet `range`, as stored (not clipped).
  public func runs(
    in range: Range<LogicalBlock> = LogicalBlock(0)..<ExtentMap.endless
  ) throws(FileSystemError) -> [ExtentRun] {
    var runs: [ExtentRun] = []
    try forEachRun(in: range) { (run) throws(FileSystemError) -> Bool in
      runs.append(run)
      return true
    }
    return runs
  }

  /// One past the last mapped block, delayed ones included; 0 in an empty map. Loads the last path.
  public func mappedEnd() throws(FileSystemError) -> LogicalBlock {
    guard let place = try place(Int.max) else { return LogicalBlock(0) }
    return Self.block(place.start + Int(place.leaf.entries[place.index].length))
  }

  /// Whether no block of `range` is mapped. O(log n).
  public func isHole(_ range: Range<LogicalBlock>) throws(FileSystemError) -> Bool {
    guard !range.isEmpty, let run = try next(from: range.lowerBound) else { return true }
    return run.logical >= range.upperBound
  }

  /// Blocks mapped, delayed ones included. Loads and visits the whole tree: for checks, not for use
  /// in an operation.
  public func mappedBlockCount() throws(FileSystemError) -> UInt64 {
    var count: UInt64 = 0
    try forEachRun { (run) throws(FileSystemError) -> Bool in
      count += run.count
      return true
    }
    return count
  }

  /// Extents in the map. Loads and visits the whole tree.
  public func extentCount() throws(FileSystemError) -> Int {
    var count = 0
    try forEachRun { (_) throws(FileSystemError) -> Bool in
      count += 1
      return true
    }
    return count
  }
}
