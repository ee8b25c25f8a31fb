import Ext4Format
import Extant
import ExtantBase
import TestSupport
import Testing

@testable import KernelKit

/// A journal on a device of its own: left by the kernel and recovered by us, written by us and
/// recovered by e2fsck, and refused by name where it is not the right one.
@Suite(.enabled(if: Environment.hasKernelMounts && Environment.hasTools), .serialized)
struct ExternalJournalTests {
  /// An image, and the journal beside it.
  static func make(_ directory: TemporaryDirectory, blockSize: Int) throws -> Image {
    let size = String(blockSize)
    try Program.succeed([
      "mke2fs", "-q", "-F", "-b", size, "-O", "journal_dev", directory("journal"), "8M",
    ])
    let loop = try LoopDevice(directory("journal"))
    defer { loop.detach() }
    return try Image.make(
      at: directory("image"), size: "32M", blockSize: blockSize,
      options: ["-J", "device=" + loop.path])
  }

  /// What a crash of the kernel in mid-work leaves of both.
  static func crash(_ directory: TemporaryDirectory, _ image: Image, blockSize: Int) throws {
    let loop = try LoopDevice(directory("journal"))
    defer { loop.detach() }
    let recipe = CrashRecipe(
      name: "external", blockSize: blockSize, mountOptions: "journal_path=" + loop.path)
    try KernelCrash.leave(
      image, recipe, at: directory("mount"), seed: Seed.take(), milliseconds: 600)
  }

  private func check(_ directory: TemporaryDirectory, _ image: Image, _ how: String) throws
    -> String
  {
    let loop = try LoopDevice(directory("journal"))
    defer { loop.detach() }
    let result = try Program.run([
      "e2fsck", how, "-E", "no_optimize_extents", "-j", loop.path, image.path,
    ])
    return result.status <= (how == "-fy" ? 1 : 0) ? "" : result.output
  }

  private func options(_ directory: TemporaryDirectory) -> FileSystem.Options {
    var options = FileSystem.Options()
    options.journalPath = directory("journal")
    return options
  }

  @Test(arguments: [1024, 4096]) func whatTheKernelLeftThereIsRecovered(blockSize: Int) throws {
    let directory = try TemporaryDirectory()
    let image = try Self.make(directory, blockSize: blockSize)
    try Self.crash(directory, image, blockSize: blockSize)
    let theirs = try TemporaryDirectory()
    for name in ["image", "journal"] {
      try Program.succeed(["cp", directory(name), theirs(name)])
    }
    #expect(try check(theirs, Image(path: theirs("image")), "-fy") == "")
    let expected = try FileSystem.open(theirs("image"), .readOnly)
    let wanted = try SeenTree(expected, seeks: false)
    try expected.close()

    // Reading leaves both files as they are.
    var reading = options(directory)
    reading.access = .readOnly
    let read = try FileSystem.open(image.path, reading)
    let seen = try SeenTree(read, seeks: false)
    #expect(seen.differences(from: wanted, "we, reading", "e2fsck") == [])
    try read.close()

    let fileSystem = try FileSystem.open(image.path, options(directory))
    #expect(fileSystem.readOnlyReason == nil)
    let recovered = try SeenTree(fileSystem, seeks: false)
    #expect(recovered.differences(from: wanted, "we", "e2fsck") == [])
    try fileSystem.close()
    #expect(try check(directory, image, "-fn") == "")
  }

  @Test func whatWeCommitThereIsRecoveredByOthers() throws {
    let directory = try TemporaryDirectory()
    let image = try Self.make(directory, blockSize: 1024)
    let fileSystem = try FileSystem.open(image.path, options(directory))
    let name = try FileName("synced")
    let inode = try fileSystem.createFile(name, in: .root, mode: 0o644).inode
    let file = try fileSystem.openFile(inode, .readWrite)
    _ = try file.write(Array("kept".utf8), at: 0)
    try file.sync()
    // As a crash leaves them: nothing is closed.
    let crashed = try TemporaryDirectory()
    for name in ["image", "journal"] {
      try Program.succeed(["cp", directory(name), crashed(name)])
    }
    file.close()
    try fileSystem.close()
    #expect(try check(directory, image, "-fn") == "")

    let left = Image(path: crashed("image"))
    #expect(try left.debugfs("stat /synced").contains("not found"), "it is only in the journal")
    #expect(try check(crashed, left, "-fy") == "")
    #expect(try left.debugfs("cat /synced").contains("kept"))
  }

  @Test func wrongOrMissingJournalIsRefusedByItsUUID() throws {
    let directory = try TemporaryDirectory()
    let image = try Self.make(directory, blockSize: 1024)
    let header = try Program.succeed(["dumpe2fs", "-h", image.path])
    let line = try #require(header.split(separator: "\n").first { $0.hasPrefix("Journal UUID:") })
    let uuid = String(try #require(line.split(separator: " ").last))

    func refusal(_ journal: String?) -> String {
      var options = FileSystem.Options()
      options.journalPath = journal
      do throws(FileSystemError) {
        try FileSystem.open(image.path, options).close()
        return "opened"
      } catch {
        return error.description
      }
    }
    #expect(refusal(nil).contains(uuid))
    try Program.succeed(["cp", image.path, directory("copy")])
    #expect(refusal(directory("copy")).contains("journal_dev"))
    #expect(refusal(directory("nothing")).contains("nothing"))
    try Program.succeed([
      "mke2fs", "-q", "-F", "-b", "1024", "-O", "journal_dev", directory("other"), "8M",
    ])
    #expect(refusal(directory("other")).contains(uuid))
    try Program.succeed([
      "mke2fs", "-q", "-F", "-b", "4096", "-O", "journal_dev", "-U", uuid, directory("large"), "8M",
    ])
    #expect(refusal(directory("large")).contains("4096"))

    // Who only reads does without.
    let fileSystem = try FileSystem.open(image.path, .readOnly)
    #expect(fileSystem.recoveryNotes.count == 1)
    #expect(fileSystem.recoveryNotes.first?.contains(uuid) == true)
    try fileSystem.close()
  }
}
