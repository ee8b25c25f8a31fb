import Extant
import ExtantBase
import TestSupport
import Testing

/// No combination of operations on names stops for ever.
@Suite struct LockOrderTests {
  @Test func removingDotOrDotDotIsRefused() throws {
    let image = try EngineImage()
    try image.use { fs in
      let directory = try fs.makeDirectory(try FileName("d"), in: .root, mode: 0o755).inode
      let ended = allEnd(
        withinSeconds: 300,
        [
          {
            for name in [".", ".."] {
              let name = try FileName(name)
              #expect(throws: FileSystemError.refused(.isDirectory)) {
                try fs.unlink(name, in: directory)
              }
            }
          }
        ])
      #expect(ended)
    }
  }

  @Test func aDirectoryThatHoldsItselfIsCorrupt() throws {
    let image = try EngineImage()
    try image.use { fs in
      _ = try fs.makeDirectory(try FileName("d"), in: .root, mode: 0o755)
      try fs.create("/f").close()
    }
    try Program.succeed(["debugfs", "-w", "-R", "link d d/x", image.image.path])
    let fs = try image.open()
    let directory = try fs.resolve("/d")
    let ended = allEnd(
      withinSeconds: 300,
      [
        {
          let x = try FileName("x")
          let y = try FileName("y")
          let f = try FileName("f")
          #expect(throws: FileSystemError.self) { try fs.unlink(x, in: directory) }
          #expect(throws: FileSystemError.self) { try fs.removeDirectory(x, in: directory) }
          #expect(throws: FileSystemError.self) {
            try fs.rename(x, in: directory, to: y, in: directory)
          }
          #expect(throws: FileSystemError.self) {
            try fs.rename(x, in: directory, to: y, in: .root)
          }
          #expect(throws: FileSystemError.self) {
            try fs.rename(f, in: .root, to: x, in: directory)
          }
          #expect(!fs.isReadOnly)
          try fs.close()
        }
      ])
    #expect(ended)
  }

  /// A file with a smaller number than a directory, with a name beside it and one in it.
  @Test func exchangingAFileWithADirectoryThatHoldsALinkToItDoesNotBlock() throws {
    let image = try EngineImage()
    let fs = try image.open()
    let f = try FileName("f")
    let link = try FileName("link")
    let d = try FileName("d")
    let file = try fs.createFile(f, in: .root, mode: 0o644).inode
    let directory = try fs.makeDirectory(d, in: .root, mode: 0o755).inode
    #expect(file < directory)
    let ended = allEnd([
      { for _ in 0..<6000 { try fs.rename(f, in: .root, to: d, in: .root, .exchange) } },
      {
        for _ in 0..<6000 {
          _ = try fs.link(file, as: link, in: directory)
          try fs.unlink(link, in: directory)
        }
      },
    ])
    #expect(ended)
    guard ended else { return }
    try fs.close()
    let complaint = try image.image.complaint()
    #expect(complaint == nil)
  }

  @Test func manyThreadsOnFewNamesNeverBlockOneAnother() throws {
    let image = try EngineImage(size: "64M")
    let seed = Seed.take()
    let fs = try image.open {
      $0.cacheByteLimit = 1 << 20
      $0.writeBackInterval = 1
    }
    let work = (0..<6).map { index in
      { @Sendable () throws -> Void in
        var random = SeededGenerator(seed: seed &+ UInt64(index))
        for _ in 0..<1500 { try Self.step(fs, &random) }
      }
    }
    let ended = allEnd(withinSeconds: 600, work)
    #expect(ended)
    guard ended else { return }
    try fs.close()
    let complaint = try image.image.complaint()
    #expect(complaint == nil)
  }

  private static func step(_ fs: FileSystem, _ random: inout SeededGenerator) throws {
    func directory(_ random: inout SeededGenerator) -> InodeNumber {
      var current = InodeNumber.root
      for _ in 0..<random.below(4) {
        guard let name = try? FileName("n\(random.below(4))"),
          let next = try? fs.lookup(name, in: current), next.kind == .directory
        else { break }
        current = next.inode
      }
      return current
    }
    let parent = directory(&random)
    let other = directory(&random)
    let name = try FileName("n\(random.below(4))")
    let newName = try FileName("n\(random.below(4))")
    do throws(FileSystemError) {
      switch random.below(9) {
      case 0, 1: _ = try fs.makeDirectory(name, in: parent, mode: 0o755)
      case 2:
        let inode = try fs.createFile(name, in: parent, mode: 0o644, retaining: true).inode
        defer { fs.forget(inode) }
        let file = try fs.openFile(inode, .readWrite)
        defer { file.close() }
        _ = try file.write(pattern(1 + random.below(60_000)), at: UInt64(random.below(10_000)))
        if random.chance(20) { try file.sync() }
      case 3: try fs.unlink(name, in: parent)
      case 4: try fs.removeDirectory(name, in: parent)
      case 5: try fs.rename(name, in: parent, to: newName, in: other)
      case 6: try fs.rename(name, in: parent, to: newName, in: other, .exchange)
      case 7:
        let inode = try fs.lookup(name, in: parent).inode
        _ = try fs.link(inode, as: newName, in: other)
      default:
        let inode = try fs.lookup(name, in: parent).inode
        let file = try fs.openFile(inode, .readWrite)
        defer { file.close() }
        _ = try file.read(5000, at: 0)
        if random.chance(30) { try file.truncate(to: UInt64(random.below(9000))) }
        try file.sync()
      }
    } catch {
      if error.isFault || error == .refused(.readOnlyFileSystem) { throw error }
    }
  }
}
