import Ext4Format
import Extant
import ExtantBase
import TestSupport
import Testing

@testable import KernelKit

/// The checker and a journal on a device of its own: what a crashed kernel left there is replayed as e2fsck
/// replays it, and the log is empty then.
@Suite(
  .enabled(
    if: Environment.hasKernelMounts && Environment.hasTools
      && System.exists(Environment.products + "/extant")), .serialized)
struct ExternalJournalCheckTests {
  /// An image and the device of its journal, in a folder of their own.
  private struct Pair {
    let folder: TemporaryDirectory
    var image: Image { Image(path: folder("image")) }

    init() throws { folder = try TemporaryDirectory() }

    func copy() throws -> Pair {
      let copy = try Pair()
      for name in ["image", "journal"] {
        try Program.succeed(["cp", "--sparse=always", folder(name), copy.folder(name)])
      }
      return copy
    }

    func contents() throws -> [[UInt8]] {
      try ["image", "journal"].map { try System.contents(folder($0)) }
    }

    func fsck(_ arguments: String...) throws -> ProgramResult {
      try Program.run(
        [Environment.products + "/extant", "fsck"] + arguments
          + ["-j", folder("journal"), image.path])
    }

    func e2fsck(_ mode: String) throws -> ProgramResult {
      let loop = try LoopDevice(folder("journal"))
      defer { loop.detach() }
      return try Program.run([
        "e2fsck", mode, "-E", "no_optimize_extents", "-j", loop.path, image.path,
      ])
    }

    /// Read without the journal: what was replayed is in place.
    func tree() throws -> SeenTree {
      let fileSystem = try FileSystem.open(image.path, .readOnly)
      let tree = try SeenTree(fileSystem, seeks: false)
      try fileSystem.close()
      return tree
    }
  }

  private func crashed(blockSize: Int) throws -> Pair {
    let pair = try Pair()
    let image = try ExternalJournalTests.make(pair.folder, blockSize: blockSize)
    try ExternalJournalTests.crash(pair.folder, image, blockSize: blockSize)
    return pair
  }

  @Test(arguments: [1024, 4096]) func itIsReplayedAsE2fsckReplaysIt(blockSize: Int) throws {
    let left = try crashed(blockSize: blockSize)
    let (log, start) = try Self.log(left)
    #expect(start != 0, "the crash left nothing in \(log)")

    let before = try left.contents()
    let report = try left.fsck("-fn")
    #expect(report.output.contains("journal.needs-replay"), "\(report.output)")
    #expect(try left.contents() == before, "-n wrote something")

    let theirs = try left.copy()
    #expect(try theirs.e2fsck("-fy").status <= 1)
    let wanted = try theirs.tree()
    for mode in ["-fy", "-fp", "-p"] {
      let ours = try left.copy()
      let result = try ours.fsck(mode)
      #expect(result.status <= 1, "\(mode): \(result.output)")
      #expect(try ours.tree().differences(from: wanted, "fsck", "e2fsck") == [], "\(mode)")
      #expect(try Self.log(ours).start == 0, "\(mode): the log is not empty")
      let judged = try ours.e2fsck("-fn")
      #expect(judged.status == 0, "\(mode): \(judged.output)")
      // Without -f the image is believed then, and the counts of its superblock stay.
      guard mode != "-p" else { continue }
      let repaired = try ours.contents()
      let second = try ours.fsck("-fy")
      #expect(second.status == 0 && !second.output.contains("["), "\(second.output)")
      #expect(try ours.contents() == repaired, "the second check wrote something")
    }
  }

  @Test func theReplayAloneLeavesTheRest() throws {
    let left = try crashed(blockSize: 1024)
    let theirs = try left.copy()
    #expect(try theirs.e2fsck("-fy").status <= 1)
    let ours = try left.copy()
    #expect(try ours.fsck("-y", "-E", "journal_only").status == 0)
    #expect(try Self.log(ours).start == 0)
    #expect(try ours.tree().differences(from: theirs.tree(), "fsck", "e2fsck") == [])
  }

  /// The block of the journal's superblock and where its log starts; 0 for an empty log.
  private static func log(_ pair: Pair) throws -> (block: Int, start: UInt32) {
    let bytes = try System.contents(pair.folder("journal"))
    let size = 1024 << Int(bytes.rawBytes.le32(1024 + 24))
    // The device's own superblock is before it.
    let block = size == 1024 ? 2 : 1
    return (block, bytes.rawBytes.be32(block * size + 0x1c))
  }
}
