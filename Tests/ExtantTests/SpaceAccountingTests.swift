import ExtantBase
import TestSupport
import Testing
import Threading

@testable import Extant

/// Blocks are counted right: what is deleted comes back, and a full disk can be emptied.
@Suite struct SpaceAccountingTests {
  @Test(arguments: [1024, 4096])
  func everythingComesBackWhenEverythingIsDeleted(blockSize: Int) throws {
    let image = try EngineImage(size: "16M", blockSize: blockSize)
    let seed = Seed.take()
    var random = SeededGenerator(seed: seed)
    for round in 0..<2 {
      try image.use({ if round % 2 == 1 { $0.cacheByteLimit = 1 << 20 } }) { fs in
        try fs.sync()
        let before = fs.statistics().freeBlocks
        let directory = try fs.makeDirectory(try FileName("d"), in: .root, mode: 0o755).inode
        for step in 0..<120 { try Self.step(fs, directory, step, blockSize, &random) }
        for name in try fs.names(in: "/d") { try fs.unlink(try FileName(name), in: directory) }
        try fs.removeDirectory(try FileName("d"), in: .root)
        #expect(fs.blocks.reservedBlocks == 0)
        try fs.sync()
        #expect(fs.statistics().freeBlocks == before)
        #expect(fs.blocks.reservedBlocks == 0)
        #expect(fs.blocks.pendingBlocks == 0)
        #expect(fs.cache.dirtyByteCount == 0)
      }
    }
  }

  private static func step(
    _ fs: FileSystem, _ directory: InodeNumber, _ step: Int, _ blockSize: Int,
    _ random: inout SeededGenerator
  ) throws {
    let block = UInt64(blockSize)
    let path = "/d/f\(random.below(5))"
    do throws(FileSystemError) {
      let file = try fs.open(path, .readWrite, create: 0o644)
      defer { file.close() }
      let start = UInt64(random.below(3000)) * block
      let end = start + UInt64(1 + random.below(600)) * block
      switch random.below(11) {
      case 0...3: _ = try file.write(pattern(Int(end - start)), at: start)
      case 4: try file.allocate(start..<end, keepSize: random.chance(50))
      case 5: try file.punchHole(start..<end)
      case 6: try file.zeroRange(start..<end)
      case 7: try file.collapse(start..<end)
      case 8: try file.insert(length: block, at: start)
      case 9: try file.truncate(to: start + 77)
      default: try file.sync()
      }
      if random.chance(5) { try fs.unlink(try FileName("f\(random.below(5))"), in: directory) }
      if random.chance(5) { try fs.sync() }
    } catch {
      if error.isFault { throw error }
    }
  }

  /// statfs(2) while others free and reserve: its numbers are all of one moment.
  @Test func countsAreOfOneMoment() throws {
    let image = try EngineImage(size: "16M", blockSize: 1024)
    try image.use { fs in
      try fs.fill("/filler", [.readWrite, .usesReserve])
      try fs.open("/filler", .readWrite).punchHole(0..<(1500 << 10))
      try fs.sync()
      let isDone = Guarded(false, .unranked)
      let errors = Guarded<[String]>([], .unranked)
      let workers = [
        WorkerThread(name: "frees") {
          do {
            for round in 0..<150 {
              let inode = try fs.create("/f\(round % 2)").inode
              let file = try fs.openFile(inode, [.readWrite, .usesReserve])
              try file.allocate(0..<(200 << 10))
              try fs.unlink(try FileName("f\(round % 2)"), in: .root)
              file.close()
              try fs.sync()
            }
          } catch { errors.withLock { $0.append("\(error)") } }
          isDone.withLock { $0 = true }
        },
        WorkerThread(name: "reserves") {
          while !isDone.withLock({ $0 }) {
            if (try? fs.blocks.reserve(300, claim: .tree)) != nil { fs.blocks.release(300) }
          }
        },
      ].compactMap { $0 }
      #expect(workers.count == 2)
      var wrong = 0
      while !isDone.withLock({ $0 }) {
        let counts = fs.blocks.counts
        if counts.reserved + counts.pending > counts.free { wrong += 1 }
        let seen = fs.statistics()
        if seen.availableBlocks > seen.freeBlocks { wrong += 1 }
      }
      for worker in workers { worker.join() }
      #expect(wrong == 0)
      #expect(errors.withLock { $0 } == [])
    }
  }

  /// As tune2fs(8) says of -u and -g.
  @Test func theSuperblockNamesWhoseTheReserveIs() throws {
    let image = try EngineImage(size: "8M")
    try image.use { fs in
      #expect(fs.mayUseReserve(Caller(uid: 0, gid: 7)))
      #expect(!fs.mayUseReserve(Caller(uid: 7, gid: 0)))
    }
    try Program.succeed(["tune2fs", "-u", "1234", "-g", "77", image.image.path])
    try image.use { fs in
      #expect(fs.mayUseReserve(Caller(uid: 0, gid: 7)))
      #expect(fs.mayUseReserve(Caller(uid: 1234, gid: 7)))
      #expect(fs.mayUseReserve(Caller(uid: 7, gid: 77)))
      #expect(!fs.mayUseReserve(Caller(uid: 7, gid: 7)))
    }
  }

  /// Where the last block is gone, cutting and deleting are what helps.
  @Test func aDiskWithoutASingleFreeBlockCanBeEmptied() throws {
    let image = try EngineImage(size: "4M", blockSize: 1024, options: ["-m", "0", "-N", "512"])
    try image.use({ $0.treeReserve = 0 }) { fs in
      let scattered = try fs.create("/scattered")
      for index in 0..<600 { try scattered.writeAll([1], at: UInt64(index) * 2048) }
      try fs.sync()
      let rest = try fs.create("/rest")
      #expect(throws: FileSystemError.refused(.noSpace)) {
        try rest.allocate(0..<(8 << 20))
      }
      for index in 0..<400 {
        guard let file = try? fs.create("/small\(index)") else { break }
        defer { file.close() }
        do throws(FileSystemError) { _ = try file.write([1], at: 0) } catch { break }
      }
      try fs.sync()
      #expect(fs.statistics().freeBlocks == 0)
      try scattered.truncate(to: 300 * 2048)
      try fs.sync()
      #expect(fs.statistics().freeBlocks >= 300)
      // And full again.
      for index in 400..<1000 {
        guard let file = try? fs.create("/small\(index)") else { break }
        defer { file.close() }
        do throws(FileSystemError) { _ = try file.write([1], at: 0) } catch { break }
      }
      while (try? rest.write([UInt8](repeating: 1, count: 1024), at: rest.attributes().size)) != nil
      {}
      try fs.sync()
      #expect(fs.statistics().freeBlocks == 0)
      let before = fs.statistics().freeBlocks
      scattered.close()
      try fs.unlink(try FileName("scattered"), in: .root)
      try fs.sync()
      #expect(fs.statistics().freeBlocks >= before + 250)
      rest.close()
    }
  }
}
