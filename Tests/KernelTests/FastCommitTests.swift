import Extant
import ExtantBase
import TestSupport
import Testing

/// Fast commits, which the kernel writes where the feature is on and an fsync needs no more.
@Suite(.enabled(if: Environment.hasKernelMounts && Environment.hasTools), .serialized)
struct FastCommitTests {
  /// An image that the kernel was shut down on after `work` below a directory that a whole
  /// transaction holds.
  private func left(
    _ directory: TemporaryDirectory, _ work: (String) throws -> Void
  ) throws -> Image {
    let image = try Image.make(
      at: directory("image"), size: "64M", options: ["-O", "fast_commit"])
    let mount = try image.mountInKernel(at: directory("mount"))
    try System.makeDirectory(mount.point + "/d")
    try System.write(Array("before".utf8), to: mount.point + "/d/old")
    try OpenFile(mount.point, .directory).syncFileSystem()
    try work(mount.point)
    try OpenFile(mount.point, .directory).shutDown(2)
    try mount.unmount()
    return image
  }

  @Test func imageWithFastCommitsIsLeftForTheKernel() throws {
    let directory = try TemporaryDirectory()
    let image = try left(directory) { root in
      try System.write([7], to: root + "/d/new")
      try OpenFile(root + "/d/new", .write).sync()
    }
    try Program.succeed(["cp", image.path, directory("before")])
    let fileSystem = try FileSystem.open(image.path)
    #expect(fileSystem.readOnlyReason?.contains("fast commits") == true)
    #expect(fileSystem.recoveryNotes.count == 1)
    #expect(try fileSystem.resolve("/d/old", followLast: false) != .root)
    try fileSystem.close()
    #expect(try Program.run(["cmp", image.path, directory("before")]).status == 0)

    try image.mountInKernel(at: directory("mount")).unmount()
    let after = try FileSystem.open(image.path)
    #expect(after.readOnlyReason == nil && after.recoveryNotes == [])
    #expect(try after.resolve("/d/new", followLast: false) != .root)
    try after.close()
    #expect(try image.complaint() == nil)
  }

  @Test func fastCommitsOfAnOlderTransactionDoNotCount() throws {
    let directory = try TemporaryDirectory()
    let image = try left(directory) { root in
      try System.write([7], to: root + "/d/new")
      try OpenFile(root + "/d/new", .write).sync()
      // A whole transaction makes them old.
      try OpenFile(root, .directory).syncFileSystem()
    }
    let fileSystem = try FileSystem.open(image.path)
    #expect(fileSystem.readOnlyReason == nil && fileSystem.recoveryNotes == [])
    #expect(try fileSystem.resolve("/d/new", followLast: false) != .root)
    try fileSystem.close()
    #expect(try image.complaint() == nil)
  }
}
