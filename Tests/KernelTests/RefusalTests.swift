import Extant
import ExtantBase
import TestSupport
import Testing

@testable import KernelKit
@testable import TortureKit

/// Images that must not be opened, or not be written: refused by the name of what is missing, and
/// not one byte of them changes.
@Suite(.enabled(if: Environment.hasTools), .serialized)
struct RefusalTests {
  struct Case: Sendable, CustomTestStringConvertible {
    var feature: String
    var options: String
    var testDescription: String { feature }
  }

  static let refused = [
    Case(feature: "meta_bg", options: "meta_bg,^resize_inode"),
    Case(feature: "inline_data", options: "inline_data"),
    Case(feature: "bigalloc", options: "bigalloc"),
    Case(feature: "ea_inode", options: "ea_inode"),
    Case(feature: "encrypt", options: "encrypt"),
    Case(feature: "casefold", options: "casefold"),
    Case(feature: "large_dir", options: "large_dir"),
    Case(feature: "mmp", options: "mmp"),
    Case(feature: "extent", options: "^extent,^64bit"),
  ]

  @Test(arguments: refused) func whatIsNotBuiltIsRefusedByName(_ item: Case) throws {
    let directory = try TemporaryDirectory()
    let image = try Image.make(
      at: directory("image"), size: "16M", options: ["-O", item.options])
    try expectRefusal(image, item.feature, directory)
  }

  /// The kernel refuses it, too.
  @Test func the64BitImageOfTheHurdIsRefused() throws {
    let directory = try TemporaryDirectory()
    let image = try Image.make(at: directory("image"), size: "16M", options: ["-o", "hurd"])
    try expectRefusal(image, "Hurd", directory)
  }

  /// Any other of the Hurd the kernel writes, and leaves the words of its inodes alone that are not
  /// those of Linux.
  @Test func anImageOfTheHurdIsWrittenAndItsWordsStay() throws {
    let directory = try TemporaryDirectory()
    let image = try Image.make(
      at: directory("image"), size: "16M", options: ["-o", "hurd", "-O", "^64bit"])
    let name = try FileName("file")
    do {
      let fileSystem = try FileSystem.open(image.path)
      _ = try fileSystem.createFile(name, in: .root, mode: 0o644)
      try fileSystem.close()
    }
    for field in ["translator 77", "frag 5", "author 78"] {
      let command = "set_inode_field /file \(field)"
      try Program.succeed(["debugfs", "-w", "-R", command, image.path])
    }
    let fileSystem = try FileSystem.open(image.path)
    let inode = try fileSystem.lookup(name, in: .root).inode
    let file = try fileSystem.openFile(inode, .readWrite)
    _ = try file.write(Array("written".utf8), at: 0)
    file.close()
    try fileSystem.close()
    let said = try image.debugfs("stat /file")
    #expect(said.contains("Translator: 77") && said.contains("Size: 7"), "\(said)")
    #expect(said.contains("Number: 5"), "\(said)")
    #expect(try image.debugfs("inode_dump /file").contains("4e00 0000"), "the author's word")
  }

  @Test func unknownIncompatibleFeatureIsRefusedByItsNumber() throws {
    let directory = try TemporaryDirectory()
    let image = try Image.make(
      at: directory("image"), size: "16M", options: ["-O", "^metadata_csum"])
    // Bit 27 of s_feature_incompat: nobody's.
    try Self.setBit(image, byte: 1024 + 0x60 + 3, bit: 3)
    try expectRefusal(image, "FEATURE_I27", directory)
  }

  static let readOnly = [
    Case(feature: "quota", options: "quota"),
    Case(feature: "project", options: "quota,project"),
    Case(feature: "verity", options: "verity"),
  ]

  @Test(arguments: readOnly) func whatOnlyWritingWouldHarmOpensReadOnly(_ item: Case) throws {
    let directory = try TemporaryDirectory()
    let image = try Image.make(
      at: directory("image"), size: "16M", options: ["-O", item.options])
    try expectReadOnly(image, item.feature, directory)
  }

