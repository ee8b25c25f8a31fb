import ExtantBase
import ExtentMap
import SystemPackage
import Testing

@Suite struct FailureTests {
  static let capacities = ExtentCapacities(root: 2, leaf: 2, index: 2)

  /// A tree several levels deep on disk, nothing of it loaded.
  static func makeDisk() throws -> (FakeDisk, NaiveMap) {
    var model = NaiveMap()
    for position in stride(from: 0, to: 16, by: 2) {
      let state: ExtentState = position % 6 == 0 ? .unwritten : .written
      model.put(position..<position + 2, address: UInt64(1000 - 10 * position), state: state)
    }
    let (_, disk) = try ExhaustiveTests.makeMap(model, capacities, backwards: false)
    #expect(disk.root.depth >= 2)
    return (disk, model)
  }

  @Test func aLoadThatFailsAtAnyPointLeavesTheMapAsItWas() throws {
    let (pristine, model) = try Self.makeDisk()
    let states: [ExtentState] = [.written, .delayed]
    for change in ExhaustiveTests.changes(blocks: 16, states: states)
    where change.isAllowed(on: model) {
      var index = 0
      while true {
        let disk = pristine.copy()
        let map = try disk.open(Self.capacities)
        disk.failingLoad = index
        var after = model
        do {
          let wrong = try change.apply(to: map, &after)
          #expect(wrong == nil)
        } catch {
          #expect(error == FakeDisk.failure)
        }
        let hasFailed = disk.loads > index
        disk.failingLoad = nil
        if hasFailed {
          let wrong = try difference(map, model)
          #expect(wrong == nil, "\(change), load \(index)")
          after = model
          let second = try change.apply(to: map, &after)
          #expect(second == nil, "\(change), load \(index)")
        }
        let wrong = try difference(map, after, probe: false)
        #expect(wrong == nil, "\(change), load \(index)")
        if wrong != nil { return }
        if !hasFailed { break }
        index += 1
      }
    }
  }

  @Test func anEncodeThatFailsAtAnyPointCanBeRepeated() throws {
    let (pristine, original) = try Self.makeDisk()
    for change in [
      Change.collapse(3..<5), .insertGap(1, count: 2), .remove(5..<13),
      .replace(4..<11, address: 3, .written), .move(4..<11, to: 30),
    ] {
      for relocate in [false, true] {
        for fault in -1..<30 {
          let disk = pristine.copy()
          let map = try disk.open(Self.capacities)
          var model = original
          _ = try change.apply(to: map, &model)
          disk.failingLoad = fault % 5 == 0 ? disk.loads + fault / 5 : nil
          let before = (disk.nodes, disk.root)
          _ = try? disk.store(
            map, relocateShifted: relocate, fault: fault < 0 ? .allocate : .write(fault))
          disk.failingLoad = nil
          (disk.nodes, disk.root) = map.hasChanges ? before : (disk.nodes, disk.root)
          let wrong = try disk.store(map, relocateShifted: relocate)
          #expect(wrong == nil)
          let difference = diskDifference(disk, model, Self.capacities)
          #expect(difference == nil, "\(change), fault \(fault)")
        }
      }
    }
  }

