import BlockCache
import BlockIO
import ExtantBase
import Synchronization
import Testing
import Threading

@Suite struct MetadataTests {
  @Test func aBlockIsVerifiedOnceAndStaysOneObject() throws {
    let f = CacheFixture()
    try f.setOnDevice(30, f.block(5))
    var verified = 0
    let a = try f.cache.block(at: BlockAddress(30)) { _ throws(FileSystemError) in verified += 1 }
    let b = try f.cache.block(at: BlockAddress(30)) { _ throws(FileSystemError) in verified += 1 }
    #expect(a === b)
    #expect(verified == 1)
    #expect(CacheFixture.contents(a) == f.block(5))
  }

  @Test func aBlockThatDoesNotVerifyIsNotKept() throws {
    let f = CacheFixture()
    let wrong = FileSystemError.corrupt(Corruption("bitmap", "wrong"))
    #expect(throws: wrong) {
      try f.cache.block(at: BlockAddress(30)) { _ throws(FileSystemError) in throw wrong }
    }
    try f.setOnDevice(30, f.block(5))
    let block = try f.cache.block(at: BlockAddress(30)) { _ throws(FileSystemError) in }
    #expect(CacheFixture.contents(block) == f.block(5))
  }

  @Test func aPrefetchedBlockIsVerifiedBeforeItIsHandedOut() throws {
    let f = CacheFixture()
    f.cache.prefetch(BlockAddress(30), count: 1)
    while f.cache.statistics.blocksRead < 1 { Clock.sleep(nanoseconds: 200_000) }
    var verified = 0
    _ = try f.cache.block(at: BlockAddress(30)) { _ throws(FileSystemError) in verified += 1 }
    #expect(verified == 1)
  }

  @Test func aBlockInUseOutsideIsNeverReadASecondTime() throws {
    let f = CacheFixture(limit: 32)
    let held = try f.cache.block(at: BlockAddress(30)) { _ throws(FileSystemError) in }
    for address in 100..<400 as Range<UInt64> { _ = try f.copyOut(BlockAddress(address)) }
    let again = try f.cache.block(at: BlockAddress(30)) { _ throws(FileSystemError) in }
    #expect(held === again)
  }

  @Test func aPinnedBlockIsNeitherEvictedNorWrittenUntilUnpinned() throws {
    let f = CacheFixture(limit: 32)
    do {
      let block = f.cache.newBlock(at: BlockAddress(30))
      #expect(f.cache.pin(BlockAddress(30)))
      var bytes = block.mutableBytes
      unsafe bytes.overwrite(at: 0, with: f.block(8).span.bytes)
    }
    for address in 100..<400 as Range<UInt64> { _ = try f.copyOut(BlockAddress(address)) }
    try f.cache.flushAll()
    #expect(f.device.script.withLock { $0.writes.isEmpty })
    do {
      let block = try f.cache.block(at: BlockAddress(30)) { _ throws(FileSystemError) in
        Issue.record("read again")
      }
      #expect(CacheFixture.contents(block) == f.block(8))
    }
    f.cache.unpin(BlockAddress(30))
    for address in 400..<700 as Range<UInt64> { _ = try f.copyOut(BlockAddress(address)) }
    let block = try f.cache.block(at: BlockAddress(30)) { _ throws(FileSystemError) in }
    #expect(CacheFixture.contents(block) == f.block(0), "evicted, and never written")
    #expect(!f.cache.pin(BlockAddress(31)))
  }

  @Test func newBlockDropsWhatWasThereAndIsZero() throws {
    let f = CacheFixture()
    try f.put(f.block(1), to: BlockAddress(30))
    let block = f.cache.newBlock(at: BlockAddress(30))
    #expect(CacheFixture.contents(block) == f.block(0))
    #expect(f.cache.dirtyByteCount == 0)
  }

  @Test func manyThreadsThatWantOneBlockReadItOnce() throws {
    let f = CacheFixture()
    f.device.script.withLock { $0.holdsReads = true }
    let verified = Atomic(0)
    let want: @Sendable () -> Void = {
      _ = try? f.cache.block(at: BlockAddress(30)) { _ throws(FileSystemError) in
        verified.add(1, ordering: .relaxed)
      }
    }
    try together(
      Array(repeating: want, count: 6) + [
        {
          f.device.waitUntilHeld(1)
          f.device.script.withLock { $0.holdsReads = false }
        }
      ])
    #expect(verified.load(ordering: .relaxed) == 1)
    #expect(f.device.script.withLock { $0.reads.count } == 1)
  }
}