  @Test func unknownReadOnlyFeatureOpensReadOnly() throws {
    let directory = try TemporaryDirectory()
    let image = try Image.make(
      at: directory("image"), size: "16M", options: ["-O", "^metadata_csum"])
    try Self.setBit(image, byte: 1024 + 0x64 + 3, bit: 2)
    try expectReadOnly(image, "FEATURE_R26", directory)
  }

  @Test func markedErrorsOpenReadOnly() throws {
    let directory = try TemporaryDirectory()
    let image = try Image.make(at: directory("image"), size: "16M")
    try Program.succeed(["debugfs", "-w", "-R", "ssv state 2", image.path])
    try expectReadOnly(image, "errors", directory)
  }

  // MARK: The journal

  /// With the option that leaves the journal alone, and on a device that cannot be written, not
  /// one byte changes; otherwise it is replayed.
  @Test(.enabled(if: Environment.hasKernelMounts), arguments: [1024, 4096])
  func journalThatNeedsRecoveryIsReplayedOnlyWhereThatIsWanted(blockSize: Int) throws {
    let directory = try TemporaryDirectory()
    let image = try Image.make(at: directory("image"), size: "32M", blockSize: blockSize)
    let hand = try KernelHand(image, at: directory("mount"))
    let recipe = ExchangeRecipe(name: "journal", blockSize: blockSize)
    try hand.perform(recipe.creation("/k"))
    let written = try hand.look()
    // The power goes: what is committed stays in the journal, and is not in place.
    try OpenFile(directory("mount"), .directory).shutDown(2)
    _ = try? hand.participant.finish()

    try expectReadOnly(image, "without recovery", directory, skipsRecovery: true)
    let before = directory("before")
    try Program.succeed(["cp", image.path, before])
    let reading = try FileSystem.open(image.path, .readOnly)
    #expect(reading.readOnlyReason == "opened read-only")
    let seen = try SeenTree(reading, seeks: false)
    #expect(seen.differences(from: written, "seen", "written") == [])
    try reading.close()
    #expect(try Program.run(["cmp", image.path, before]).status == 0, "the image was changed")

    // As long as the journal says so, whatever the superblock's flag says.
    let flagless = Image(path: directory("flagless"))
    try Program.succeed(["cp", image.path, flagless.path])
    try Program.succeed(["debugfs", "-w", "-R", "feature -needs_recovery", flagless.path])
    for image in [image, flagless] {
      let fileSystem = try FileSystem.open(image.path)
      #expect(fileSystem.readOnlyReason == nil)
      let recovered = try SeenTree(fileSystem, seeks: false)
      #expect(recovered.differences(from: written, "recovered", "written") == [])
      try fileSystem.close()
      #expect(try image.complaint() == nil)
    }
  }

  @Test(.enabled(if: Environment.hasKernelMounts))
  func copyOfAMountedImageIsRecovered() throws {
    let directory = try TemporaryDirectory()
    let image = try Image.make(at: directory("image"), size: "16M")
    let copy = Image(path: directory("copy"))
    let mount = try image.mountInKernel(at: directory("mount"))
    try System.write([1, 2, 3], to: mount.point + "/file")
    try OpenFile(mount.point, .directory).syncFileSystem()
    try Program.succeed(["cp", image.path, copy.path])
    // And what the kernel holds is not opened at all for writing.
    #expect(throws: FileSystemError.self) { try FileSystem.open(image.path).close() }
    try mount.unmount()
    let fileSystem = try FileSystem.open(copy.path)
    let file = try fileSystem.openFile(fileSystem.resolve("/file", followLast: false), .read)
    #expect(try file.read(10, at: 0) == [1, 2, 3])
    file.close()
    try fileSystem.close()
    #expect(try copy.complaint() == nil)
  }

