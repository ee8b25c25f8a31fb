import ExtantBase
import TestSupport
import Testing
import Threading

@testable import Extant

/// What must not fail on a full disk: writing what is there already, preallocated or written, giving
/// back, and what changes no more than an inode.
@Suite struct PromisedSpaceTests {
  /// An image, and who fills it.
  struct Disk: CustomTestStringConvertible {
    var blockSize: Int
    var options: [String] = []
    var access = FileAccess.readWrite

    static let root: FileAccess = [.readWrite, .usesReserve]
    static let all: [Disk] = [
      Disk(blockSize: 4096), Disk(blockSize: 1024),
      Disk(blockSize: 4096, access: root), Disk(blockSize: 1024, access: root),
      Disk(blockSize: 1024, options: ["-m", "0"], access: root),
      Disk(blockSize: 4096, options: ["-O", "^has_journal"]),
      Disk(blockSize: 1024, options: ["-O", "^has_journal", "-m", "0"], access: root),
    ]

    var testDescription: String {
      "\(blockSize) \(options.joined(separator: " "))"
        + (access.contains(.usesReserve) ? " by root" : "")
    }

    func image() throws -> EngineImage {
      try EngineImage(size: "32M", blockSize: blockSize, options: options)
    }
  }

  @Test(arguments: Disk.all)
  func preallocatedBlocksCanBeWrittenInPieces(disk: Disk) throws {
    let block = disk.blockSize
    let count = (4 << 20) / block
    try disk.image().use { fs in
      let file = try fs.create("/f")
      defer { file.close() }
      try file.allocate(0..<UInt64(count * block))
      try fs.fill("/filler", disk.access)
      for index in stride(from: 0, to: count, by: 2) {
        try file.writeAll(pattern(block, seed: UInt64(index)), at: UInt64(index * block))
      }
      try file.sync()
      for index in 0..<count {
        let expected =
          index % 2 == 0 ? pattern(block, seed: UInt64(index)) : [UInt8](repeating: 0, count: block)
        #expect(try file.read(block, at: UInt64(index * block)) == expected)
      }
      #expect(fs.statistics().availableBlocks == 0)
    }
  }

  /// Behind the end of the file, where the blocks are that were allocated with KEEP_SIZE.
  @Test(arguments: Disk.all)
  func blocksPreallocatedBehindTheEndCanBeWrittenInPieces(disk: Disk) throws {
    let block = disk.blockSize
    let count = (2 << 20) / block
    try disk.image().use { fs in
      let file = try fs.create("/f")
      defer { file.close() }
      try file.allocate(0..<UInt64(count * block), keepSize: true)
      try fs.fill("/filler", disk.access)
      for index in stride(from: 1, to: count, by: 3) {
        try file.writeAll([UInt8(index % 251)], at: UInt64(index * block + 7))
      }
      try file.sync()
      for index in stride(from: 1, to: count, by: 3) {
        #expect(try file.read(1, at: UInt64(index * block + 7)) == [UInt8(index % 251)])
      }
    }
  }

  @Test(arguments: Disk.all)
  func writtenBlocksCanBeOverwrittenInAnyNumberOfExtents(disk: Disk) throws {
    let block = disk.blockSize
    try disk.image().use { fs in
      let files = try [1, 2, 3, 4, 5, 6, 30, 400].map { extents in
        let file = try fs.create("/f\(extents)")
        for index in 0..<extents {
          try file.writeAll(pattern(block), at: UInt64(2 * index * block))
        }
        try file.sync()
        #expect(try file.extents().count == extents)
        return (file, extents)
      }
      try fs.fill("/filler", disk.access)
      for (file, extents) in files {
        for index in 0..<extents {
          let bytes = pattern(block, seed: UInt64(index))
          try file.writeAll(bytes, at: UInt64(2 * index * block))
        }
        try file.sync()
        for index in 0..<extents {
          let bytes = pattern(block, seed: UInt64(index))
          #expect(try file.read(block, at: UInt64(2 * index * block)) == bytes)
        }
        file.close()
      }
    }
  }

