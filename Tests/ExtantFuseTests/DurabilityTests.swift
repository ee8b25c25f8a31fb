import TestSupport
import Testing

/// What a call has confirmed when it returns: the image's bytes are taken as they are then, with the
/// daemon still running, and recovered by e2fsck.
///
/// No commit comes by itself here (commit=86400), so what is found is what the call did.
@Suite(.enabled(if: TestMount.canRun), .serialized)
struct DurabilityTests {
  private static let options = "commit=86400,noatime"
  private static let count = Counter()

  final class Counter: @unchecked Sendable {
    private var last = 0
    func next() -> Int {
      last += 1
      return last
    }
  }

  /// The image as a power cut would leave it now, after recovery; sound, or the test fails.
  private func survivor(of mount: TestMount) throws -> Image {
    let copy = Image(path: mount.directory("survivor\(Self.count.next())"))
    try Program.succeed(["cp", "--sparse=always", mount.image.path, copy.path])
    let replay = try Program.run(["e2fsck", "-fy", "-E", "journal_only", copy.path])
    #expect(replay.status <= 1, "\(replay.output)")
    #expect(try copy.complaint() == nil)
    return copy
  }

  private func text(_ image: Image, _ path: String) throws -> String {
    // The first line of what debugfs prints is its own name.
    try image.debugfs("cat \(path)")
  }

  private func letters(_ count: Int, _ letter: Character) -> [UInt8] {
    Array(String(repeating: letter, count: count).utf8)
  }

  @Test func fsyncOfANewFileKeepsItsNameAndContents() throws {
    let mount = try TestMount(options: Self.options)
    let file = try OpenFile(mount("file"), [.write, .create])
    try file.writeAll(letters(20_000, "a"), at: 0)
    #expect(try text(survivor(of: mount), "/file").contains("File not found"))
    try file.sync()
    let kept = try text(survivor(of: mount), "/file")
    #expect(kept.contains(String(repeating: "a", count: 20_000)))
  }

  @Test func fdatasyncAfterAnAppendKeepsTheSize() throws {
    let mount = try TestMount(options: Self.options)
    let file = try OpenFile(mount("file"), [.write, .create])
    try file.writeAll(letters(4096, "W"), at: 0)
    try file.sync()
    try file.writeAll(letters(8192, "X"), at: 4096)
    #expect(!(try text(survivor(of: mount), "/file").contains("X")))
    try file.syncData()
    let kept = try text(survivor(of: mount), "/file")
    #expect(kept.contains(String(repeating: "X", count: 8192)))
  }

  /// The bytes are there, the new time of modification is not: only fsync waits for that.
  @Test func fdatasyncAfterAnOverwriteKeepsTheBytesWithoutACommit() throws {
    let mount = try TestMount(options: Self.options)
    let file = try OpenFile(mount("file"), [.write, .create])
    try file.writeAll(letters(8192, "a"), at: 0)
    try System.setTimes(
      mount("file"), access: .init(seconds: 1000, nanoseconds: 0),
      modification: .init(seconds: 1000, nanoseconds: 0))
    try file.sync()
    try file.writeAll(letters(4096, "b"), at: 4096)
    try file.syncData()
    var copy = try survivor(of: mount)
    #expect(try text(copy, "/file").contains(String(repeating: "b", count: 4096)))
    #expect(try copy.debugfs("stat /file").contains("mtime: 0x000003e8"))
    try file.sync()
    copy = try survivor(of: mount)
    #expect(!(try copy.debugfs("stat /file").contains("mtime: 0x000003e8")))
  }

  @Test func fdatasyncAfterAnAllocationAPunchAndAShiftKeepsThem() throws {
    let mount = try TestMount(options: Self.options)
    let file = try OpenFile(mount("file"), [.write, .create])
    for (place, letter) in ["W", "X", "Y", "Z"].enumerated() {
      try file.writeAll(letters(4096, Character(letter)), at: Int64(place) * 4096)
    }
    try file.sync()
    try file.fallocateByIoctl(FallocateBits.collapse, 4096, 4096)
    try file.syncData()
    var kept = try text(survivor(of: mount), "/file")
    #expect(kept.contains("WY") && !kept.contains("X") && kept.contains("YZ"))
    try file.fallocate(mode: FallocateBits.punchHole, offset: 4096, length: 4096)
    try file.syncData()
    kept = try text(survivor(of: mount), "/file")
    #expect(!kept.contains("Y") && kept.contains("Z"))
    try file.fallocateByIoctl(FallocateBits.insert, 0, 8192)
    try file.syncData()
    #expect(try survivor(of: mount).debugfs("stat /file").contains("Size: 20480"))
    try file.fallocate(mode: 0, offset: 0, length: 65_536)
    try file.syncData()
    #expect(try survivor(of: mount).debugfs("stat /file").contains("Size: 65536"))
  }

