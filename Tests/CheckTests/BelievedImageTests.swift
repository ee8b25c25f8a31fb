import BlockIO
import CheckKit
import Ext4Format
import ExtantBase
import ExtantCheck
import TestSupport
import Testing

/// What is looked at before an image that says it is clean is believed.
@Suite struct BelievedImageTests {
  /// Each makes an image that neither the kernel nor a mount of ours takes, or that e2fsck does not believe.
  private static let denials:
    [(name: String, base: BaseImage, plant: @Sendable (Planter) -> Void)] =
      [
        (
          "descriptor checksum, crc32c", .manyGroups,
          { $0.group(2, keepingChecksum: true) { $0.unusedInodes = 0 } }
        ),
        (
          "descriptor checksum, crc16", .uninitGroups,
          { $0.group(2, keepingChecksum: true) { $0.unusedInodes = 0 } }
        ),
        (
          "block bitmap outside its group", .manyGroupsNoFlex,
          { $0.group(1) { $0.blockBitmap = BlockAddress(5000) } }
        ),
        (
          "inode bitmap outside the filesystem", .manyGroups,
          { $0.group(1) { $0.inodeBitmap = BlockAddress(900_000) } }
        ),
        (
          "inode table over another's", .manyGroups,
          { $0.group(1) { $0.inodeTable = BlockAddress($0.inodeTable.rawValue + 1) } }
        ),
        (
          "head of the orphan list", .ext4,
          { $0.superblock { $0.setLE32(5, at: SuperblockField.lastOrphan) } }
        ),
        (
          "head of the orphan list past the end", .ext4,
          { $0.superblock { $0.setLE32(1 << 30, at: SuperblockField.lastOrphan) } }
        ),
        (
          "number of a quota file", .quota,
          { $0.superblock { $0.setLE32(12, at: SuperblockField.userQuotaInode) } }
        ),
      ]

  @Test(.enabled(if: Environment.hasTools), arguments: denials.map(\.name))
  func aDeniedWordIsNotBelieved(_ name: String) throws {
    let denial = try #require(Self.denials.first { $0.name == name })
    let planter = try Planter(try denial.base.bytes())
    denial.plant(planter)
    let report = try check(planter.bytes, .report)
    #expect(!report.wasSkipped)
    #expect(!report.issues.isEmpty)
  }

  @Test(.enabled(if: Environment.hasTools), arguments: BaseImage.named.map(\.name))
  func aSoundImageIsBelieved(_ name: String) throws {
    let image = try #require(BaseImage.named.first { $0.name == name }?.image)
    let report = try check(try image.bytes(), .preen)
    #expect(report.wasSkipped && report.issues.isEmpty)
  }

  /// The kernel refuses it; nobody need be asked.
  @Test(.enabled(if: Environment.hasTools), arguments: [BaseImage.manyGroups, .uninitGroups])
  func aWrongDescriptorChecksumIsRepairedByPreen(_ base: BaseImage) throws {
    let planter = try Planter(try base.bytes())
    planter.group(2, keepingChecksum: true) { $0.unusedInodes = 0 }
    let report = try check(planter.bytes, .preen)
    #expect(report.isBroken && !report.needsDecision && report.leftCount == 0)
  }

  /// Those of revision 0 may say that they lie in group 0.
  @Test(.enabled(if: Environment.hasTools), arguments: [UInt16(0), 1])
  func copiesOfRevision0AreFound(_ stated: UInt16) throws {
    let base = BaseImage(["-r", "0", "-b", "1024", "-I", "128"], size: 16384, isIndexed: false)
    let planter = try Planter(try base.bytes())
    #expect(planter.superblock.revision == 0 && planter.superblock.groupCount > 1)
    planter.superblock(copyIn: 1) { part in
      part.withMutableBytes { $0.setLE16(stated, at: SuperblockField.blockGroupNumber) }
    }
    planter.superblock(keepingChecksum: true) { part in
      for index in part.indices { part[index] = 0 }
    }
    let report = try check(planter.bytes, .repair)
    #expect(report.isBroken && report.leftCount == 0)
  }

  /// Nobody comes between the check of a journal on another device and its repair.
  @Test(.enabled(if: Environment.hasTools)) func theJournalsDeviceIsHeld() throws {
    let directory = try TemporaryDirectory()
    let (journal, image) = (directory("journal"), directory("image"))
    try Program.succeed(["mke2fs", "-q", "-F", "-b", "1024", "-O", "journal_dev", journal, "4M"])
    try Program.succeed([
      "mke2fs", "-q", "-F", "-t", "ext4", "-b", "1024", "-O", "^has_journal", image, "8M",
    ])
    var device = try System.contents(journal)
    let uuid = Array(device[1024 + SuperblockField.uuid..<1024 + SuperblockField.uuid + 16])
    let planter = try Planter(try System.contents(image))
    planter.superblock { part in
      let features = part.rawBytes.le32(SuperblockField.featureCompat)
      part.setLE32(features | 4, at: SuperblockField.featureCompat)
      part.replaceSubrange(
        SuperblockField.journalUUID..<SuperblockField.journalUUID + 16, with: uuid)
    }
    // The journal's superblock is in block 2, big-endian: the number of its users, and the first.
    device[2048 + 0x43] = 1
    device.replaceSubrange(2048 + 0x100..<2048 + 0x110, with: planter.superblock.uuid)
    try System.write(device, to: journal)
    var options = CheckOptions(.repair)
    options.journalPath = journal
    let report = try Checker.check(try ImageBytes.device(planter.bytes), options)
    #expect(throws: FileSystemError.self) { try FileDevice(path: journal, access: .readOnly) }
    withExtendedLifetime(report) {}
  }

  private func check(_ bytes: [UInt8], _ mode: CheckOptions.Mode) throws -> CheckReport {
    var options = CheckOptions(mode)
    options.time = BaseImage.time + 100
    return try Checker.check(try ImageBytes.device(bytes), options)
  }
}