  @Test(arguments: Disk.all)
  func whatGivesBackOrChangesAnInodeWorks(disk: Disk) throws {
    let block = UInt64(disk.blockSize)
    try disk.image().use { fs in
      let file = try fs.create("/f")
      try file.writeAll(pattern(disk.blockSize * 64), at: 0)
      try file.allocate(64 * block..<128 * block)
      let other = try fs.create("/g")
      try other.writeAll(pattern(disk.blockSize * 16), at: 0)
      _ = try fs.makeDirectory(try FileName("d"), in: .root, mode: 0o755)
      try fs.fill("/filler", disk.access)

      let full = fs.statistics().freeBlocks
      // Each cuts an extent in two or three.
      for index in 0..<12 {
        let start = UInt64(index * 5) * block
        try file.punchHole(start + block..<start + 2 * block)
        try file.zeroRange(start + 3 * block..<start + 4 * block, keepSize: true)
      }
      // All blocks of the range are there: nothing is to be allocated.
      try file.fallocate(mode: .writeZeroes, offset: Int64(70 * block), length: Int64(3 * block))
      try file.collapse(80 * block..<81 * block)
      try file.insert(length: block, at: 90 * block)
      try file.truncate(to: 100 * block + 5)
      try file.truncate(to: 120 * block)
      let root = InodeNumber.root
      var change = AttributeChange()
      change.mode = 0o600
      change.uid = 7
      change.modificationTime = .now
      _ = try fs.setAttributes(change, of: file.inode)
      try fs.setExtendedAttribute(Array("user.a".utf8), [1, 2, 3], of: file.inode)
      _ = try fs.createFile(try FileName("new"), in: root, mode: 0o644)
      _ = try fs.makeSymbolicLink(try FileName("short"), in: root, target: Array("f".utf8))
      _ = try fs.link(file.inode, as: try FileName("link"), in: root)
      try fs.rename(try FileName("link"), in: root, to: try FileName("moved"), in: root)
      try fs.rename(try FileName("moved"), in: root, to: try FileName("g"), in: root)
      try fs.removeDirectory(try FileName("d"), in: root)
      try fs.unlink(try FileName("g"), in: root)
      other.close()
      file.close()
      try fs.unlink(try FileName("f"), in: root)
      try fs.sync()
      #expect(fs.statistics().freeBlocks > full + 100)
    }
  }

  enum Journaling: CaseIterable { case none, metadata, everything }

  /// What one writes, punches and zeroes in a file that has all its blocks never fails, and reads
  /// back as a plain array of bytes says.
  @Test(arguments: [1024, 4096], Journaling.allCases)
  func aRandomWorkOnPromisedBlocksNeverFails(blockSize: Int, journaling: Journaling) throws {
    let seed = Seed.take()
    var random = SeededGenerator(seed: seed)
    let options = journaling == .none ? ["-O", "^has_journal"] : []
    let image = try EngineImage(size: "24M", blockSize: blockSize, options: options)
    var model = [UInt8](repeating: 0, count: 600 * blockSize)
    try image.use({
      $0.cacheByteLimit = 4 << 20
      if journaling == .everything { $0.dataMode = .journal }
    }) { fs in
      try Self.work(on: fs, &model, &random)
    }
    try image.use { fs in
      let file = try fs.open("/f", .read)
      #expect(try file.contents() == model)
      file.close()
      try fs.unlink(try FileName("f"), in: .root)
    }
  }

  private static func work(
    on fs: FileSystem, _ model: inout [UInt8], _ random: inout SeededGenerator
  ) throws {
    let blockSize = fs.statistics().blockSize
    let file = try fs.create("/f")
    try file.allocate(0..<UInt64(model.count))
    let whole = try fs.create("/whole")
    try whole.writeAll(pattern(model.count), at: 0)
    let access = random.chance(50) ? .readWrite : Disk.root
    try fs.fill("/filler", access)
    for step in 0..<400 {
      let first = random.below(model.count / blockSize)
      let start = first * blockSize + (random.chance(50) ? random.below(blockSize) : 0)
      let end = min(model.count, start + 1 + random.below(8 * blockSize))
      let range = UInt64(start)..<UInt64(end)
      switch random.below(12) {
      case 0...6:
        let bytes = pattern(end - start, seed: random.next())
        try file.writeAll(bytes, at: UInt64(start))
        model.replaceSubrange(start..<end, with: bytes)
      case 7, 8:
        try file.zeroRange(range, keepSize: true)
        for index in start..<end { model[index] = 0 }
      case 9:
        try file.fallocate(mode: .writeZeroes, offset: Int64(start), length: Int64(end - start))
        for index in start..<end { model[index] = 0 }
      case 10:
        // What it gives back is filled again.
        try whole.punchHole(range)
        if step % 4 == 0 { try fs.fill("/filler\(step)", access) }
      default:
        if random.chance(50) { try file.sync() } else { try fs.sync() }
      }
      if step % 50 == 0 {
        let isSame = try file.contents() == model
        #expect(isSame, "step \(step)")
      }
    }
    file.close()
    whole.close()
  }

