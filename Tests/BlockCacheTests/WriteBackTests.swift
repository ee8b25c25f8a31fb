import BlockCache
import ExtantBase
import Testing
import Threading

@Suite struct WriteBackTests {
  @Test func flushWritesInTheOrderOfAddressesAndNeighboursTogether() throws {
    let f = CacheFixture(limit: 512)
    for address: UInt64 in [70, 61, 300, 62, 63, 64, 9] {
      try f.put(f.block(UInt8(address % 200)), to: BlockAddress(address))
    }
    try f.cache.flushAll()
    let expected = [9..<10, 61..<65, 70..<71, 300..<301].map {
      CacheFixture.offset($0.lowerBound)..<CacheFixture.offset($0.upperBound)
    }
    #expect(f.device.script.withLock { $0.writes } == expected)
  }

  @Test func flushOfOneOwnerLeavesTheOthersDirty() throws {
    let f = CacheFixture()
    try f.put(f.block(1), to: BlockAddress(1), owner: InodeNumber(11))
    try f.put(f.block(2), to: BlockAddress(2), owner: InodeNumber(12))
    try f.cache.flush(owner: InodeNumber(11))
    #expect(f.cache.dirtyOwners == [InodeNumber(12)])
    #expect(try f.onDevice(2) == f.block(0))
  }

  @Test func aBlockChangedWhileItIsWrittenStaysWholeOnTheDeviceAndDirty() throws {
    let f = CacheFixture()
    try f.put(f.block(1), to: BlockAddress(7))
    f.device.script.withLock { $0.holdsWrites = true }
    try together([
      { try? f.cache.flushAll() },
      {
        f.device.waitUntilHeld(1)
        // Not held up by the write.
        try? f.put([2, 2], to: BlockAddress(7), byteOffset: 1, content: .existing)
        f.device.script.withLock { $0.holdsWrites = false }
      },
    ])
    #expect(try f.onDevice(7) == f.block(1))
    #expect(f.cache.dirtyByteCount == 1024)
    try f.cache.flush(owner: CacheFixture.owner)
    #expect(try f.onDevice(7) == [1, 2, 2] + Array(repeating: 1, count: 1021))
  }

  @Test func flushWaitsForWhatOthersAreWritingAndWritesWhatBecameDirtySince() throws {
    let f = CacheFixture()
    try f.put(f.block(1), to: BlockAddress(7))
    f.device.script.withLock { $0.holdsWrites = true }
    try together([
      { try? f.cache.flushAll() },
      {
        f.device.waitUntilHeld(1)
        try? f.put(f.block(2), to: BlockAddress(7), content: .existing)
        try? together([
          { f.device.script.withLock { $0.holdsWrites = false } },
          { try? f.cache.flush(owner: CacheFixture.owner) },
        ])
        let now = try? f.onDevice(7)
        #expect(now == f.block(2))
      },
    ])
    #expect(f.device.script.withLock { $0.overlappingWrites } == 0)
    #expect(f.cache.dirtyByteCount == 0)
  }

  @Test func aFailedWriteIsToldOnceKeepsTheBlockAndSparesItsNeighbours() throws {
    let f = CacheFixture()
    try f.put(f.block(1, count: 5), to: BlockAddress(10))
    f.device.script.withLock { $0.badWrites = [CacheFixture.offset(12)] }
    #expect(throws: FileSystemError.self) { try f.cache.flush(owner: CacheFixture.owner) }
    #expect(try f.onDevice(11) == f.block(1))
    #expect(try f.onDevice(13) == f.block(1))
    #expect(f.cache.dirtyByteCount == 1024)
    #expect(try f.copyOut(BlockAddress(12)) == f.block(1))
    f.device.script.withLock { $0.badWrites = [] }
    try f.cache.flush(owner: CacheFixture.owner)
    #expect(try f.onDevice(12) == f.block(1))
    #expect(f.cache.dirtyByteCount == 0)
  }

  @Test func aFailureInTheBackgroundIsToldToTheOwnersNextFlush() throws {
    let f = CacheFixture()
    try f.put(f.block(1), to: BlockAddress(10), owner: InodeNumber(11))
    try f.put(f.block(2), to: BlockAddress(20), owner: InodeNumber(12))
    f.device.script.withLock { $0.badWrites = [CacheFixture.offset(10)] }
    #expect(throws: FileSystemError.self) { try f.cache.flushAll() }
    f.device.script.withLock { $0.badWrites = [] }
    try f.cache.flushAll()
    try f.cache.flush(owner: InodeNumber(12))
    #expect(throws: FileSystemError.self) { try f.cache.flush(owner: InodeNumber(11)) }
    try f.cache.flush(owner: InodeNumber(11))
  }

  @Test func oneUnreadableBlockSparesItsNeighbours() throws {
    let f = CacheFixture(limit: 512)
    try f.setOnDevice(10, f.block(3, count: 10))
    f.device.script.withLock { $0.badReads = [CacheFixture.offset(14)] }
    #expect(throws: FileSystemError.self) { try f.copyOut(BlockAddress(10), count: 10 * 1024) }
    #expect(try f.copyOut(BlockAddress(10), count: 4 * 1024) == f.block(3, count: 4))
    #expect(try f.copyOut(BlockAddress(15), count: 5 * 1024) == f.block(3, count: 5))
    #expect(throws: FileSystemError.self) { try f.copyOut(BlockAddress(14)) }
    // A whole new content needs no read, and heals.
    try f.put(f.block(4), to: BlockAddress(14), content: .existing)
    #expect(try f.copyOut(BlockAddress(14)) == f.block(4))
  }

  /// The write in flight has older bytes than the transaction: it may not land after a checkpoint.
  @Test func aBlockThatIsBeingWrittenIsTakenForTheJournalWhenThatWriteHasEnded() throws {
    let f = CacheFixture()
    try f.put(f.block(1), to: BlockAddress(7))
    f.device.script.withLock { $0.holdsWrites = true }
    let wasEarly = Guarded(false, .unranked)
    try together([
      { _ = f.cache.writeBack(owner: CacheFixture.owner) },
      {
        f.device.waitUntilHeld(1)
        try? f.put(f.block(2), to: BlockAddress(7), content: .existing)
        try? together([
          {
            Clock.sleep(nanoseconds: 50_000_000)
            f.device.script.withLock { $0.holdsWrites = false }
          },
          {
            let taken = f.cache.takeForJournal(BlockAddress(7), owner: CacheFixture.owner)
            let isHeld = f.device.script.withLock { $0.holdsWrites }
            wasEarly.withLock { $0 = taken == nil || isHeld }
          },
        ])
      },
    ])
    #expect(!wasEarly.withLock { $0 })
    #expect(f.cache.dirtyByteCount == 0)
  }

  @Test func failuresOfOwnersThatNobodyAsksForAreBounded() throws {
    let f = CacheFixture(blocks: 8192, limit: 8192)
    f.device.script.withLock { script in
      script.badWrites = Set((0..<6000).map(CacheFixture.offset))
    }
    for number in 0..<6000 as Range<UInt64> {
      let owner = InodeNumber(UInt32(20 + number))
      try f.put(f.block(3), to: BlockAddress(number), owner: owner)
      #expect(f.cache.writeBack(owner: owner) != nil)
    }
    #expect(f.cache.ownersWithFailures <= 4096)
    // One that is told, or gone, is forgotten.
    f.cache.forgetFailures(of: InodeNumber(20 + 5999))
    #expect(throws: Never.self) {
      f.device.script.withLock { $0.badWrites = [] }
      try f.cache.flush(owner: InodeNumber(20 + 5999))
    }
  }
}
