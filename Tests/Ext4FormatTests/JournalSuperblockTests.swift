import ExtantBase
import TestSupport
import Testing

@testable import Ext4Format

@Suite("Journal superblock", .enabled(if: Environment.hasTools))
struct JournalSuperblockTests {
  /// The first block of the journal of the image at `path`.
  private func firstBlock(_ raw: RawImage) throws -> [UInt8] {
    let number = try #require(raw.superblock.journalInode)
    let inode = try raw.inode(number)
    let context = ExtentTreeContext(
      inode: number, firstDataBlock: BlockAddress(UInt64(raw.superblock.firstDataBlock)),
      blockCount: raw.superblock.blockCount, checksumSeed: nil)
    let root = try ExtentNode(root: inode.blockArea, context)
    guard case .leaf(let records) = root.entries, let first = records.first else { return [] }
    return try raw.block(first.address)
  }

  @Test("a new journal is clean, and one we would make is the same", arguments: [1024, 4096])
  func new(blockSize: Int) throws {
    let directory = try TemporaryDirectory()
    let raw = try RawImage(FormatRecipe(blockSize).make(in: directory).path)
    let block = try firstBlock(raw)
    let journal = try JournalSuperblock(block.rawBytes, superblock: raw.superblock)
    #expect(journal.isClean && journal.blockCount >= JournalSuperblock.minimumBlockCount)
    var ours = [UInt8](repeating: 0xee, count: blockSize)
    ours.withMutableBytes {
      JournalSuperblock(
        blockSize: UInt32(blockSize), blockCount: journal.blockCount, uuid: raw.superblock.uuid
      ).encode(into: &$0)
    }
    #expect(ours == block)
  }

  @Test(
    "a journal that the kernel left is dirty, and clean after a proper unmount",
    .enabled(if: Environment.hasKernelMounts))
  func leftByKernel() throws {
    let directory = try TemporaryDirectory()
    let image = try FormatRecipe(4096).make(in: directory)
    let mount = try image.mountInKernel(at: directory("mount"))
    try System.write([1, 2, 3], to: mount.point + "/file")
    let file = try OpenFile(mount.point + "/file", .write)
    try file.sync()
    // Shut down without flushing the log: 2 is EXT4_GOING_FLAGS_NOLOGFLUSH.
    try file.shutDown(2)
    let dirty = try RawImage(image.path)
    let block = try firstBlock(dirty)
    let journal = try JournalSuperblock(block.rawBytes, superblock: dirty.superblock)
    #expect(!journal.isClean && dirty.superblock.needsRecovery)
    #expect(journal.incompat.contains(.checksumV3))
    #expect(try dirty.superblock.checkSupport() == .readWrite)
    withExtendedLifetime(file) {}
  }

  @Test("what is no journal of this filesystem is corrupt")
  func broken() throws {
    let directory = try TemporaryDirectory()
    let raw = try RawImage(FormatRecipe(1024).make(in: directory).path)
    let good = try firstBlock(raw)
    func rule(_ change: (inout MutableRawSpan) -> Void) throws -> String {
      var bytes = good
      bytes.withMutableBytes { change(&$0) }
      return try brokenRule {
        _ = try JournalSuperblock(bytes.rawBytes, superblock: raw.superblock)
      } ?? "none"
    }
    #expect(try rule { _ in } == "none")
    #expect(try rule { $0.setBE32(0, at: 0) }.contains("magic"))
    #expect(try rule { $0.setBE32(2, at: 4) }.contains("block type"))
    #expect(try rule { $0.setBE32(4096, at: 12) }.contains("block size"))
    #expect(try rule { $0.setBE32(0, at: 16) }.contains("log"))
    #expect(try rule { $0.setBE32(0, at: 20) }.contains("log"))
    #expect(try rule { $0.setBE32(.max, at: 28) }.contains("log"))
    func checksums(_ bytes: inout MutableRawSpan, _ features: UInt32, type: UInt8) {
      bytes.setBE32(features, at: 0x28)
      bytes.setU8(type, at: 0x50)
    }
    #expect(try rule { checksums(&$0, 0x10, type: 4) }.contains("checksum"))
    #expect(try rule { checksums(&$0, 0x18, type: 4) }.contains("at once"))
    for change in [(0x40, UInt8(4)), (0x10, 1)] {
      do {
        _ = try rule { checksums(&$0, UInt32(change.0), type: change.1) }
        Issue.record("features that nobody knows were accepted: \(change)")
      } catch FileSystemError.unsupported {}
    }
    #expect(
      try brokenRule {
        _ = try JournalSuperblock([0].rawBytes, superblock: raw.superblock)
      } != nil)
  }
}