  @Test func fsyncOfADirectoryKeepsItsNames() throws {
    let mount = try TestMount(options: Self.options)
    try System.makeDirectory(mount("d"))
    try System.write(letters(10, "x"), to: mount("d/one"))
    try OpenFile(mount("d"), .directory).sync()
    #expect(try survivor(of: mount).debugfs("ls -p /d").contains("/one/"))
    try System.rename(mount("d/one"), mount("d/two"))
    #expect(try survivor(of: mount).debugfs("ls -p /d").contains("/one/"))
    try OpenFile(mount("d"), .directory).sync()
    let names = try survivor(of: mount).debugfs("ls -p /d")
    #expect(names.contains("/two/") && !names.contains("/one/"))
    try System.unlink(mount("d/two"))
    try OpenFile(mount("d"), .directory).sync()
    #expect(!(try survivor(of: mount).debugfs("ls -p /d").contains("/two/")))
  }

  @Test(arguments: ["sync", "dsync"])
  func aWriteToAFileOpenedWithOSyncIsDurableWhenItReturns(_ flag: String) throws {
    let mount = try TestMount(options: Self.options)
    try System.write(letters(8192, "q"), to: mount.directory("source"))
    try Program.succeed([
      "dd", "if=\(mount.directory("source"))", "of=\(mount("file"))", "bs=8192", "oflag=\(flag)",
    ])
    #expect(
      try text(survivor(of: mount), "/file").contains(String(repeating: "q", count: 8192)))
  }

  @Test func theIoctlThatStandsForSyncfsKeepsEverything() throws {
    let mount = try TestMount(options: Self.options)
    for index in 0..<5 { try System.write(letters(5000, "s"), to: mount("f\(index)")) }
    var argument: [UInt8] = [0]
    _ = try OpenFile(mount.point, .directory).control(0xE403, &argument)
    let copy = try survivor(of: mount)
    for index in 0..<5 {
      #expect(try text(copy, "/f\(index)").contains(String(repeating: "s", count: 5000)))
    }
  }

  /// The kernel passes syncfs(2) to no daemon; the preloaded library does.
  @Test(.enabled(if: TestMount.canPreload("sync")))
  func syncOfTheFileSystemWithThePreloadedLibraryKeepsEverything() throws {
    let mount = try TestMount(options: Self.options)
    for index in 0..<5 { try System.write(letters(5000, "s"), to: mount("f\(index)")) }
    let result = try mount.preloaded(["sync", "-f", mount("f2")])
    #expect(result.status == 0, "\(result.output)")
    let copy = try survivor(of: mount)
    for index in 0..<5 {
      #expect(try text(copy, "/f\(index)").contains(String(repeating: "s", count: 5000)))
    }
  }

  @Test func whatWasSyncedSurvivesADaemonThatIsKilled() throws {
    let mount = try TestMount(options: Self.options)
    let file = try OpenFile(mount("file"), [.write, .create])
    try file.writeAll(letters(30_000, "k"), at: 0)
    try file.sync()
    try file.writeAll(letters(30_000, "l"), at: 30_000)
    try Program.succeed(["kill", "-KILL", String(try mount.daemon())])
    _ = try? Program.run([TestMount.program, "umount", mount.point])
    #expect(
      try text(survivor(of: mount), "/file").contains(String(repeating: "k", count: 30_000)))
  }

  @Test func withoutASyncACommitComesAfterAsManySecondsAsCommitSays() throws {
    let mount = try TestMount(options: "commit=1")
    try System.write(letters(5000, "c"), to: mount("file"))
    try Program.succeed(["sleep", "2.5"])
    #expect(
      try text(survivor(of: mount), "/file").contains(String(repeating: "c", count: 5000)))
  }

  @Test func barriersLeftOutAndWritebackKeepTheirPromiseToAKilledDaemon() throws {
    let mount = try TestMount(options: Self.options + ",nobarrier,data=writeback")
    let file = try OpenFile(mount("file"), [.write, .create])
    try file.writeAll(letters(30_000, "k"), at: 0)
    try file.sync()
    try Program.succeed(["kill", "-KILL", String(try mount.daemon())])
    _ = try? Program.run([TestMount.program, "umount", mount.point])
    #expect(
      try text(survivor(of: mount), "/file").contains(String(repeating: "k", count: 30_000)))
  }
}
