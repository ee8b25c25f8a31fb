import Extant
import ExtantBase
import TestSupport
import Testing

@Suite struct FileContentsTests {
  @Test(arguments: [1024, 2048, 4096])
  func whatIsWrittenIsReadBackNowAndAfterOpeningAgain(blockSize: Int) throws {
    let image = try EngineImage(blockSize: blockSize)
    let bytes = pattern(300_001)
    try image.use { fs in
      let file = try fs.create("/a")
      try file.writeAll(bytes, at: 0)
      #expect(try file.contents() == bytes)
      try file.sync()
      #expect(try file.contents() == bytes)
      file.close()
    }
    try image.use { fs in
      let file = try fs.open("/a", .read)
      #expect(try file.contents() == bytes)
      #expect(try file.extents().count == 1)
      file.close()
    }
  }

  @Test func overwritesAndHolesReadAsTheyShould() throws {
    let image = try EngineImage()
    try image.use { fs in
      let file = try fs.create("/a")
      var model = [UInt8](repeating: 0, count: 500_000)
      func put(_ bytes: [UInt8], _ offset: Int) throws {
        try file.writeAll(bytes, at: UInt64(offset))
        model.replaceSubrange(offset..<offset + bytes.count, with: bytes)
      }
      try put(pattern(10, seed: 2), 499_990)
      try put(pattern(5000, seed: 3), 100_000)
      #expect(try file.contents() == model)
      try file.sync()
      try put(pattern(9000, seed: 4), 97_000)
      try put(pattern(1, seed: 5), 0)
      #expect(try file.contents() == model)
      #expect(try file.seekHole(from: 0) == 4096)
      #expect(try file.seekData(from: 4096) == 94_208)
      file.close()
    }
  }

  @Test func truncationFreesBlocksAndGrowingReadsAsZeros() throws {
    let image = try EngineImage()
    try image.use { fs in
      let before = fs.statistics().freeBlocks
      let file = try fs.create("/a")
      try file.writeAll(pattern(100_000), at: 0)
      try file.sync()
      try file.truncate(to: 5_000)
      try file.truncate(to: 20_000)
      let expected = Array(pattern(100_000).prefix(5_000)) + [UInt8](repeating: 0, count: 15_000)
      #expect(try file.contents() == expected)
      #expect(file.attributes().blocks512 == 16)
      try file.truncate(to: 0)
      file.close()
      try fs.sync()
      #expect(fs.statistics().freeBlocks == before)
    }
  }

  @Test func aFullDiskGivesAShortWriteThenENOSPCAndStaysSound() throws {
    let image = try EngineImage(size: "8M", blockSize: 1024)
    try image.use { fs in
      let file = try fs.create("/a")
      var offset: UInt64 = 0
      let chunk = pattern(70_000)
      while true {
        let done: Int
        do { done = try file.write(chunk, at: offset) } catch {
          #expect(error as? FileSystemError == .refused(.noSpace))
          break
        }
        offset += UInt64(done)
      }
      #expect(offset > 4 << 20)
      #expect(fs.statistics().availableBlocks < 16)
      file.close()
      // What was freed can be used again.
      try fs.unlink(try FileName("a"), in: .root)
      let second = try fs.create("/b")
      #expect(try second.write(chunk, at: 0) == chunk.count)
      second.close()
    }
  }

  @Test func theReserveIsForThoseWhoMayUseIt() throws {
    let image = try EngineImage(size: "16M", options: ["-m", "20"])
    try image.use { fs in
      let bytes = pattern(16 << 20)
      let ordinary = try fs.create("/a")
      let written = try ordinary.write(bytes, at: 0)
      #expect(fs.statistics().availableBlocks == 0)
      #expect(fs.statistics().freeBlocks > 700)
      #expect(throws: FileSystemError.refused(.noSpace)) {
        try ordinary.write(pattern(8192), at: UInt64(written))
      }
      let privileged = try fs.openFile(ordinary.inode, [.readWrite, .usesReserve])
      #expect(try privileged.write(pattern(1 << 20), at: UInt64(written)) == 1 << 20)
      ordinary.close()
      privileged.close()
    }
  }

  @Test func anUnlinkedFileLivesUntilItIsClosed() throws {
    let image = try EngineImage()
    try image.use { fs in
      let before = fs.statistics()
      let file = try fs.create("/a")
      try file.writeAll(pattern(50_000), at: 0)
      try fs.unlink(try FileName("a"), in: .root)
      #expect(try fs.names(in: "/") == ["lost+found"])
      #expect(try file.contents() == pattern(50_000))
      try fs.sync()
      #expect(try file.contents() == pattern(50_000))
      file.close()
      try fs.sync()
      #expect(fs.statistics() == before)
    }
  }

  @Test func anUnlinkedFileStillOpenAtCloseIsGoneAfterwards() throws {
    let image = try EngineImage()
    var free: UInt64 = 0
    var open: File?
    try image.use { fs in
      free = fs.statistics().freeBlocks
      let file = try fs.create("/a")
      try file.writeAll(pattern(50_000), at: 0)
      try fs.unlink(try FileName("a"), in: .root)
      open = file
    }
    open?.close()
    try image.use { fs in #expect(fs.statistics().freeBlocks == free) }
  }

  @Test func aFreshGigabyteIsEightExtents() throws {
    let image = try EngineImage(size: "2G")
    let chunk = pattern(1 << 20)
    try image.use({ $0.cacheByteLimit = 32 << 20 }) { fs in
      let file = try fs.create("/a")
      for index in 0..<1024 { try file.writeAll(chunk, at: UInt64(index) << 20) }
      try file.sync()
      #expect(try file.extents().count == 8)
      file.close()
    }
  }
}