  /// Many at once, while others take every block that they can get.
  @Test(arguments: [1024, 4096])
  func promisesHoldWhileOthersFillTheDisk(blockSize: Int) throws {
    let image = try EngineImage(size: "48M", blockSize: blockSize)
    let count = 300
    try image.use({ $0.writeBackInterval = 1 }) { fs in
      let files = try (0..<4).map { index in
        let file = try fs.create("/f\(index)")
        try file.allocate(0..<UInt64(2 * count * blockSize))
        return file
      }
      let errors = Guarded<[String]>([], .unranked)
      let isDone = Guarded(false, .unranked)
      let writers = files.indices.compactMap { number in
        WorkerThread(name: "writes") {
          do {
            for index in 0..<count {
              let bytes = pattern(blockSize, seed: UInt64(index + number))
              _ = try files[number].write(bytes, at: UInt64(2 * index * blockSize))
              if index % 50 == number { try files[number].sync() }
            }
          } catch { errors.withLock { $0.append("\(number): \(error)") } }
        }
      }
      let fillers = (0..<2).compactMap { number in
        WorkerThread(name: "fills") {
          for round in 0..<200 where !isDone.withLock({ $0 }) {
            let name = "x\(number).\(round % 2)"
            do {
              try fs.fill("/" + name, number == 0 ? Disk.root : .readWrite)
              try fs.unlink(try FileName(name), in: .root)
            } catch {
              if error as? FileSystemError != .refused(.noSpace) {
                errors.withLock { $0.append("\(error)") }
              }
            }
          }
        }
      }
      #expect(writers.count == 4 && fillers.count == 2)
      for writer in writers { writer.join() }
      isDone.withLock { $0 = true }
      for filler in fillers { filler.join() }
      #expect(errors.withLock { $0 } == [])
      for (number, file) in files.enumerated() {
        for index in 0..<count {
          let bytes = pattern(blockSize, seed: UInt64(index + number))
          #expect(try file.read(blockSize, at: UInt64(2 * index * blockSize)) == bytes)
        }
        file.close()
      }
    }
  }

  /// The reserve itself can be used up, by very many splits. An extent is then written as a whole,
  /// with zeros, instead of being split; nothing that only gives back asks for a block.
  @Test(arguments: [1024, 4096], Journaling.allCases)
  func withTheReserveUsedUpNothingIsSplit(blockSize: Int, journaling: Journaling) throws {
    let options = journaling == .none ? ["-O", "^has_journal"] : []
    let image = try EngineImage(
      size: "16M", blockSize: blockSize, options: ["-m", "0"] + options)
    let block = UInt64(blockSize)
    var expected = [UInt8](repeating: 0, count: 256 * blockSize)
    try image.use({
      $0.treeReserve = 0
      if journaling == .everything { $0.dataMode = .journal }
    }) { fs in
      let file = try fs.create("/f")
      try file.allocate(0..<128 * block)
      // An extent of its own.
      try fs.create("/between").allocate(0..<block)
      try file.allocate(128 * block..<256 * block)
      let written = try fs.create("/written")
      try written.writeAll(pattern(64 * blockSize), at: 0)
      try written.sync()
      try fs.fill("/filler", Disk.root)
      // A block and a node for it would be needed.
      #expect(fs.statistics().freeBlocks <= 2)

      for index in stride(from: 1, to: 256, by: 2) {
        let bytes = pattern(100, seed: UInt64(index))
        try file.writeAll(bytes, at: UInt64(index) * block + 9)
        expected.replaceSubrange(
          index * blockSize + 9..<index * blockSize + 109, with: bytes)
      }
      let isSame = try file.contents() == expected
      #expect(isSame)
      // Zeros in the middle of what is written stay written.
      for index in 0..<8 {
        try written.zeroRange(UInt64(4 + index * 6) * block..<UInt64(6 + index * 6) * block)
      }
      #expect(
        try written.read(3 * blockSize, at: 3 * block)
          == pattern(64 * blockSize)[3 * blockSize..<4 * blockSize]
          + [UInt8](repeating: 0, count: 2 * blockSize))
      // Whole extents, and the ends of some.
      try file.truncate(to: 200 * block)
      try file.punchHole(0..<60 * block)
      try file.punchHole(0..<128 * block)
      try written.collapse(0..<8 * block)
      written.close()
      file.close()
      try fs.unlink(try FileName("written"), in: .root)
      try fs.sync()
    }
    try image.use { fs in
      let file = try fs.open("/f", .read)
      let isSame =
        try file.contents()
        == [UInt8](repeating: 0, count: 128 * blockSize)
        + expected[128 * blockSize..<200 * blockSize]
      #expect(isSame)
      file.close()
    }
  }
}

extension FileSystem {
  /// Writes a new file until nothing more fits, to the last block.
  func fill(_ path: String, _ access: FileAccess) throws {
    let made = try create(path)
    defer { made.close() }
    let file = try openFile(made.inode, access)
    defer { file.close() }
    let bytes = [UInt8](repeating: 0x66, count: 1 << 18)
    var chunk = bytes.count
    while chunk >= statistics().blockSize {
      do {
        _ = try file.write(Array(bytes[..<chunk]), at: file.attributes().size)
      } catch {
        guard error == .refused(.noSpace) else { throw error }
        chunk /= 2
      }
    }
    try sync()
  }
}
