import BlockCache
import BlockIO
import ExtantBase
import Testing

@Suite struct LimitTests {
  @Test func memoryStaysWithinTheLimitWhateverIsReadAndWritten() throws {
    let f = CacheFixture(limit: 64)
    for address in 0..<2000 as Range<UInt64> {
      if address % 3 == 0 {
        try f.put(f.block(UInt8(address % 251)), to: BlockAddress(address))
      } else {
        _ = try f.copyOut(BlockAddress(address), readAhead: 4)
      }
      #expect(f.cache.byteCount <= f.cache.byteLimit)
    }
    #expect(f.cache.statistics.takenBeyondLimit == 0)
    try f.cache.flushAll()
    for address in stride(from: 0, to: 2000, by: 3) {
      #expect(try f.onDevice(UInt64(address)) == f.block(UInt8(address % 251)))
    }
  }

  @Test func dirtyBlocksWithoutAHomeFillTheCacheAndThenCopyInSaysSo() throws {
    let f = CacheFixture(limit: 64)
    var runs: [BlockAddress] = []
    while true {
      let run = f.cache.allocateVirtualRun(count: 1)
      let outcome = try f.copyIn(f.block(6), to: run)
      if outcome == .full { break }
      runs.append(run)
    }
    #expect(runs.count > 48)
    #expect(f.cache.byteCount <= f.cache.byteLimit)
    // Reads still work, in the reserve.
    for address in 500..<600 as Range<UInt64> {
      #expect(try f.copyOut(BlockAddress(address)) == f.block(0))
    }
    #expect(f.cache.byteCount <= f.cache.byteLimit)
    // Homes for all, and there is room again.
    for (place, run) in runs.enumerated() {
      f.cache.rename(run, count: 1, to: BlockAddress(UInt64(1000 + place)))
    }
    try f.put(f.block(7, count: 10), to: BlockAddress(10))
    for place in runs.indices {
      #expect(try f.copyOut(BlockAddress(UInt64(1000 + place))) == f.block(6))
    }
  }

  @Test func metadataIsServedBeyondTheLimitAndTheExcessIsCounted() throws {
    let f = CacheFixture(limit: 32)
    var held: [BlockBuffer] = []
    for address in 0..<100 as Range<UInt64> {
      held.append(f.cache.newBlock(at: BlockAddress(address)))
      f.cache.pin(BlockAddress(address))
    }
    #expect(f.cache.statistics.takenBeyondLimit > 0)
    #expect(f.cache.byteCount > f.cache.byteLimit)
    held = []
    for address in 0..<100 as Range<UInt64> { f.cache.unpin(BlockAddress(address)) }
    try f.put(f.block(1), to: BlockAddress(200))
    #expect(f.cache.byteCount <= f.cache.byteLimit)
  }

  @Test func whatCannotBeWrittenToMakeRoomIsAnErrorAndNothingIsLost() throws {
    let f = CacheFixture(limit: 32)
    f.device.script.withLock { script in
      script.badWrites = Set((0..<200).map(CacheFixture.offset))
    }
    var put: [UInt64] = []
    #expect(throws: FileSystemError.self) {
      for address in 0..<200 as Range<UInt64> {
        try f.put(f.block(3), to: BlockAddress(address))
        put.append(address)
      }
    }
    f.device.script.withLock { $0.badWrites = [] }
    for address in put { #expect(try f.copyOut(BlockAddress(address)) == f.block(3)) }
    // The failure is told, then it is over.
    #expect(throws: FileSystemError.self) { try f.cache.flush(owner: CacheFixture.owner) }
    try f.cache.flush(owner: CacheFixture.owner)
    for address in put { #expect(try f.onDevice(address) == f.block(3)) }
  }

  @Test func aHotSetSurvivesAScanOfTenTimesTheCache() throws {
    for limit in [128, 2048] {
      let f = CacheFixture(blocks: 65536, limit: limit)
      let hot = (0..<UInt64(limit / 3)).map { BlockAddress($0 * 5) }
      // Used now and again among other work, as a hot set is.
      for round in 0..<UInt64(8) {
        for address in hot { _ = try f.copyOut(address) }
        for other in 0..<UInt64(limit / 4) {
          _ = try f.copyOut(BlockAddress(20000 + round * 2000 + other))
        }
      }
      // In small pieces: each block is touched eight times in a row.
      for address in 40000..<UInt64(40000 + 10 * limit) {
        for piece in 0..<8 {
          _ = try f.copyOut(BlockAddress(address), byteOffset: piece * 128, count: 128)
        }
      }
      let before = f.cache.statistics.misses
      for address in hot { _ = try f.copyOut(address) }
      let missed = f.cache.statistics.misses - before
      #expect(missed * 20 <= hot.count, "\(missed) of \(hot.count) hot blocks gone")
    }
  }
}