  /// A device that cannot be written lets no journal be replayed: the kernel mounts it only where
  /// there is nothing to replay.
  @Test(.enabled(if: Environment.hasKernelMounts), arguments: [1024, 4096])
  func cleanJournalStaysClean(blockSize: Int) throws {
    let directory = try TemporaryDirectory()
    let image = try Image.make(at: directory("image"), size: "32M", blockSize: blockSize)
    let recipe = ExchangeRecipe(name: "journal", blockSize: blockSize)
    let hand = try EngineHand(image)
    try hand.perform(recipe.creation("/e"))
    #expect(try hand.participant.finish() == nil)
    let header = try Program.succeed(["dumpe2fs", "-h", image.path])
    #expect(!header.contains("needs_recovery"))
    #expect(header.contains("Filesystem state:         clean"))
    #expect(Self.journalStart(header) == "0")

    let loop = try LoopDevice(image.path, ["-r"])
    defer { loop.detach() }
    try System.makeDirectory(directory("mount"))
    try Program.succeed(["mount", "-t", "ext4", "-o", "ro", loop.path, directory("mount")])
    let mounted = System.exists(directory("mount") + "/e/deep")
    try Program.succeed(["umount", directory("mount")])
    #expect(mounted)
  }

  private static func journalStart(_ header: String) -> String? {
    header.split(separator: "\n").first { $0.hasPrefix("Journal start:") }?
      .split(separator: " ").last.map(String.init)
  }

  // MARK: Judging

  private func expectRefusal(
    _ image: Image, _ feature: String, _ directory: TemporaryDirectory
  ) throws {
    try unchanged(image, directory) {
      for options in [FileSystem.Options(), .readOnly] {
        do {
          try FileSystem.open(image.path, options).close()
          Issue.record("an image with \(feature) was opened")
        } catch FileSystemError.unsupported(let what) {
          #expect(what.feature.contains(feature), "\(what)")
        }
      }
    }
  }

  private func expectReadOnly(
    _ image: Image, _ reason: String, _ directory: TemporaryDirectory, skipsRecovery: Bool = false
  ) throws {
    try unchanged(image, directory) {
      var options = FileSystem.Options()
      options.skipsRecovery = skipsRecovery
      let fileSystem = try FileSystem.open(image.path, options)
      #expect(fileSystem.isReadOnly)
      #expect(
        fileSystem.readOnlyReason?.contains(reason) == true,
        "\(fileSystem.readOnlyReason ?? "none")")
      // Reading goes on: here the root's entries.
      let names = try EngineTree.names(fileSystem, .root)
      #expect(names.contains(Array("lost+found".utf8)))
      let name = try FileName("new")
      #expect(throws: FileSystemError.refused(.readOnlyFileSystem)) {
        _ = try fileSystem.createFile(name, in: .root, mode: 0o644)
      }
      #expect(throws: FileSystemError.refused(.readOnlyFileSystem)) {
        try fileSystem.setExtendedAttribute(Array("user.x".utf8), [1], of: .root)
      }
      #expect(throws: FileSystemError.refused(.readOnlyFileSystem)) {
        try fileSystem.setLabel(Array("new".utf8))
      }
      try fileSystem.sync()
      try fileSystem.close()
    }
  }

  private func unchanged(
    _ image: Image, _ directory: TemporaryDirectory, _ body: () throws -> Void
  ) throws {
    let before = directory("before")
    try Program.succeed(["cp", image.path, before])
    try body()
    #expect(try Program.run(["cmp", image.path, before]).status == 0, "the image was changed")
    try System.unlink(before)
  }

  private static func setBit(_ image: Image, byte: Int64, bit: UInt8) throws {
    let file = try OpenFile(image.path, .write)
    let old = try OpenFile(image.path).read(1, at: byte)
    try file.writeAll([try #require(old.first) | 1 << bit], at: byte)
  }
}
