import Extant
import ExtantBase
import SystemPackage
import TestSupport
import Testing

@Suite struct NamesTests {
  @Test(arguments: [1024, 4096])
  func aThousandFilesInADirectoryAreFoundListedAndRemoved(blockSize: Int) throws {
    let image = try EngineImage(size: "64M", blockSize: blockSize)
    try image.use { fs in
      let directory = try fs.makeDirectory(try FileName("d"), in: .root, mode: 0o755).inode
      let names = (0..<1000).map { "file with a longer name \($0)" }.sorted()
      for name in names {
        _ = try fs.createFile(try FileName(name), in: directory, mode: 0o600)
      }
      #expect(try fs.names(in: "/d") == names)
      try fs.sync()
      for name in names.prefix(500) { try fs.unlink(try FileName(name), in: directory) }
      #expect(try fs.names(in: "/d") == Array(names.dropFirst(500)))
      #expect(throws: FileSystemError.refused(.directoryNotEmpty)) {
        try fs.removeDirectory(try FileName("d"), in: .root)
      }
    }
    try image.use { fs in
      let directory = try fs.resolve("/d")
      for name in try fs.names(in: "/d") { try fs.unlink(try FileName(name), in: directory) }
      try fs.removeDirectory(try FileName("d"), in: .root)
      #expect(try fs.names(in: "/") == ["lost+found"])
    }
  }

  @Test func renameReplacesMovesExchangesAndRefuses() throws {
    let image = try EngineImage()
    try image.use { fs in
      func name(_ text: String) throws(FileSystemError) -> FileName { try FileName(text) }
      let a = try fs.makeDirectory(name("a"), in: .root, mode: 0o755).inode
      let b = try fs.makeDirectory(name("b"), in: a, mode: 0o755).inode
      let file = try fs.createFile(name("f"), in: b, mode: 0o644).inode
      let other = try fs.createFile(name("g"), in: .root, mode: 0o644).inode
      #expect(try fs.attributes(of: a).linkCount == 3)

      #expect(throws: FileSystemError.refused(.invalidArgument)) {
        try fs.rename(name("a"), in: .root, to: name("x"), in: b)
      }
      #expect(throws: FileSystemError.refused(.directoryNotEmpty)) {
        try fs.rename(name("b"), in: a, to: name("a"), in: .root)
      }
      #expect(throws: FileSystemError.refused(.fileExists)) {
        try fs.rename(name("g"), in: .root, to: name("f"), in: b, .noReplace)
      }
      try fs.rename(name("g"), in: .root, to: name("f"), in: b, .exchange)
      #expect(try fs.resolve("/g") == file)
      #expect(try fs.resolve("/a/b/f") == other)

      try fs.rename(name("b"), in: a, to: name("c"), in: .root)
      #expect(try fs.attributes(of: a).linkCount == 2)
      #expect(try fs.resolve("/c/f") == other)
      try fs.rename(name("g"), in: .root, to: name("f"), in: b)
      #expect(try fs.resolve("/c/f") == file)
      #expect(throws: FileSystemError.refused(.noSuchFileOrDirectory)) {
        try fs.attributes(of: other)
      }
    }
  }

  @Test func linksCountAndSymbolicLinksOfEveryLengthResolve() throws {
    let image = try EngineImage()
    try image.use { fs in
      let file = try fs.createFile(try FileName("f"), in: .root, mode: 0o644).inode
      _ = try fs.link(file, as: try FileName("g"), in: .root)
      #expect(try fs.attributes(of: file).linkCount == 2)
      for length in [1, 59, 60, 61, 1000, 4095] {
        let target = [UInt8](repeating: UInt8(ascii: "t"), count: length)
        let link = try fs.makeSymbolicLink(
          try FileName("l\(length)"), in: .root, target: target)
        #expect(try fs.readSymbolicLink(link.inode) == target)
        #expect(link.size == UInt64(length))
      }
      _ = try fs.makeSymbolicLink(
        try FileName("here"), in: .root, target: Array("/lost+found/../f".utf8))
      #expect(try fs.resolve("/here") == file)
      try fs.unlink(try FileName("f"), in: .root)
      #expect(try fs.attributes(of: file).linkCount == 1)
    }
  }
}
