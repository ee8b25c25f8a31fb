import TestSupport
import Testing
import Threading

/// File handles, as an NFS server uses them: they outlive names, the kernel's cache and the mount,
/// but not the file.
@Suite(.enabled(if: SideBySide.canRun), .serialized)
struct FileHandleTests {
  private static let names = ["", "/file", "/directory", "/directory/inside", "/link"]

  private static func fill(_ root: String) throws {
    try System.makeDirectory(root + "/directory")
    try System.write(Array("one".utf8), to: root + "/file")
    try System.write(Array("two".utf8), to: root + "/directory/inside")
    try System.symbolicLink("file", at: root + "/link")
  }

  /// What opening the handle gives: the errno, or what is read there.
  private static func look(_ handle: [UInt8], on mount: OpenFile) -> String {
    do throws(SystemFailure) {
      let file = try OpenFile(handle: handle, on: mount)
      let status = try file.status()
      guard status.isRegular else { return "\(status.mode) \(status.links)" }
      return String(decoding: try file.read(100, at: 0), as: UTF8.self)
    } catch {
      return ErrorName.of(error.errno)
    }
  }

  @Test func theyOutliveNamesAndTheKernelsCache() throws {
    try SideBySide.check { (root) in
      try Self.fill(root)
      let mount = try OpenFile(root, .directory)
      let handles = try Self.names.map { try System.handle(root + $0) }
      var lines = handles.map { Self.look($0, on: mount) }
      try System.dropInodes()
      lines += handles.map { Self.look($0, on: mount) }
      try System.rename(root + "/file", root + "/directory/moved")
      try System.rename(root + "/directory", root + "/elsewhere")
      try System.dropInodes()
      return lines + handles.map { Self.look($0, on: mount) }
    }
  }

  @Test func aDeletedFilesHandleIsStaleForGood() throws {
    try SideBySide.check { (root) in
      try Self.fill(root)
      let mount = try OpenFile(root, .directory)
      let handles = try ["/file", "/directory/inside"].map { try System.handle(root + $0) }
      let numbers = try ["/file", "/directory/inside"].map { try System.status(root + $0).inode }
      try System.unlink(root + "/file")
      try System.unlink(root + "/directory/inside")
      var lines = handles.map { Self.look($0, on: mount) }
      try System.dropInodes()
      lines += handles.map { Self.look($0, on: mount) }
      // Their numbers are given out again: no handle opens the files that get them.
      lines.append("\(try Self.take(numbers, in: root, mount))")
      lines += handles.map { Self.look($0, on: mount) }
      try System.dropInodes()
      return lines + handles.map { Self.look($0, on: mount) }
    }
  }

  /// Makes files until they have these inode numbers. A FUSE daemon may hear of new files before it hears
  /// that the last user of a deleted one is gone.
  private static func take(_ numbers: [UInt64], in root: String, _ mount: OpenFile) throws -> Bool {
    for _ in 0..<100 {
      try mount.syncFileSystem()
      try mount.sync()
      for index in 0..<40 { try System.write([1], to: root + "/new\(index)") }
      let taken = try (0..<40).map { try System.status(root + "/new\($0)").inode }
      if numbers.allSatisfy(taken.contains) { return true }
      for index in 0..<40 { try System.unlink(root + "/new\(index)") }
      Clock.sleep(nanoseconds: 50_000_000)
    }
    return false
  }

  @Test func theyOutliveTheMount() throws {
    let mount = try TestMount()
    try Self.fill(mount.point)
    let handles = try Self.names.map { try System.handle(mount.point + $0) }
    func look() throws -> [String] {
      let root = try OpenFile(mount.point, .directory)
      return handles.map { Self.look($0, on: root) }
    }
    let before = try look()
    try mount.stop()
    try mount.start()
    #expect(try look() == before)
  }

  /// Only root can make one up, but it must not make the filesystem count errors.
  @Test func madeUpHandlesAreStale() throws {
    let mount = try TestMount()
    try System.write([1], to: mount("file"))
    let handle = try System.handle(mount("file"))
    // FUSE's: the inode in 64 bits, high half first, and the generation.
    for number in [0, 3, 4, 5, 6, 7, 8, 9, 10, 11, 13, 500, 16384, 16385, 1 << 31, 1 << 32]
      as [UInt64]
    {
      var other = handle
      other.replaceSubrange(
        8..<16,
        with: Bytes.of(number >> 32, count: 4) + Bytes.of(number & 0xffff_ffff, count: 4))
      #expect(
        Self.look(other, on: try OpenFile(mount.point, .directory)) == "ESTALE", "inode \(number)")
    }
    try mount.stop()
    #expect(try mount.image.complaint() == nil)
    #expect(try !mount.image.debugfs("stats").contains("error"))
  }
}
