import TestSupport
import Testing

@Suite(.enabled(if: TestMount.canRun), .serialized)
struct MountLifecycleTests {
  @Test func whatWasWrittenIsOnTheImageWhenUmountReturns() throws {
    let mount = try TestMount()
    try System.write(Array("hello".utf8), to: mount("file"))
    let daemon = try mount.daemon()
    try mount.stop()
    #expect(!Self.runs(daemon))
    #expect(try mount.image.complaint() == nil)
    #expect(try mount.image.debugfs("cat /file").contains("hello"))
  }

  @Test func theMountShowsItsImageAndType() throws {
    let mount = try TestMount()
    let table = String(decoding: try System.contents("/proc/self/mountinfo"), as: UTF8.self)
    let line = try #require(table.split(separator: "\n").first { $0.contains(mount.point) })
    #expect(line.contains(" fuse.extant \(mount.image.path) "))
  }

  @Test(arguments: ["TERM", "INT", "HUP"])
  func aSignalUnmountsAndLosesNothing(_ signal: String) throws {
    let mount = try TestMount()
    try System.write(Array("kept".utf8), to: mount("file"))
    let daemon = try mount.daemon()
    try Program.succeed(["kill", "-\(signal)", String(daemon)])
    try waitForEnd(of: daemon)
    #expect(try mount.image.complaint() == nil)
    #expect(try mount.image.debugfs("cat /file").contains("kept"))
    // The mount is gone: its directory is empty again.
    #expect(try System.names(in: mount.point).isEmpty)
  }

  @Test func aSignalWritesPagesOfMappingsThatAreStillOpen() throws {
    let mount = try TestMount()
    let file = try OpenFile(mount("mapped"), [.write, .create])
    try file.truncate(to: 65_536)
    try file.writeMapped(Array("dirty".utf8), at: 40_000)
    let daemon = try mount.daemon()
    try Program.succeed(["kill", "-TERM", String(daemon)])
    try waitForEnd(of: daemon)
    #expect(errno { () throws(SystemFailure) in _ = try file.status() } == 107)
    #expect(try mount.image.complaint() == nil)
    #expect(try mount.image.debugfs("cat /mapped").contains("dirty"))
  }

  @Test func anImageInUseHasNoSecondMount() throws {
    let mount = try TestMount()
    let second = mount.directory("second")
    try System.makeDirectory(second)
    for options in ["rw", "ro"] {
      let result = try Program.run([
        TestMount.program, "mount", "-o", options, mount.image.path, second,
      ])
      #expect(result.status != 0)
      #expect(result.output.contains(mount.image.path))
    }
    try mount.stop()
  }

  @Test func aDeadDaemonIsToldPlainlyAndTakenAway() throws {
    let mount = try TestMount()
    let daemon = try mount.daemon()
    try Program.succeed(["kill", "-KILL", String(daemon)])
    try waitForEnd(of: daemon)
    let again = try Program.run([TestMount.program, "mount", mount.image.path, mount.point])
    #expect(again.status != 0)
    #expect(again.output.contains("died"))
    let result = try Program.run([TestMount.program, "umount", mount.point])
    #expect(result.output.contains("died"))
    #expect(try System.names(in: mount.point).isEmpty)
    try mount.start()
    try mount.stop()
    #expect(try mount.image.complaint() == nil)
  }

  @Test func aMountThatIsUsedIsNotTakenAway() throws {
    let mount = try TestMount()
    let file = try OpenFile(mount("open"), [.write, .create])
    let result = try Program.run([TestMount.program, "umount", mount.point])
    #expect(result.status != 0)
    #expect(result.output.contains("in use"))
    try file.writeAll([1, 2, 3], at: 0)
    #expect(try file.read(3, at: 0) == [1, 2, 3])
  }

  @Test func failuresAreTold() throws {
    let directory = try TemporaryDirectory()
    let image = try Image.make(at: directory("image"), size: "8M")
    try System.makeDirectory(directory("point"))
    try System.write([UInt8](repeating: 7, count: 100_000), to: directory("junk"))
    for (arguments, reason) in [
      (["-o", "sloppy", image.path, directory("point")], "sloppy"),
      ([directory("missing"), directory("point")], "missing"),
      ([directory("junk"), directory("point")], "0xEF53"),
      ([image.path, directory("nowhere")], "nowhere"),
      ([image.path, image.path], "directory"),
    ] {
      let result = try Program.run([TestMount.program, "mount"] + arguments)
      #expect(result.status != 0)
      #expect(result.output.contains(reason), "\(result.output)")
      #expect(result.output.split(separator: "\n").count == 1, "\(result.output)")
    }
    let result = try Program.run([TestMount.program, "umount", directory("point")])
    #expect(result.status != 0)
  }

  @Test func aReadOnlyMountChangesNoByte() throws {
    let mount = try TestMount(options: "ro")
    #expect(errno { () throws(SystemFailure) in try System.write([1], to: mount("new")) } == 30)
    #expect(try System.names(in: mount.point).count == 1)
    try mount.stop()
    #expect(try mount.image.complaint() == nil)
  }

  /// Not counting one that has ended and that its parent has not asked after.
  private static func runs(_ process: Int32) -> Bool {
    guard let stat = try? System.contents("/proc/\(process)/stat") else { return false }
    return !String(decoding: stat, as: UTF8.self).contains(") Z ")
  }

  private func waitForEnd(of process: Int32) throws {
    for _ in 0..<200 where Self.runs(process) {
      try Program.succeed(["sleep", "0.05"])
    }
    #expect(!Self.runs(process))
  }
}
