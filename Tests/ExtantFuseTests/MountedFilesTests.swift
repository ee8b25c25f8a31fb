import TestSupport
import Testing

@Suite(.enabled(if: TestMount.canRun), .serialized)
struct MountedFilesTests {
  @Test func appendingFindsTheEndWhereverItIs() throws {
    let mount = try TestMount()
    let file = try OpenFile(mount("log"), [.write, .create])
    let log = try OpenFile(mount("log"), [.write, .append])
    try file.writeAll([UInt8](repeating: 1, count: 8192), at: 0)
    try log.append([2, 2])
    try file.fallocateByIoctl(FallocateBits.collapse, 0, 4096)
    try log.append([3, 3])
    #expect(try file.read(8192, at: 4096) == [2, 2, 3, 3])
    // A mapping of a file opened to append writes at its own place.
    try log.writeMapped([9], at: 10)
    try log.sync()
    #expect(try file.status().size == 4100)
    #expect(try file.read(1, at: 10) == [9])
  }

  @Test func anOpenFileOutlivesItsName() throws {
    let mount = try TestMount()
    let file = try OpenFile(mount("gone"), [.write, .create])
    try file.writeAll([1, 2, 3], at: 0)
    try System.unlink(mount("gone"))
    try file.writeAll([4], at: 3)
    #expect(try file.read(10, at: 0) == [1, 2, 3, 4])
    #expect(try file.status().links == 0)
  }

  /// stat(1) asks for the number of blocks alone, which the kernel keeps when it learns of no more than
  /// a new change time.
  @Test func theNumberOfBlocksIsThatOfNow() throws {
    let mount = try TestMount()
    func blocks(_ name: String) throws -> Int? {
      let text = try Program.succeed(["stat", "-c", "%b", mount(name)])
      return Int(text.filter(\.isNumber))
    }
    try System.write([], to: mount("file"))
    #expect(try blocks("file") == 0)
    let value = [UInt8](repeating: 1, count: 900)
    try System.setAttribute(mount("file"), "user.long", value)
    #expect(try blocks("file") == 8)
    try System.removeAttribute(mount("file"), "user.long")
    #expect(try blocks("file") == 0)

    // Extents that do not fit the inode get a node when their blocks get homes.
    let file = try OpenFile(mount("holes"), [.write, .create])
    for index in 0..<10 { try file.writeAll([1], at: Int64(index) * 8192) }
    #expect(try blocks("holes") == 80)
    try file.sync()
    #expect(try blocks("holes") == 88)
  }

  @Test func aMissingNameIsFoundOnceItIsThere() throws {
    let mount = try TestMount()
    #expect(!System.exists(mount("late")))
    try System.write([1], to: mount("late"))
    #expect(System.exists(mount("late")))
    try System.rename(mount("late"), mount("later"))
    #expect(!System.exists(mount("late")))
    #expect(System.exists(mount("later")))
  }

  @Test func directoriesOfManyNamesAreListedWhole() throws {
    let mount = try TestMount()
    let count = 3000
    for index in 0..<count { try System.write([], to: mount("a-rather-long-name-\(index)")) }
    var names = Set(try System.names(in: mount.point).map { String(decoding: $0, as: UTF8.self) })
    #expect(names.remove("lost+found") != nil)
    #expect(names == Set((0..<count).map { "a-rather-long-name-\($0)" }))
    for index in 0..<count { try System.unlink(mount("a-rather-long-name-\(index)")) }
    #expect(try System.names(in: mount.point).count == 1)
    try mount.stop()
    #expect(try mount.image.complaint() == nil)
  }

  @Test func rangesAreCopiedBetweenFiles() throws {
    let mount = try TestMount()
    let source = try OpenFile(mount("source"), [.write, .create])
    let target = try OpenFile(mount("target"), [.write, .create])
    let bytes = (0..<3_000_000).map { UInt8(truncatingIfNeeded: $0 / 1000) }
    try source.writeAll(bytes, at: 0)
    #expect(try source.copyRange(from: 100, to: target, at: 5, count: 2_500_000) == 2_500_000)
    #expect(try target.read(3_000_000, at: 5) == Array(bytes[100..<2_500_100]))
  }

  @Test func dataAndHolesAreTold() throws {
    let mount = try TestMount()
    let file = try OpenFile(mount("sparse"), [.write, .create])
    try file.writeAll([1], at: 100_000)
    try file.truncate(to: 200_000)
    #expect(try file.dataRanges() == [98_304..<102_400])
    #expect(
      errno { () throws(SystemFailure) in _ = try file.seekData(from: 150_000) } == 6)
  }

  @Test(.enabled(if: System.isRoot))
  func aWriteByAnOrdinaryUserDropsPrivileges() throws {
    let mount = try TestMount(options: "allow_other")
    try System.changeMode(mount.directory.path, 0o755)
    try System.write([1], to: mount("tool"))
    // Root may write and keep them; not so the user nobody.
    try System.changeMode(mount("tool"), 0o6777)
    try OpenFile(mount("tool"), [.write]).writeAll([2], at: 0)
    #expect(try System.status(mount("tool")).mode & 0o7777 == 0o6777)
    try Program.succeed([
      "setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", "sh", "-c",
      "printf x > \(mount("tool"))",
    ])
    #expect(try System.status(mount("tool")).mode & 0o7777 == 0o777)
  }

  @Test(.enabled(if: System.isRoot))
  func aWriteDropsFileCapabilities() throws {
    let mount = try TestMount()
    try System.write([1], to: mount("tool"))
    let capability: [UInt8] = [1, 0, 0, 2, 0, 4, 0, 0] + [UInt8](repeating: 0, count: 12)
    try System.setAttribute(mount("tool"), "security.capability", capability)
    #expect(try System.attribute(mount("tool"), "security.capability") == capability)
    try OpenFile(mount("tool"), [.write]).writeAll([2], at: 0)
    #expect(
      errno { () throws(SystemFailure) in
        _ = try System.attribute(mount("tool"), "security.capability")
      } == 61)
  }

  @Test(.enabled(if: System.isRoot))
  func immutableFilesAreLeftAlone() throws {
    let mount = try TestMount()
    try System.write([1], to: mount("file"))
    let file = try OpenFile(mount("file"))
    let flags = try file.flags()
    try file.setFlags(flags | 0x10)
    #expect(
      errno { () throws(SystemFailure) in _ = try OpenFile(mount("file"), [.write]) } == 1)
    #expect(errno { () throws(SystemFailure) in try System.unlink(mount("file")) } == 1)
    try file.setFlags(flags)
    try System.unlink(mount("file"))
  }

  @Test(.enabled(if: System.isRoot))
  func shuttingDownStopsChangesAndKeepsWhatWasWritten() throws {
    let mount = try TestMount()
    let file = try OpenFile(mount("file"), [.write, .create])
    try file.writeAll([1, 2, 3], at: 0)
    try file.shutDown(0)
    #expect(errno { () throws(SystemFailure) in try file.writeAll([4], at: 3) } != 0)
    #expect(errno { () throws(SystemFailure) in try System.write([1], to: mount("new")) } != 0)
    _ = try Program.run([TestMount.program, "umount", mount.point])
    #expect(try mount.image.debugfs("stat /file").contains("Size: 3"))
  }
}
