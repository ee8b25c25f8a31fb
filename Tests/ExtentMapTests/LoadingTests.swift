import ExtantBase
import ExtentMap
import Testing

@Suite struct LoadingTests {
  static let capacities = ExtentCapacities(blockSize: 1024)

  /// 10,000 extents of one block at every other block, on disk in full leaves.
  static func makeDisk(_ extents: UInt64 = 10_000) throws -> FakeDisk {
    let disk = FakeDisk()
    let map = try disk.open(capacities)
    for index in 0..<extents {
      let block = LogicalBlock(index * 2)
      try map.set(block..<block + 1, address: BlockAddress(10 + index * 2), state: .written)
    }
    let broken = try disk.store(map, relocateShifted: false)
    #expect(broken == nil)
    return disk
  }

  @Test func appendedExtentsFillTheirLeaves() throws {
    let disk = try Self.makeDisk(8_400)
    #expect(disk.nodes.count { $0.value.depth == 0 } == 100)
    #expect(disk.root.depth == 2)
  }

  @Test func aLookupLoadsOnePathAndAChangeFewMore() throws {
    let disk = try Self.makeDisk()
    let depth = disk.root.depth
    var map = try disk.open(Self.capacities)
    #expect(disk.loads == 0)
    guard case .extent = try map.run(at: LogicalBlock(7_776)) else {
      Issue.record("the extent is missing")
      return
    }
    #expect(disk.loads <= depth)
    disk.loads = 0
    map = try disk.open(Self.capacities)
    try map.remove(logical(5_000..<5_001))
    #expect(disk.loads <= depth)
    disk.loads = 0
    map = try disk.open(Self.capacities)
    try map.insertGap(at: LogicalBlock(5_000), count: 1)
    #expect(disk.loads <= 2 * depth)
    disk.loads = 0
    map = try disk.open(Self.capacities)
    var nodes = 0
    try map.forEachShiftedNode(from: LogicalBlock(10_000)) { _ in nodes += 1 }
    #expect(nodes >= 60 && nodes <= 65)
    #expect(disk.loads <= 2)
  }

  @Test func anEncodeWritesOnlyWhatChanged() throws {
    let disk = try Self.makeDisk()
    let map = try disk.open(Self.capacities)
    try map.changeState(of: logical(5_000..<5_001), to: .unwritten)
    var written: [EncodedExtentNode] = []
    let root = try map.encode(
      relocateShifted: true,
      allocate: { (count) throws(FileSystemError) -> [BlockAddress] in
        Issue.record("\(count) blocks allocated for a change in place")
        return []
      },
      write: { (node) throws(FileSystemError) -> Void in written.append(node) }, freed: { _ in })
    #expect(root == nil)
    #expect(written.count == 1 && written.first?.depth == 0 && written.first?.isFresh == false)
    #expect(disk.loads <= disk.root.depth)
  }

  @Test func shiftedLeavesGoToFreshBlocksWhenAsked() throws {
    for relocate in [true, false] {
      let disk = try Self.makeDisk()
      let before = Set(disk.nodes.keys)
      let map = try disk.open(Self.capacities)
      try map.collapse(logical(10_000..<10_002))
      let broken = try disk.store(map, relocateShifted: relocate)
      #expect(broken == nil)
      #expect(disk.check(Self.capacities).broken == nil)
      let fresh = disk.nodes.keys.count { !before.contains($0) }
      #expect(relocate ? (58...65).contains(fresh) : fresh == 0)
    }
  }

  @Test func cleanNodesCanBeForgottenAndAreLoadedAgain() throws {
    let disk = try Self.makeDisk()
    let map = try disk.open(Self.capacities)
    let all = try map.runs()
    disk.loads = 0
    #expect(try map.runs() == all)
    #expect(disk.loads == 0)
    map.unloadCleanNodes()
    #expect(try map.runs() == all)
    #expect(disk.loads == disk.nodes.count { $0.value.depth < disk.root.depth })
  }
}
