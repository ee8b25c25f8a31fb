import Extant
import ExtantBase
import SystemPackage
import TestSupport
import Testing

@Suite struct FallocateTests {
  /// The file as a row of bytes, and what each request does to it.
  struct Model {
    var bytes: [UInt8]

    mutating func collapse(_ range: Range<Int>) { bytes.removeSubrange(range) }
    mutating func insert(_ count: Int, at offset: Int) {
      bytes.insert(contentsOf: [UInt8](repeating: 0, count: count), at: offset)
    }
    mutating func zero(_ range: Range<Int>) {
      if range.upperBound > bytes.count {
        bytes += [UInt8](repeating: 0, count: range.upperBound - bytes.count)
      }
      for index in range { bytes[index] = 0 }
    }
    mutating func punch(_ range: Range<Int>) { zero(range.clamped(to: 0..<bytes.count)) }
  }

  @Test(arguments: [1024, 4096], [false, true])
  func rangeSurgeryMatchesARowOfBytes(blockSize: Int, synced: Bool) throws {
    let image = try EngineImage(size: "64M", blockSize: blockSize)
    let seed = Seed.take()
    var random = SeededGenerator(seed: seed)
    try image.use { fs in
      let file = try fs.create("/a")
      var model = Model(bytes: [])
      let limit = 600 * blockSize
      for step in 0..<400 {
        let size = model.bytes.count
        let offset = random.below(size + 2 * blockSize)
        let length = 1 + random.below(20 * blockSize)
        let start = UInt64(offset)
        let end = UInt64(offset + length)
        switch random.below(7) {
        case 0, 1:
          let bytes = pattern(length, seed: random.next())
          try file.writeAll(bytes, at: start)
          model.zero(offset..<offset + length)
          model.bytes.replaceSubrange(offset..<offset + length, with: bytes)
        case 2:
          try file.punchHole(start..<end)
          if offset < size { model.punch(offset..<offset + length) }
        case 3:
          try file.zeroRange(start..<end)
          model.zero(offset..<offset + length)
        case 4:
          try file.allocate(start..<end, keepSize: step % 2 == 0)
          if step % 2 == 1, offset + length > size { model.zero(size..<offset + length) }
        case 5:
          let blocks = size / blockSize
          guard blocks > 2 else { continue }
          let first = random.below(blocks - 1)
          let count = 1 + random.below(min(20, blocks - first))
          let range = first * blockSize..<(first + count) * blockSize
          if range.upperBound < size {
            try file.collapse(UInt64(range.lowerBound)..<UInt64(range.upperBound))
            model.collapse(range)
          } else {
            #expect(throws: FileSystemError.refused(.invalidArgument)) {
              try file.collapse(UInt64(range.lowerBound)..<UInt64(range.upperBound))
            }
          }
        default:
          guard size > blockSize, size < limit else { continue }
          let at = random.below(size / blockSize) * blockSize
          let count = (1 + random.below(10)) * blockSize
          try file.insert(length: UInt64(count), at: UInt64(at))
          model.insert(count, at: at)
        }
        if model.bytes.count > limit {
          try file.truncate(to: UInt64(limit / 2))
          model.bytes.removeSubrange((limit / 2)...)
        }
        if synced, step % 10 == 0 { try file.sync() }
        #expect(file.attributes().size == UInt64(model.bytes.count))
        if step % 20 == 19 {
          try #require(try file.contents() == model.bytes, "step \(step)")
        }
      }
      #expect(try file.contents() == model.bytes)
      file.close()
    }
    try image.use { fs in
      let file = try fs.open("/a", .read)
      #expect(try file.contents().count > 0)
      file.close()
    }
  }

  @Test func collapseAndInsertMoveNoData() throws {
    let image = try EngineImage(size: "128M")
    try image.use { fs in
      let file = try fs.create("/a")
      try file.writeAll(pattern(16 << 20), at: 0)
      try file.sync()
      let before = try file.extents()
      try file.collapse(1 << 20..<9 << 20)
      let after = try file.extents()
      #expect(before.count == 1)
      #expect(after.count == 2)
      #expect(after[1].physical == before[0].physical.map { $0 + 9 << 20 })
      try file.insert(length: 8 << 20, at: 1 << 20)
      #expect(try file.read(8 << 20, at: 1 << 20) == [UInt8](repeating: 0, count: 8 << 20))
      file.close()
    }
  }

  @Test func wrongRangesAreRefusedByTheKernelsRules() throws {
    let image = try EngineImage()
    try image.use { fs in
      let file = try fs.create("/a")
      try file.writeAll(pattern(40_960), at: 0)
      func errno(_ mode: FallocateMode, _ offset: Int64, _ length: Int64) -> Errno? {
        do { try file.fallocate(mode: mode, offset: offset, length: length) } catch {
          return error.errno
        }
        return nil
      }
      #expect(errno([], -1, 4096) == .invalidArgument)
      #expect(errno([], 0, 0) == .invalidArgument)
      #expect(errno(.punchHole, 0, 4096) == .notSupportedOnSocket)
      #expect(errno([.collapseRange, .keepSize], 0, 4096) == .notSupportedOnSocket)
      #expect(errno([.zeroRange, .insertRange], 0, 4096) == .notSupportedOnSocket)
      #expect(errno(.unshareRange, 0, 4096) == .notSupportedOnSocket)
      #expect(errno(FallocateMode(rawValue: 0x4000), 0, 4096) == .notSupportedOnSocket)
      #expect(errno(.collapseRange, 1, 4096) == .invalidArgument)
      #expect(errno(.collapseRange, 0, 4095) == .invalidArgument)
      #expect(errno(.collapseRange, 0, 40_960) == .invalidArgument)
      #expect(errno(.insertRange, 40_960, 4096) == .invalidArgument)
      #expect(errno(.insertRange, 0, 1 << 44) == .fileTooLarge)
      #expect(errno([], 0, Int64.max) == .fileTooLarge)
      #expect(try file.contents() == pattern(40_960))
      let reader = try fs.open("/a", .read)
      #expect(throws: FileSystemError.refused(.badFileDescriptor)) {
        try reader.allocate(0..<1)
      }
      file.close()
      reader.close()
    }
  }
}
