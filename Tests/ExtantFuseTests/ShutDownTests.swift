import TestSupport
import Testing

/// After EXT4_IOC_SHUTDOWN: names and attributes can be looked at, all else is EIO.
@Suite(.enabled(if: SideBySide.canRun), .serialized)
struct ShutDownTests {
  @Test(arguments: [0, 2] as [UInt32])
  func everythingElseIsAnIOError(_ how: UInt32) throws {
    let mount = try TestMount()
    let image = try Image.make(at: mount.directory("kernel.img"))
    let kernel = try image.mountInKernel(at: mount.directory("kernel"))
    let (wanted, seen) = (try Self.look(kernel.point, how), try Self.look(mount.point, how))
    for (wanted, seen) in zip(wanted, seen) { #expect(seen == wanted) }
    try kernel.unmount()
    _ = try Program.run([TestMount.program, "umount", mount.point])
    try mount.image.replayJournal()
    #expect(try mount.image.debugfs("stat /file").contains("Size: 8192"))
  }

  private static func look(_ root: String, _ how: UInt32) throws -> [String] {
    func path(_ name: String) -> String { root + "/" + name }
    let file = try OpenFile(path("file"), [.write, .create])
    try file.writeAll([UInt8](repeating: 1, count: 8192), at: 0)
    try System.makeDirectory(path("directory"))
    try System.symbolicLink("file", at: path("link"))
    try System.setAttribute(path("file"), "user.a", [1])
    let clean = try OpenFile(path("clean"), [.write, .create])
    for file in [file, clean] { try file.sync() }
    let directory = try OpenFile(root, .directory)
    try directory.sync()
    try file.writeAll([2], at: 0)
    try file.shutDown(how)
    let actions: [(String, () throws(SystemFailure) -> Void)] = [
      ("fsync", { () throws(SystemFailure) in try file.sync() }),
      ("fsync again", { () throws(SystemFailure) in try file.sync() }),
      ("fdatasync", { () throws(SystemFailure) in try file.syncData() }),
      ("fsync, nothing to write", { () throws(SystemFailure) in try clean.sync() }),
      ("fsync of a directory", { () throws(SystemFailure) in try directory.sync() }),
      ("write", { () throws(SystemFailure) in try file.writeAll([3], at: 1) }),
      ("extend", { () throws(SystemFailure) in try file.writeAll([3], at: 20_000) }),
      ("direct write", { () throws(SystemFailure) in try file.writeDirect(3, 4096, at: 0) }),
      ("truncate", { () throws(SystemFailure) in try file.truncate(to: 3) }),
      (
        "fallocate",
        { () throws(SystemFailure) in try file.fallocate(mode: 0, offset: 0, length: 9000) }
      ),
      (
        "punch",
        { () throws(SystemFailure) in try file.fallocate(mode: 3, offset: 0, length: 4096) }
      ),
      ("open", { () throws(SystemFailure) in _ = try OpenFile(path("file")) }),
      ("open to write", { () throws(SystemFailure) in _ = try OpenFile(path("file"), [.write]) }),
      ("create", { () throws(SystemFailure) in _ = try OpenFile(path("new"), [.write, .create]) }),
      ("mkdir", { () throws(SystemFailure) in try System.makeDirectory(path("new")) }),
      ("mknod", { () throws(SystemFailure) in try System.makeNode(path("new"), mode: 0o10644) }),
      ("symlink", { () throws(SystemFailure) in try System.symbolicLink("x", at: path("new")) }),
      ("link", { () throws(SystemFailure) in try System.link(path("file"), path("new")) }),
      ("unlink", { () throws(SystemFailure) in try System.unlink(path("file")) }),
      ("unlink nothing", { () throws(SystemFailure) in try System.unlink(path("none")) }),
      ("rmdir", { () throws(SystemFailure) in try System.removeDirectory(path("directory")) }),
      ("rename", { () throws(SystemFailure) in try System.rename(path("file"), path("new")) }),
      ("chmod", { () throws(SystemFailure) in try System.changeMode(path("file"), 0o600) }),
      (
        "chown",
        { () throws(SystemFailure) in try System.changeOwner(path("file"), uid: 1, gid: 1) }
      ),
      (
        "setxattr",
        { () throws(SystemFailure) in try System.setAttribute(path("file"), "user.x", [1]) }
      ),
      (
        "getxattr", { () throws(SystemFailure) in _ = try System.attribute(path("file"), "user.a") }
      ),
      (
        "removexattr",
        { () throws(SystemFailure) in try System.removeAttribute(path("file"), "user.a") }
      ),
      ("listxattr", { () throws(SystemFailure) in _ = try System.attributeNames(path("file")) }),
      ("readdir", { () throws(SystemFailure) in _ = try System.names(in: root) }),
      ("stat", { () throws(SystemFailure) in _ = try System.status(path("file")) }),
      ("stat of nothing", { () throws(SystemFailure) in _ = try System.status(path("none")) }),
      ("readlink", { () throws(SystemFailure) in _ = try System.readSymbolicLink(path("link")) }),
      ("setflags", { () throws(SystemFailure) in try file.setFlags(0x80040) }),
      ("fsync at the end", { () throws(SystemFailure) in try file.sync() }),
    ]
    return actions.map { (name, run) in "\(name): \(SideBySide.outcome(run))" }
  }
}
