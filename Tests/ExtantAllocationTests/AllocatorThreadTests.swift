import Ext4Format
import ExtantBase
import TestSupport
import Testing
import Threading

@testable import Extant

@Suite(.enabled(if: Environment.hasTools))
struct AllocatorThreadTests {
  @Test func blocksAndInodesGoToOneThreadEach() throws {
    let seed = Seed.take()
    let directory = try TemporaryDirectory()
    let bench = try Workbench(AllocationRecipe(name: "1 KiB", blockSize: 1024).make(in: directory))
    let freeInodes = bench.inodes.freeInodes
    let owned = Guarded<(blocks: [Range<UInt64>], inodes: [InodeNumber])>(([], []), .unranked)
    let threads = (0..<4 as Range<UInt64>).compactMap { number in
      WorkerThread(name: "allocating") {
        var random = SeededGenerator(seed: seed &+ number)
        var mine: [Range<UInt64>] = []
        var inodes: [InodeNumber] = []
        for _ in 0..<300 {
          let stream = InodeNumber(UInt32(20 + number))
          if random.chance(60) {
            guard (try? bench.blocks.reserve(20)) != nil else { continue }
            let run = try? bench.blocks.allocate(
              goal: mine.last.map { BlockAddress($0.upperBound) } ?? BlockAddress(0), wanted: 20,
              window: 200, reserved: true, stream: stream, handle: bench.store)
            let count = run?.count ?? 0
            bench.blocks.release(20 - count)
            if let run { mine.append(run.start.rawValue..<run.start.rawValue + count) }
          } else if let run = mine.popLast() {
            try? bench.blocks.free(
              BlockAddress(run.lowerBound), count: UInt64(run.count), transaction: 1,
              handle: bench.store)
          }
          if let inode = try? bench.inodes.allocate(
            kind: .regular, parent: .root, handle: bench.store)
          {
            inodes.append(inode)
          }
        }
        bench.blocks.dropPreallocation(InodeNumber(UInt32(20 + number)))
        owned.withLock { owned in
          owned.blocks += mine
          owned.inodes += inodes
        }
      }
    }
    #expect(threads.count == 4)
    for thread in threads { thread.join() }

    let (blocks, inodes) = owned.withLock { $0 }
    #expect(Set(inodes).count == inodes.count)
    #expect(inodes.count == 1200)
    #expect(Set(blocks.flatMap { $0 }).count == blocks.reduce(0) { $0 + $1.count })
    #expect(bench.blocks.reservedBlocks == 0)
    #expect(bench.inodes.freeInodes == freeInodes - 1200)
    try bench.commit()
    #expect(try bench.seriousComplaints() == [])
    for run in blocks {
      try bench.blocks.free(
        BlockAddress(run.lowerBound), count: UInt64(run.count), transaction: bench.transaction,
        handle: bench.store)
    }
    for inode in inodes {
      try bench.inodes.free(
        inode, wasDirectory: false, transaction: bench.transaction, handle: bench.store)
    }
    try bench.commit()
    #expect(try bench.image.complaint() == nil)
  }
}
