import Extant
import Ext4Format
import ExtantBase
import TestSupport
import Testing

/// The flags S and D of chattr(1): what is changed is durable when the call returns.
@Suite struct SynchronousFlagTests {
  /// The image as a power cut would leave it now, recovered in memory.
  private static func afterACut(_ image: EngineImage) throws -> FileSystem {
    let crashed = image.directory("crashed")
    try Program.succeed(["cp", image.image.path, crashed])
    return try FileSystem.open(crashed, .readOnly)
  }

  private static func setFlags(
    _ flags: InodeFlags, _ path: String, _ fs: FileSystem
  ) throws {
    let inode = try fs.resolve(path)
    try fs.setInodeFlags(fs.attributes(of: inode).flags.union(flags), of: inode)
  }

  @Test(arguments: [false, true])
  func aFileWithTheFlagSKeepsEveryChange(isFlagged: Bool) throws {
    let image = try EngineImage(size: "16M")
    let fs = try image.open()
    let file = try fs.create("/file")
    try file.writeAll(pattern(20_000), at: 0)
    if isFlagged { try Self.setFlags(.synchronous, "/file", fs) }
    try fs.sync()
    func expect(_ change: String, _ body: () throws -> Void) throws {
      try body()
      let after = try Self.afterACut(image)
      let kept = try after.open("/file", .read).contents() == file.contents()
      #expect(kept == isFlagged, "\(change)")
      try after.close()
    }
    try expect("append") { try file.writeAll(pattern(9000, seed: 2), at: 20_000) }
    try expect("collapse") { try file.collapse(4096..<8192) }
    try expect("overwrite") { try file.writeAll(pattern(5000, seed: 3), at: 100) }
    try expect("truncate") { try file.truncate(to: 3000) }
    file.close()
    try fs.close()
  }

  @Test(arguments: [nil, .directorySynchronous, .synchronous] as [InodeFlags?])
  func aDirectoryWithTheFlagsKeepsItsNames(_ flag: InodeFlags?) throws {
    let image = try EngineImage(size: "16M")
    let fs = try image.open()
    let directory = try fs.makeDirectory(try FileName("d"), in: .root, mode: 0o755).inode
    if let flag { try Self.setFlags(flag, "/d", fs) }
    try fs.sync()
    func expect(_ change: String, _ body: () throws -> Void) throws {
      try body()
      let after = try Self.afterACut(image)
      let kept = try after.names(in: "/d") == fs.names(in: "/d")
      #expect(kept == (flag != nil), "\(change)")
      try after.close()
    }
    try expect("create") { try fs.create("/d/one").close() }
    try expect("mkdir") {
      _ = try fs.makeDirectory(try FileName("sub"), in: directory, mode: 0o755)
    }
    try expect("rename") {
      try fs.rename(try FileName("one"), in: directory, to: try FileName("two"), in: directory)
    }
    try expect("unlink") { try fs.unlink(try FileName("two"), in: directory) }
    try fs.close()
    let complaint = try image.image.complaint()
    #expect(complaint == nil)
  }
}
