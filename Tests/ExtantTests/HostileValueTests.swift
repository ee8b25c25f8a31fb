import Extant
import ExtantBase
import TestSupport
import Testing

/// Numbers that no sound image and no sensible caller has: an error or a result, never a trap.
@Suite struct HostileValueTests {
  /// An image with /a, written, and /d, with `fields` of theirs set to `value`, checksums right.
  private func planted(
    _ settings: [(path: String, field: String, value: String)], blockSize: Int = 1024
  ) throws -> EngineImage {
    let image = try EngineImage(size: "8M", blockSize: blockSize)
    try image.use { fs in
      let file = try fs.create("/a")
      try file.writeAll(pattern(20_000), at: 0)
      file.close()
      _ = try fs.makeDirectory(try FileName("d"), in: .root, mode: 0o755)
      try fs.create("/d/x").close()
    }
    for set in settings {
      try Program.succeed([
        "debugfs", "-w", "-R", "set_inode_field \(set.path) \(set.field) \(set.value)",
        image.image.path,
      ])
    }
    return image
  }

  private func exercise(_ file: File) throws {
    let ended = allEnd(
      withinSeconds: 300,
      [
        {
          let far: [UInt64] = [
            0, 5000, 4_398_046_510_080, 4_398_046_511_103, 1 << 62, (1 << 63) - 1, 1 << 63,
            .max - 4096, .max - 1, .max,
          ]
          _ = file.attributes()
          for offset in far {
            _ = try? file.read(5000, at: offset)
            _ = try? file.seekData(from: offset)
            _ = try? file.seekHole(from: offset)
            _ = try? file.extents(in: offset..<offset)
            _ = try? file.extents(in: offset..<(.max))
            _ = try? file.extents(in: 0..<offset)
          }
          _ = try? file.extents()
          let edges: [Int64] = [0, 1, 1024, 4096, 4_398_046_510_080, 1 << 62, .max - 1023, .max]
          for mode: FallocateMode in [
            [.punchHole, .keepSize], .collapseRange, .insertRange, [.zeroRange, .keepSize],
            .keepSize,
          ] {
            for offset in edges {
              for length in edges where mode.contains(.punchHole) || length <= 4096 {
                try? file.fallocate(mode: mode, offset: offset, length: length)
              }
            }
          }
          try? file.sync()
          for offset in far { _ = try? file.write(pattern(3000), at: offset) }
          try? file.sync()
          for size in far.reversed() { try? file.truncate(to: size) }
          _ = try file.write(pattern(3000), at: 100)
          try file.sync()
          #expect(try file.contents().count == 3100)
        }
      ])
    #expect(ended)
  }

  @Test(arguments: [
    "0xffffffffffffffff", "0xfffffffffffffc00", "0x8000000000000000", "0x7fffffffffffffff",
    "0x40000000000", "20001",
  ])
  func sizesThatNoFileCanHaveTrapNothing(size: String) throws {
    let image = try planted([("/a", "size", size)])
    let fs = try image.open()
    let file = try fs.open("/a", .readWrite)
    try exercise(file)
    file.close()
    #expect(!fs.isReadOnly)
    try fs.close()
  }

  @Test func blockCountsThatNoFileCanHaveTrapNothing() throws {
    let image = try planted([
      ("/a", "blocks", "0xffffffff"), ("/a", "blocks_hi", "0xffff"), ("/a", "flags", "0xc0000"),
    ])
    let fs = try image.open()
    let file = try fs.open("/a", .readWrite)
    try exercise(file)
    file.close()
    try fs.close()
  }

  @Test(arguments: ["0xffffffff", "1025", "1", "0", "0x40000400"])
  func sizesThatNoDirectoryCanHaveAreCorruption(size: String) throws {
    let image = try planted([("/d", "size", size)])
    let fs = try image.open()
    let ended = allEnd(
      withinSeconds: 300,
      [
        {
          let directory = try fs.resolve("/d")
          try? fs.readDirectory(directory, from: 0) { _ in true }
          for index in 0..<30 {
            let long = String(repeating: "y", count: 200) + "\(index)"
            do throws(FileSystemError) {
              _ = try fs.createFile(try FileName(long), in: directory, mode: 0o644)
            } catch { #expect(error.isFault, "\(error)") }
          }
          try? fs.unlink(try FileName("x"), in: directory)
          try? fs.removeDirectory(try FileName("d"), in: .root)
          // What is wrong with one directory costs nobody else anything.
          #expect(!fs.isReadOnly)
          try fs.create("/fine").close()
          try? fs.close()
        }
      ])
    #expect(ended)
  }

  /// A name must not lead to the journal: whoever writes there writes tomorrow's metadata.
  @Test func namesOfReservedInodesAreCorruption() throws {
    let image = try planted([])
    try Program.succeed(["debugfs", "-w", "-R", "link <8> j", image.image.path])
    let fs = try image.open()
    #expect {
      try fs.open("/j", .readWrite)
    } throws: { ($0 as? FileSystemError)?.isFault == true }
    #expect(!fs.isReadOnly)
    try fs.close()
  }

  /// Nor may an extent lead to an inode table: whoever writes the file writes inodes.
  @Test func extentsThatClaimTheFilesystemsOwnBlocksAreCorruption() throws {
    let image = try planted([])
    let groups = try Program.succeed(["dumpe2fs", image.image.path])
    let table = try #require(
      groups.split(separator: "Inode table at ").dropFirst().first?.prefix { $0.isNumber })
    // ee_start_lo of the first extent.
    try Program.succeed([
      "debugfs", "-w", "-R", "set_inode_field a block[5] \(table)", image.image.path,
    ])
    let fs = try image.open()
    let before = try System.contents(image.image.path)
    #expect {
      let file = try fs.open("/a", .readWrite)
      defer { file.close() }
      _ = try file.write(pattern(4096), at: 0)
      try file.sync()
    } throws: { ($0 as? FileSystemError)?.isFault == true }
    let start = (Int(table) ?? 0) * 1024
    let after = try System.contents(image.image.path)
    #expect(before[start..<start + 2048] == after[start..<start + 2048])
    try fs.close()
  }

  @Test func rangesAtTheEndOfAllNumbersAreRefused() throws {
    let image = try EngineImage(size: "8M", blockSize: 1024)
    try image.use { fs in
      #expect(throws: FileSystemError.self) { try fs.trim((.max - 1)..<(.max), minimum: 0) }
      _ = try fs.trim(0..<(.max), minimum: .max)
      let file = try fs.create("/a")
      defer { file.close() }
      try file.truncate(to: fs.maximumFileSizeForTests)
      try file.writeAll([1], at: fs.maximumFileSizeForTests - 1)
      #expect(throws: FileSystemError.refused(.fileTooLarge)) {
        _ = try file.write([1], at: fs.maximumFileSizeForTests)
      }
      try file.fallocate(
        mode: [.punchHole, .keepSize], offset: Int64(fs.maximumFileSizeForTests) - 3000,
        length: 3000)
      #expect(try file.read(1, at: fs.maximumFileSizeForTests - 1) == [0])
      #expect(throws: FileSystemError.refused(.fileTooLarge)) {
        try file.insert(length: 1024, at: 0)
      }
      try file.collapse(0..<1024)
      try file.insert(length: 1024, at: 2048)
    }
  }
}

extension FileSystem {
  /// 2^32 - 1 blocks of 1 KiB.
  fileprivate var maximumFileSizeForTests: UInt64 { 0xffff_ffff * 1024 }
}
