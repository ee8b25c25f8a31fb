import BlockCache
import ExtantBase
import Testing

@Suite struct RenameAndDiscardTests {
  @Test func renamedBlocksAreFoundAtTheirHomeAndNowhereElse() throws {
    let f = CacheFixture()
    let run = f.cache.allocateVirtualRun(count: 3)
    try f.put(f.block(4, count: 3), to: run)
    try f.cache.flushAll()
    #expect(f.cache.dirtyByteCount == 3 * 1024, "virtual blocks are never written")
    f.cache.rename(run, count: 3, to: BlockAddress(200))
    #expect(try f.copyOut(run) == nil)
    #expect(try f.copyOut(BlockAddress(200), count: 3072) == f.block(4, count: 3))
    try f.cache.flush(owner: CacheFixture.owner)
    #expect(try f.onDevice(200, blocks: 3) == f.block(4, count: 3))
    #expect(f.cache.dirtyByteCount == 0)
  }

  @Test func renameDropsWhatWasThere() throws {
    let f = CacheFixture()
    try f.put(f.block(1), to: BlockAddress(200))
    let run = f.cache.allocateVirtualRun(count: 1)
    try f.put(f.block(2), to: run)
    f.cache.rename(run, count: 1, to: BlockAddress(200))
    #expect(try f.copyOut(BlockAddress(200)) == f.block(2))
    #expect(f.cache.dirtyByteCount == 1024)
    try f.cache.flushAll()
    #expect(try f.onDevice(200) == f.block(2))
  }

  @Test func aVirtualBlockThatNobodyWroteBecomesZerosNotTheDevicesBytes() throws {
    let f = CacheFixture()
    try f.setOnDevice(200, f.block(9, count: 3))
    let run = f.cache.allocateVirtualRun(count: 3)
    try f.put(f.block(2), to: run)
    f.cache.rename(run, count: 3, to: BlockAddress(200))
    try f.cache.flush(owner: CacheFixture.owner)
    #expect(try f.onDevice(200, blocks: 3) == f.block(2) + f.block(0, count: 2))
  }

  @Test func discardForgetsDirtyBlocks() throws {
    let f = CacheFixture()
    try f.put(f.block(1, count: 4), to: BlockAddress(62))
    f.cache.discard(BlockAddress(63), count: 2)
    #expect(f.cache.dirtyByteCount == 2 * 1024)
    try f.cache.flushAll()
    #expect(try f.onDevice(62, blocks: 4) == f.block(1) + f.block(0, count: 2) + f.block(1))
    try f.put(f.block(1, count: 4), to: BlockAddress(62))
    f.cache.discard(BlockAddress(0), count: .max)
    #expect(f.cache.dirtyByteCount == 0)
  }

  @Test func discardWaitsForAWriteInFlight() throws {
    let f = CacheFixture()
    try f.put(f.block(1), to: BlockAddress(7))
    f.device.script.withLock { $0.holdsWrites = true }
    try together([
      { try? f.cache.flushAll() },
      {
        f.device.waitUntilHeld(1)
        let release: @Sendable () -> Void = {
          f.device.script.withLock { $0.holdsWrites = false }
        }
        try? together([release, { f.cache.discard(BlockAddress(7), count: 1) }])
        // The old write is over: nothing comes after this one.
        try? f.setOnDevice(7, f.block(5))
      },
    ])
    #expect(try f.onDevice(7) == f.block(5))
    #expect(try f.copyOut(BlockAddress(7)) == f.block(5))
  }

  @Test func renameOntoABlockInFlightComesAfterItsWrite() throws {
    let f = CacheFixture()
    try f.put(f.block(1), to: BlockAddress(7))
    let run = f.cache.allocateVirtualRun(count: 1)
    try f.put(f.block(2), to: run)
    f.device.script.withLock { $0.holdsWrites = true }
    try together([
      { try? f.cache.flushAll() },
      {
        f.device.waitUntilHeld(1)
        let release: @Sendable () -> Void = {
          f.device.script.withLock { $0.holdsWrites = false }
        }
        try? together([release, { f.cache.rename(run, count: 1, to: BlockAddress(7)) }])
      },
    ])
    try f.cache.flushAll()
    #expect(try f.onDevice(7) == f.block(2))
  }
}
