import Extant
import ExtantBase
import TestSupport
import Testing
import Threading

/// Work that is larger than the memory it gets.
@Suite struct CacheLimitTests {
  @Test(arguments: [1024, 4096])
  func filesManyTimesTheCacheAreWrittenAndReadBack(blockSize: Int) throws {
    let image = try EngineImage(size: "64M", blockSize: blockSize)
    let bytes = pattern(3 << 20)
    try image.use({ $0.cacheByteLimit = 256 << 10 }) { fs in
      let file = try fs.create("/a")
      try file.writeAll(bytes, at: 0)
      // Unwritten blocks, and parts of existing ones.
      try file.fallocate(mode: [], offset: 4 << 20, length: 2 << 20)
      try file.writeAll(bytes, at: (4 << 20) + 777)
      try file.writeAll(Array(bytes[..<(1 << 20)]), at: 333)
      var expected = bytes
      expected.replaceSubrange(333..<333 + (1 << 20), with: bytes[..<(1 << 20)])
      #expect(try file.read(bytes.count, at: 0) == expected)
      #expect(try file.read(bytes.count, at: (4 << 20) + 777) == bytes)
      file.close()
    }
    try image.use { fs in
      let file = try fs.open("/a", .read)
      #expect(try file.read(bytes.count, at: (4 << 20) + 777) == bytes)
      file.close()
    }
  }

  @Test func manyWritersShareASmallCache() throws {
    let image = try EngineImage(size: "64M")
    let bytes = pattern(1 << 20)
    try image.use({ $0.cacheByteLimit = 512 << 10 }) { fs in
      let failures = Guarded<[String]>([], .unranked)
      let threads = (0..<8).compactMap { index in
        WorkerThread(name: "test") {
          do {
            let file = try fs.create("/f\(index)")
            try file.writeAll(bytes, at: UInt64(index))
            if try file.read(bytes.count, at: UInt64(index)) != bytes {
              failures.withLock { $0.append("file \(index)") }
            }
            file.close()
          } catch {
            failures.withLock { $0.append("\(error)") }
          }
        }
      }
      for thread in threads { thread.join() }
      #expect(failures.withLock { $0 } == [])
    }
  }
}
