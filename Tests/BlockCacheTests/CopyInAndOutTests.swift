import BlockCache
import BlockIO
import ExtantBase
import Testing
import Threading

@Suite struct CopyInAndOutTests {
  @Test func whatIsPutIsReadBackAndReachesTheDeviceOnlyByFlush() throws {
    let f = CacheFixture()
    try f.put(f.block(7, count: 3), to: BlockAddress(100))
    #expect(try f.copyOut(BlockAddress(100), count: 3072) == f.block(7, count: 3))
    #expect(try f.onDevice(100) == f.block(0))
    #expect(f.cache.dirtyByteCount == 3 * 1024)
    #expect(f.cache.dirtyOwners == [CacheFixture.owner])
    try f.cache.flush(owner: CacheFixture.owner)
    #expect(try f.onDevice(100, blocks: 3) == f.block(7, count: 3))
    #expect(f.cache.dirtyByteCount == 0)
    #expect(f.cache.dirtyOwners.isEmpty)
  }

  @Test func aPartOfAFreshBlockLeavesTheRestZeroWithoutReading() throws {
    let f = CacheFixture()
    try f.setOnDevice(5, f.block(9))
    try f.put([1, 2, 3], to: BlockAddress(5), byteOffset: 10)
    var expected = f.block(0)
    expected.replaceSubrange(10..<13, with: [1, 2, 3])
    #expect(try f.copyOut(BlockAddress(5)) == expected)
    #expect(f.device.script.withLock { $0.reads.isEmpty })
  }

  @Test func aPartOfAnExistingBlockKeepsTheRest() throws {
    let f = CacheFixture()
    try f.setOnDevice(5, f.block(9))
    try f.put([1, 2, 3], to: BlockAddress(4), byteOffset: 1024 + 10, content: .existing)
    var expected = f.block(9)
    expected.replaceSubrange(10..<13, with: [1, 2, 3])
    #expect(try f.copyOut(BlockAddress(5)) == expected)
  }

  @Test func aFreshBlockShowsNothingThatWasReadThereBefore() throws {
    let f = CacheFixture()
    try f.setOnDevice(5, f.block(9))
    #expect(try f.copyOut(BlockAddress(5)) == f.block(9))
    try f.put([1], to: BlockAddress(5), byteOffset: 0)
    #expect(try f.copyOut(BlockAddress(5)) == [1] + Array(repeating: 0, count: 1023))
  }

  @Test func twoWritersOfOneFreshBlockBothKeepTheirBytes() throws {
    let f = CacheFixture()
    try f.put([1], to: BlockAddress(5), byteOffset: 0)
    try f.put([2], to: BlockAddress(5), byteOffset: 1)
    try f.cache.flushAll()
    try f.put([3], to: BlockAddress(5), byteOffset: 2)
    #expect(try f.copyOut(BlockAddress(5), count: 4) == [1, 2, 3, 0])
  }

  @Test func zeroIsAsCopyInOfZeros() throws {
    let f = CacheFixture()
    try f.setOnDevice(8, f.block(9, count: 3))
    let outcome = try f.cache.zero(
      2048, from: BlockAddress(8), byteOffset: 512, owner: CacheFixture.owner, content: .existing)
    #expect(outcome == .done)
    let expected =
      [UInt8](repeating: 9, count: 512) + f.block(0, count: 2)
      + [UInt8](repeating: 9, count: 512)
    #expect(try f.copyOut(BlockAddress(8), count: 3072) == expected)
    try f.cache.flushAll()
    #expect(try f.onDevice(8, blocks: 3) == expected)
  }

  @Test func aMissReadsConsecutiveBlocksAndReadAheadWithOneCall() throws {
    let f = CacheFixture(limit: 512)
    _ = try f.copyOut(BlockAddress(60), count: 8 * 1024, readAhead: 8)
    #expect(
      f.device.script.withLock { $0.reads }.first
        == CacheFixture.offset(60)..<CacheFixture.offset(76))
    let statistics = f.cache.statistics
    #expect(statistics.misses == 8)
  }

  @Test func readAheadStopsAtTheDevicesEnd() throws {
    let f = CacheFixture(blocks: 100)
    #expect(try f.copyOut(BlockAddress(98), count: 2048, readAhead: 50) == f.block(0, count: 2))
  }

  @Test func pastTheDevicesEndIsAnErrorAndNothingTraps() throws {
    let f = CacheFixture(blocks: 100)
    for address: UInt64 in [100, 1 << 40, 1 << 62, (1 << 63) - 1] {
      #expect(throws: FileSystemError.self) { try f.copyOut(BlockAddress(address)) }
      #expect(throws: FileSystemError.self) {
        try f.cache.block(at: BlockAddress(address)) { _ throws(FileSystemError) in }
      }
    }
    #expect(throws: FileSystemError.self) {
      try f.cache.block(at: BlockAddress(.max)) { _ throws(FileSystemError) in }
    }
    f.cache.prefetch(BlockAddress(.max), count: 5)
    f.cache.prefetch(BlockAddress(200), count: 5)
    #expect(try f.copyOut(BlockAddress(0)) == f.block(0))
  }

  @Test func virtualBlocksThatAreNotHereHaveMoved() throws {
    let f = CacheFixture()
    let run = f.cache.allocateVirtualRun(count: 2)
    #expect(run.isVirtual)
    #expect(f.cache.allocateVirtualRun(count: 1) == run + 2)
    #expect(try f.copyOut(run) == nil)
    #expect(try f.copyIn(f.block(1), to: run, content: .existing) == .moved)
    try f.put(f.block(1), to: run)
    #expect(try f.copyOut(run) == f.block(1))
    #expect(try f.copyOut(run, count: 2048) == nil)
    #expect(try f.copyIn(f.block(2, count: 2), to: run, content: .existing) == .moved)
  }

  @Test func prefetchedBlocksNeedNoReadLater() throws {
    let f = CacheFixture(limit: 512)
    try f.setOnDevice(40, f.block(3, count: 20))
    f.cache.prefetch(BlockAddress(40), count: 20)
    while f.cache.statistics.blocksRead < 20 { Clock.sleep(nanoseconds: 200_000) }
    #expect(try f.copyOut(BlockAddress(40), count: 20 * 1024) == f.block(3, count: 20))
    #expect(f.cache.statistics.misses == 0)
  }
}
