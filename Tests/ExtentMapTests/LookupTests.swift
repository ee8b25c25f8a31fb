import ExtantBase
import ExtentMap
import Testing

@Suite struct LookupTests {
  @Test func anEmptyMapIsOneEndlessHole() throws {
    let map = ExtentMap(capacities: ExtentCapacities(blockSize: 4096))
    #expect(try map.run(at: LogicalBlock(7)) == .hole(LogicalBlock(0)..<ExtentMap.endless))
    #expect(try map.next(from: LogicalBlock(0)) == nil)
    #expect(try map.mappedEnd() == LogicalBlock(0))
    #expect(map.isEmpty)
  }

  @Test func aHoleReachesFromExtentToExtent() throws {
    let map = ExtentMap(capacities: ExtentCapacities(blockSize: 4096))
    try map.set(logical(2..<4), address: BlockAddress(100), state: .written)
    try map.set(logical(9..<10), address: BlockAddress(50), state: .unwritten)
    #expect(try map.run(at: LogicalBlock(1)) == .hole(logical(0..<2)))
    #expect(try map.run(at: LogicalBlock(5)) == .hole(logical(4..<9)))
    #expect(try map.run(at: LogicalBlock(10)) == .hole(LogicalBlock(10)..<ExtentMap.endless))
    #expect(try map.next(from: LogicalBlock(4))?.logical == LogicalBlock(9))
  }

  @Test func piecesWrittenOneAfterTheOtherFillExtentsToTheLimit() throws {
    let map = ExtentMap(capacities: ExtentCapacities(blockSize: 4096))
    // 1 GiB of 4 KiB blocks in pieces that divide nothing evenly.
    var position = 0
    while position < 262_144 {
      let length = min(1000, 262_144 - position)
      try map.set(
        logical(position..<position + length), address: BlockAddress(5000 + UInt64(position)),
        state: .written)
      position += length
    }
    #expect(try map.extentCount() == 8)
  }
}
