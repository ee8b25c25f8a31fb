import Ext4Format
import ExtantBase
import TestSupport
import Testing

@testable import Extant

/// The allocator's promises, one at a time.
@Suite(.enabled(if: Environment.hasTools))
struct BlockAllocatorRuleTests {
  private func bench(_ recipe: AllocationRecipe = AllocationRecipe(name: "4 KiB")) throws -> (
    Workbench, TemporaryDirectory
  ) {
    let directory = try TemporaryDirectory()
    return (try Workbench(recipe.make(in: directory)), directory)
  }

  @Test func aFreedBlockIsNotHandedOutBeforeItsTransactionCommits() throws {
    let (bench, directory) = try bench()
    defer { withExtendedLifetime(directory) {} }
    var all: [(start: BlockAddress, count: UInt64)] = []
    while bench.blocks.freeBlocks > 0 {
      all.append(
        try bench.blocks.allocate(goal: BlockAddress(0), wanted: 32768, handle: bench.store))
    }
    let run = try #require(all.first)
    try bench.blocks.free(
      run.start, count: 10, transaction: bench.transaction, handle: bench.store)
    #expect(bench.blocks.freeBlocks == 10)
    #expect(bench.blocks.pendingBlocks == 10)
    #expect(bench.blocks.reservableBlocks == 0)
    #expect(throws: FileSystemError.refused(.noSpace)) {
      try bench.blocks.allocate(goal: run.start, wanted: 1, handle: bench.store)
    }
    #expect(throws: FileSystemError.refused(.noSpace)) { try bench.blocks.reserve(1) }
    bench.blocks.didCommit(bench.transaction - 1)
    #expect(bench.blocks.pendingBlocks == 10)
    try bench.commit()
    #expect(bench.blocks.pendingBlocks == 0)
    let again = try bench.blocks.allocate(goal: BlockAddress(0), wanted: 99, handle: bench.store)
    #expect(again.start == run.start && again.count == 10)
  }

  @Test func freeingWhatIsFreeOrTheFilesystemsOwnIsCorruptAndChangesNothing() throws {
    let (bench, directory) = try bench()
    defer { withExtendedLifetime(directory) {} }
    let run = try bench.blocks.allocate(goal: BlockAddress(3000), wanted: 8, handle: bench.store)
    try bench.commit()
    let before = try bench.listedFree().blocks
    let descriptor = bench.groups.descriptor(0)
    for (start, count) in [
      (run.start + 4, 8), (run.start + 8, 1), (BlockAddress(0), 1), (BlockAddress(1), 1),
      (descriptor.blockBitmap, 1), (descriptor.inodeBitmap, 1), (descriptor.inodeTable + 3, 2),
      (BlockAddress(bench.superblock.blockCount - 1), 2),
      (BlockAddress(bench.superblock.blockCount), 1), (BlockAddress(.max), 1),
      (run.start, UInt64.max), (BlockAddress.firstVirtual, 3),
    ] as [(BlockAddress, UInt64)] {
      do throws(FileSystemError) {
        try bench.blocks.free(
          start, count: count, transaction: bench.transaction, handle: bench.store)
        Issue.record("\(start), \(count) could be freed")
      } catch {
        guard case .corrupt = error else {
          Issue.record("\(error)")
          continue
        }
      }
    }
    #expect(bench.store.changedCount == 0)
    try bench.commit()
    #expect(try bench.listedFree().blocks == before)
  }

  @Test func reservationsAreCountedAgainstFreeBlocksAndTheRootReserve() throws {
    let (bench, directory) = try bench(AllocationRecipe(name: "reserve", options: ["-m", "10"]))
    defer { withExtendedLifetime(directory) {} }
    let free = bench.blocks.freeBlocks
    let root = bench.superblock.reservedBlockCount
    #expect(root > 100)
    #expect(throws: FileSystemError.refused(.noSpace)) {
      try bench.blocks.reserve(free - root + 1)
    }
    try bench.blocks.reserve(free - root)
    #expect(bench.blocks.freeBlocks == free)
    #expect(throws: FileSystemError.refused(.noSpace)) { try bench.blocks.reserve(1) }
    try bench.blocks.reserve(root, claim: .root)
    #expect(throws: FileSystemError.refused(.noSpace)) {
      try bench.blocks.reserve(1, claim: .root)
    }
    // All is promised: who has no reservation gets nothing, who has gets it.
    #expect(throws: FileSystemError.refused(.noSpace)) {
      try bench.blocks.allocate(goal: BlockAddress(0), wanted: 1, handle: bench.store)
    }
    let run = try bench.blocks.allocate(
      goal: BlockAddress(0), wanted: 5, reserved: true, handle: bench.store)
    #expect(bench.blocks.reservedBlocks == free - run.count)
    bench.blocks.release(100)
    let other = try bench.blocks.allocate(
      goal: BlockAddress(0), wanted: 400, handle: bench.store)
    #expect(other.count == 100)
    #expect(bench.blocks.reservedBlocks == free - run.count - 100)
    bench.blocks.release(.max)
    #expect(bench.blocks.reservedBlocks == 0)
  }

  @Test func theReserveForExtentTreesIsNobodyElses() throws {
    let directory = try TemporaryDirectory()
    let recipe = AllocationRecipe(name: "tree reserve", options: ["-m", "10"])
    let bench = try Workbench(recipe.make(in: directory), treeReserve: nil)
    let counts = bench.blocks.counts
    #expect(counts.treeReserve == bench.superblock.blockCount / 50)
    #expect(counts.reservable == counts.free)
    let root = bench.superblock.reservedBlockCount
    func refused(_ count: UInt64, _ claim: BlockAllocator.Claim) -> Bool {
      do { try bench.blocks.reserve(count, claim: claim) } catch { return true }
      return false
    }
    #expect(refused(counts.free - root - counts.treeReserve + 1, .ordinary))
    #expect(!refused(counts.free - root - counts.treeReserve, .ordinary))
    #expect(refused(1, .ordinary))
    #expect(refused(root + 1, .root))
    #expect(!refused(root, .root))
    #expect(refused(1, .root))
    // Who comes without a reservation gets none of it either.
    #expect(throws: FileSystemError.refused(.noSpace)) {
      try bench.blocks.allocate(goal: BlockAddress(0), wanted: 1, handle: bench.store)
    }
    #expect(!refused(counts.treeReserve, .tree))
    #expect(refused(1, .tree))
    #expect(bench.blocks.counts.reservable == 0)
    bench.blocks.release(.max)
  }

  @Test func aWindowIsKeptForItsStreamAndGivesWayBeforeENOSPC() throws {
    let (bench, directory) = try bench()
    defer { withExtendedLifetime(directory) {} }
    let stream = InodeNumber(20)
    let first = try bench.blocks.allocate(
      goal: BlockAddress(6000), wanted: 8, window: 256, stream: stream, handle: bench.store)
    let behind = first.start + first.count
    let other = try bench.blocks.allocate(goal: behind, wanted: 8, handle: bench.store)
    #expect(other.start >= first.start + 256)
    let next = try bench.blocks.allocate(
      goal: behind, wanted: 16, stream: stream, handle: bench.store)
    #expect(next.start == behind && next.count == 16)
    // Everything else is taken: the window must go.
    var count = bench.blocks.freeBlocks
    while count > 0 {
      count -= try bench.blocks.allocate(
        goal: BlockAddress(0), wanted: 32768, handle: bench.store
      ).count
    }
    #expect(bench.blocks.freeBlocks == 0)
  }

  @Test func droppingAWindowMakesItsBlocksAvailable() throws {
    let (bench, directory) = try bench()
    defer { withExtendedLifetime(directory) {} }
    let stream = InodeNumber(20)
    let first = try bench.blocks.allocate(
      goal: BlockAddress(6000), wanted: 8, window: 256, stream: stream, handle: bench.store)
    bench.blocks.dropPreallocation(stream)
    let behind = first.start + first.count
    let other = try bench.blocks.allocate(goal: behind, wanted: 300, handle: bench.store)
    #expect(other.start == behind)
  }

  @Test func metadataFillsSmallHolesFirst() throws {
    let (bench, directory) = try bench()
    defer { withExtendedLifetime(directory) {} }
    let run = try bench.blocks.allocate(
      goal: BlockAddress(6000), wanted: 100, handle: bench.store)
    try bench.blocks.free(
      run.start + 50, count: 3, transaction: bench.transaction, handle: bench.store)
    try bench.commit()
    for index in 0..<3 as Range<UInt64> {
      let block = try bench.blocks.allocateMetadataBlock(
        goal: BlockAddress(0), handle: bench.store)
      #expect(block == run.start + 50 + index)
    }
  }

  @Test func trimTellsOfEveryAvailableRunOnce() throws {
    let (bench, directory) = try bench(AllocationRecipe(name: "1 KiB", blockSize: 1024))
    defer { withExtendedLifetime(directory) {} }
    let run = try bench.blocks.allocate(
      goal: BlockAddress(20000), wanted: 100, handle: bench.store)
    try bench.blocks.free(
      run.start + 50, count: 3, transaction: bench.transaction, handle: bench.store)
    let whole = BlockAddress(0)..<BlockAddress(.max)
    var told: Set<UInt64> = []
    let trimmed = try bench.blocks.trim(whole, minimum: 1) { start, count in
      for block in start.rawValue..<start.rawValue + count {
        #expect(told.insert(block).inserted)
      }
    }
    #expect(trimmed == UInt64(told.count))
    // What was freed is not durable yet.
    #expect(trimmed == bench.blocks.freeBlocks - 3)
    try bench.commit()
    #expect(
      told
        == (try bench.listedFree().blocks).subtracting(
          [50, 51, 52].map { run.start.rawValue + $0 }))
    let short = try bench.blocks.trim(run.start..<run.start + 100, minimum: 4) { _, _ in }
    #expect(short == 0)
    let hole = try bench.blocks.trim(run.start..<run.start + 100, minimum: 3) { start, count in
      #expect(start == run.start + 50 && count == 3)
    }
    #expect(hole == 3)
    #expect(bench.blocks.reservableBlocks == bench.blocks.freeBlocks)
  }

  @Test func aWrongBitmapPutsItsGroupOutOfUseAndNothingElse() throws {
    let directory = try TemporaryDirectory()
    let image = try AllocationRecipe(name: "1 KiB", blockSize: 1024).make(in: directory)
    let broken: Int = 1
    do {
      let bench = try Workbench(image)
      // A bitmap that was never written is never read: write it first.
      _ = try bench.blocks.allocate(
        goal: bench.superblock.groupFirstBlock(GroupIndex(1)) + 4000, wanted: 3,
        handle: bench.store)
      try bench.commit()
      let place = bench.groups.descriptor(broken).blockBitmap.rawValue * 1024
      try bench.device.write([0xA5, 0x5A].rawBytes, at: place + 700)
      try bench.device.close()
    }
    let bench = try Workbench(image)
    let inside = bench.superblock.groupFirstBlock(GroupIndex(1)) + 2000
    let run = try bench.blocks.allocate(goal: inside, wanted: 10, handle: bench.store)
    #expect(bench.superblock.group(of: run.start) != GroupIndex(1))
    #expect(bench.blocks.faults.map(\.group) == [GroupIndex(1)])
    #expect(throws: FileSystemError.self) {
      try bench.blocks.free(
        inside, count: 1, transaction: bench.transaction, handle: bench.store)
    }
    let lost = UInt64(bench.groups.descriptor(broken).freeBlocks)
    #expect(bench.blocks.reservableBlocks == bench.blocks.freeBlocks - lost)
    var left = bench.blocks.reservableBlocks
    while left > 0 {
      left -= try bench.blocks.allocate(goal: inside, wanted: 32768, handle: bench.store).count
    }
    #expect(throws: FileSystemError.refused(.noSpace)) {
      try bench.blocks.allocate(goal: inside, wanted: 1, handle: bench.store)
    }
  }

  @Test func anUnreadableBitmapPutsItsGroupOutOfUseAndNothingElse() throws {
    let (bench, directory) = try bench(AllocationRecipe(name: "1 KiB", blockSize: 1024))
    defer { withExtendedLifetime(directory) {} }
    for group in [0, 2] { bench.store.fail(at: bench.groups.descriptor(group).blockBitmap) }
    let goal = bench.superblock.groupFirstBlock(GroupIndex(2))
    let run = try bench.blocks.allocate(
      goal: goal, wanted: 5000, window: 9000, stream: InodeNumber(13), handle: bench.store)
    let group = bench.superblock.group(of: run.start)
    #expect(group != GroupIndex(0) && group != GroupIndex(2))
    #expect(run.count == 5000)
  }
}