  @Test func aTreeThatBreaksARuleIsCorruptAndNeverTraps() throws {
    let (pristine, _) = try Self.makeDisk()
    let range = logical(0..<30)
    var caught = 0
    for address in pristine.nodes.keys.sorted() {
      for damage in 0..<12 {
        let disk = pristine.copy()
        guard var node = disk.nodes[address] else { continue }
        switch (node.contents, damage) {
        case (.leaf(var runs), 0):
          runs[0].logical = runs[0].logical + 1
          node.contents = .leaf(runs)
        case (.leaf(var runs), 1):
          runs[runs.count - 1].count = 40_000
          node.contents = .leaf(runs)
        case (.leaf(var runs), 2):
          runs[0].count = 0
          node.contents = .leaf(runs)
        case (.leaf(let runs), 3): node.contents = .leaf(runs.reversed() + runs)
        case (.leaf, 4): node.contents = .leaf([])
        case (.leaf(var runs), 5):
          runs[runs.count - 1].logical = LogicalBlock(UInt64.max)
          node.contents = .leaf(runs)
        case (.leaf(var runs), 6):
          runs[runs.count - 1].address = .firstVirtual
          node.contents = .leaf(runs)
        case (.index(var entries), 0):
          entries[0].key = entries[0].key + 1
          node.contents = .index(entries)
        case (.index(var entries), 1):
          entries[entries.count - 1].key = LogicalBlock(UInt64.max)
          node.contents = .index(entries)
        case (.index, 2): node.contents = .index([])
        case (.index(var entries), 3):
          entries[entries.count - 1].address = address
          node.contents = .index(entries)
        case (.index(let entries), 4): node.contents = .index(entries + entries)
        case (.index, 5): node.contents = .leaf([])
        case (.index(var entries), 6):
          entries[entries.count - 1].key = entries[0].key
          node.contents = .index(entries)
        default: continue
        }
        disk.nodes[address] = node
        let map = try disk.open(Self.capacities)
        do {
          try map.remove(range)
        } catch {
          guard case .corrupt = error else { throw error }
          caught += 1
        }
      }
    }
    // Only a single-entry reversal or a last key that equals the first may go unnoticed.
    #expect(caught > pristine.nodes.count * 5)
  }

  @Test func aRootThatBreaksARuleIsCorrupt() {
    func run(_ logical: UInt64, _ count: UInt64) -> ExtentRun {
      ExtentRun(
        logical: LogicalBlock(logical), count: count, address: BlockAddress(9), state: .written)
    }
    let bad: [ExtentRoot] = [
      ExtentRoot(depth: 6, contents: .index([])), ExtentRoot(depth: -1, contents: .leaf([])),
      ExtentRoot(depth: 1, contents: .index([])), ExtentRoot(depth: 1, contents: .leaf([])),
      ExtentRoot(depth: 0, contents: .index([])),
      ExtentRoot(depth: 0, contents: .leaf([run(5, 1), run(5, 1)])),
      ExtentRoot(depth: 0, contents: .leaf([run(0, 2), run(1, 2)])),
      ExtentRoot(depth: 0, contents: .leaf([run(0xffff_fffe, 2)])),
      ExtentRoot(depth: 0, contents: .leaf([run(0, 32_769)])),
      ExtentRoot(depth: 0, contents: .leaf((0..<5).map { run($0, 1) })),
      ExtentRoot(
        depth: 1,
        contents: .index([ExtentIndex(key: LogicalBlock(1 << 40), address: BlockAddress(1))])),
    ]
    for root in bad {
      #expect(throws: FileSystemError.self, "\(root)") {
        _ = try ExtentMap(
          capacities: ExtentCapacities(blockSize: 1024), root: root, source: FakeDisk())
      }
    }
  }

  @Test func nothingIsMappedPastTheLimit() throws {
    let map = ExtentMap(capacities: ExtentCapacities(blockSize: 4096))
    let last = LogicalBlock(LogicalBlock.limit.rawValue - 1)
    try map.set(last..<LogicalBlock.limit, address: BlockAddress(1), state: .written)
    try map.set(logical(0..<4), address: BlockAddress(10), state: .written)
    #expect(throws: FileSystemError.refused(.invalidArgument)) {
      try map.insertGap(at: LogicalBlock(2), count: 1)
    }
    #expect(throws: FileSystemError.refused(.invalidArgument)) {
      try map.insertGap(at: LogicalBlock(2), count: UInt64.max)
    }
    #expect(throws: FileSystemError.refused(.fileTooLarge)) {
      try map.set(
        LogicalBlock.limit..<LogicalBlock.limit + 1, address: BlockAddress(1), state: .written)
    }
    #expect(throws: FileSystemError.refused(.fileExists)) {
      try map.set(logical(3..<9), address: BlockAddress(1), state: .written)
    }
    #expect(try map.remove(logical(2..<4)).count == 1)
    #expect(try map.collapse(logical(2..<3)).isEmpty)
    try map.insertGap(at: LogicalBlock(2), count: 1)
    #expect(try map.mappedEnd() == LogicalBlock.limit)
    #expect(map._checkInvariants() == nil)
  }
}
