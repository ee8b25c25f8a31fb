import ExtantBase
import ExtentMap
import Testing

@Suite struct PieceTests {
  @Test func everyPieceOfOneMapFitsIntoAnotherOfAnySize() throws {
    for capacities in [ExhaustiveTests.tiny, ExhaustiveTests.small] {
      for blocks in 0...6 {
        for others in 0...7 {
          for lower in 0..<max(1, blocks) {
            for upper in lower + 1...max(1, blocks) {
              for place in 0...others {
                let wrong = try move(
                  lower..<upper, ofBlocks: blocks, to: place, in: others, capacities,
                  loaded: (lower + place) % 2 == 0)
                #expect(wrong == nil, "\(capacities) \(lower)..<\(upper) of \(blocks) to \(place)")
                if wrong != nil { return }
              }
            }
          }
        }
      }
    }
  }

  /// Moves a range of a file of scattered extents into another, where a gap is made for it; both
  /// are on disk before.
  private func move(
    _ range: Range<Int>, ofBlocks blocks: Int, to place: Int, in others: Int,
    _ capacities: ExtentCapacities, loaded: Bool
  ) throws -> String? {
    func scattered(_ count: Int, from address: UInt64) -> NaiveMap {
      var model = NaiveMap()
      for position in 0..<count {
        model.put(
          position..<position + 1, address: address + 2 * UInt64(position), state: .unwritten)
      }
      return model
    }
    var from = scattered(blocks, from: 100)
    var to = scattered(others, from: 500)
    var (fromMap, fromDisk) = try ExhaustiveTests.makeMap(from, capacities, backwards: false)
    var (toMap, toDisk) = try ExhaustiveTests.makeMap(to, capacities, backwards: true)
    if !loaded {
      fromMap = try fromDisk.open(capacities)
      toMap = try toDisk.open(capacities)
    }
    let moved = from.mapped(in: range)
    var piece = try fromMap.extract(logical(range))
    from.remove(range)
    if place < others {
      try toMap.insertGap(at: LogicalBlock(UInt64(place)), count: piece.count)
      to.insertGap(at: place, count: range.count)
    }
    let isEmpty = piece.isEmpty
    try toMap.splice(&piece, at: LogicalBlock(UInt64(place)))
    guard isEmpty == moved.isEmpty, piece.isEmpty else { return "isEmpty" }
    to.extend(to: place + range.count)
    for (old, block) in moved { to.blocks[old - range.lowerBound + place] = block }
    to.trim()
    for (map, disk, model) in [(fromMap, fromDisk, from), (toMap, toDisk, to)] {
      if let wrong = try difference(map, model) { return wrong }
      if let wrong = try disk.store(map, relocateShifted: loaded) { return wrong }
      if let wrong = diskDifference(disk, model, capacities) { return wrong }
      if let wrong = map._checkInvariants() { return wrong }
      if let wrong = try difference(disk.open(capacities), model) { return wrong }
    }
    return nil
  }

  @Test func aPieceThatDoesNotFitStaysInHand() throws {
    let capacities = ExtentCapacities(blockSize: 4096)
    let map = ExtentMap(capacities: capacities)
    try map.set(logical(0..<4), address: BlockAddress(10), state: .written)
    var piece = try map.extract(logical(1..<3))
    #expect(throws: FileSystemError.refused(.fileExists)) {
      try map.splice(&piece, at: LogicalBlock(2))
    }
    #expect(throws: FileSystemError.refused(.fileTooLarge)) {
      try map.splice(&piece, at: LogicalBlock(LogicalBlock.limit.rawValue - 1))
    }
    #expect(throws: FileSystemError.refused(.invalidArgument)) {
      let other = ExtentMap(capacities: ExtentCapacities(blockSize: 1024))
      try other.splice(&piece, at: LogicalBlock(0))
    }
    try map.splice(&piece, at: LogicalBlock(1))
    #expect(try map.runs().map(\.count) == [4])
  }
}
