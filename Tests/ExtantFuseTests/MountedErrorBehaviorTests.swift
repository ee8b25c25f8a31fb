import TestSupport
import Testing

/// errors= through a mount: what programs see after metadata turned out to be broken.
@Suite(.enabled(if: TestMount.canRun), .serialized)
struct MountedErrorBehaviorTests {
  /// A mount of an image in which /bad cannot be read, and /good/file can.
  private func damagedMount(_ options: String) throws -> TestMount {
    let mount = try TestMount(size: "16M", options: "rw")
    try System.makeDirectory(mount("bad"))
    try System.makeDirectory(mount("good"))
    try System.write([1], to: mount("bad/lost"))
    try System.write(Array("contents".utf8), to: mount("good/file"))
    try mount.stop()
    let block = try mount.image.debugfs("blocks /bad").split(whereSeparator: \.isWhitespace).last
    let offset = try #require(block.flatMap { Int64($0) }) * 4096
    try OpenFile(mount.image.path, .write).writeAll(
      [UInt8](repeating: 0xA5, count: 4096), at: offset)
    mount.options = options
    try mount.start()
    return mount
  }

  private func meet(_ mount: TestMount) -> Int32 {
    errno { () throws(SystemFailure) in _ = try System.names(in: mount("bad")) }
  }

  private func recorded(_ mount: TestMount) throws -> Bool {
    try Program.succeed(["dumpe2fs", "-h", mount.image.path]).contains("FS Error count")
  }

  @Test func continueGoesOn() throws {
    let mount = try damagedMount("errors=continue")
    #expect(meet(mount) == 117)
    try System.write([1, 2, 3], to: mount("good/new"))
    try mount.stop()
    #expect(try recorded(mount))
    #expect(try mount.image.debugfs("stat /good/new").contains("Size: 3"))
  }

  @Test func remountReadOnlyRefusesWritersAndServesReaders() throws {
    let mount = try damagedMount("errors=remount-ro")
    #expect(meet(mount) == 117)
    #expect(
      errno { () throws(SystemFailure) in try System.write([1], to: mount("good/new")) } == 30)
    #expect(try System.contents(mount("good/file")) == Array("contents".utf8))
    #expect(try recorded(mount))
    _ = try? Program.run([TestMount.program, "umount", mount.point])
  }

  @Test func panicEndsTheDaemonAtOnce() throws {
    let mount = try damagedMount("errors=panic,commit=86400")
    try System.write([1, 2, 3], to: mount("good/new"))
    let daemon = try mount.daemon()
    // The request that met the error gets no answer: ENOTCONN or ECONNABORTED.
    #expect([107, 103].contains(meet(mount)))
    for _ in 0..<100 where System.processLives(Int64(daemon)) {
      try Program.succeed(["sleep", "0.02"])
    }
    #expect(errno { () throws(SystemFailure) in _ = try System.status(mount("good")) } != 0)
    #expect(try recorded(mount))
    let result = try Program.run([TestMount.program, "umount", mount.point])
    #expect(result.output.contains("died"))
    // Nothing was committed after the error: as a power cut would have left it.
    #expect(try Program.run(["e2fsck", "-fy", mount.image.path]).status <= 1)
    #expect(try mount.image.debugfs("stat /good/new").contains("File not found"))
  }

  /// tune2fs -e and -o say what the mount does not.
  @Test func theSuperblockDecidesWhereTheMountDoesNot() throws {
    let mount = try damagedMount("rw")
    try mount.stop()
    try Program.succeed(["tune2fs", "-e", "remount-ro", mount.image.path])
    try mount.start()
    #expect(meet(mount) == 117)
    #expect(
      errno { () throws(SystemFailure) in try System.write([1], to: mount("good/new")) } == 30)
    _ = try? Program.run([TestMount.program, "umount", mount.point])
  }

  @Test func infoTellsWhatIsRecorded() throws {
    let mount = try damagedMount("errors=remount-ro")
    _ = meet(mount)
    _ = try? Program.run([TestMount.program, "umount", mount.point])
    let told = try Program.succeed([TestMount.program, "info", mount.image.path])
    #expect(told.contains("1, the last corrupted at") && told.contains("with errors"))
  }
}
