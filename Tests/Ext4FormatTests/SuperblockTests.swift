import ExtantBase
import TestSupport
import Testing

@testable import Ext4Format

@Suite("Superblock", .enabled(if: Environment.hasTools))
struct SuperblockTests {
  @Test("every field is what dumpe2fs says", arguments: FormatRecipe.all)
  func fields(recipe: FormatRecipe) throws {
    let directory = try TemporaryDirectory()
    let image = try recipe.make(in: directory)
    let superblock = try RawImage(image.path).superblock
    var told: [String: String] = [:]
    for line in try Program.succeed(["dumpe2fs", "-h", image.path]).split(separator: "\n") {
      let parts = line.split(separator: ":", maxSplits: 1)
      guard parts.count == 2 else { continue }
      told[String(parts[0])] = parts[1].split(whereSeparator: \.isWhitespace).joined(separator: " ")
    }
    func number(_ name: String) -> UInt64? {
      told[name].flatMap { UInt64($0.split(separator: " ").first ?? "") }
    }
    #expect(number("Inode count") == UInt64(superblock.inodeCount))
    #expect(number("Block count") == superblock.blockCount)
    #expect(number("Reserved block count") == superblock.reservedBlockCount)
    #expect(number("Free blocks") == superblock.freeBlockCount)
    #expect(number("Free inodes") == UInt64(superblock.freeInodeCount))
    #expect(number("First block") == UInt64(superblock.firstDataBlock))
    #expect(number("Block size") == UInt64(superblock.blockSize))
    #expect(number("Group descriptor size") ?? 32 == UInt64(superblock.descriptorSize))
    #expect(
      number("Reserved GDT blocks") ?? 0 == UInt64(superblock.reservedDescriptorBlockCount))
    #expect(number("Blocks per group") == UInt64(superblock.blocksPerGroup))
    #expect(number("Inodes per group") == UInt64(superblock.inodesPerGroup))
    #expect(number("Inode blocks per group") == UInt64(superblock.inodeTableBlockCount))
    #expect((number("Flex block group size") ?? 1) == 1 << UInt64(superblock.logGroupsPerFlex))
    #expect(number("First inode") == UInt64(superblock.firstInode))
    #expect(number("Inode size") == UInt64(superblock.inodeSize))
    #expect((number("Desired extra isize") ?? 0) == UInt64(superblock.wantExtraInodeSize))
    #expect(number("Journal inode") == superblock.journalInode.map { UInt64($0.rawValue) })
    #expect(number("Orphan file inode") == superblock.orphanFileInode.map { UInt64($0.rawValue) })
    #expect(number("Overhead clusters") == UInt64(superblock.overheadBlockCount))
    #expect((number("RAID stride") ?? 0) == UInt64(superblock.raidStride))
    #expect((number("RAID stripe width") ?? 0) == UInt64(superblock.raidStripeWidth))
    #expect(told["Filesystem features"] == superblock.features.names.joined(separator: " "))
    let label = String(decoding: superblock.label, as: UTF8.self)
    #expect(told["Filesystem volume name"] == (label.isEmpty ? "<none>" : label))
    #expect(told["Default directory hash"] == "half_md4" && superblock.defaultHashVersion == 1)
    #expect(told["Filesystem flags"] == "signed_directory_hash" && !superblock.hashIsUnsigned)
    #expect(told["Filesystem state"] == "clean" && superblock.state == .clean)
    #expect(
      told["Errors behavior"]
        == (superblock.errorBehavior == .panic ? "Panic" : "Continue"))
    #expect(told["Default mount options"] == "user_xattr acl")
    #expect(superblock.defaultMountOptions == [.userXattr, .acl])
    #expect(told["Filesystem UUID"] == uuidText(superblock.uuid))
    #expect(
      told["Checksum seed"].map { UInt32($0.dropFirst(2), radix: 16) } ?? superblock.checksumSeed
        == superblock.checksumSeed)
    #expect(try superblock.checkSupport() == .readWrite)
  }

  private func uuidText(_ bytes: [UInt8]) -> String {
    var text = ""
    for (index, byte) in bytes.enumerated() {
      if [4, 6, 8, 10].contains(index) { text += "-" }
      text += (byte < 16 ? "0" : "") + String(byte, radix: 16)
    }
    return text
  }

  @Test("encoding what was decoded gives the same bytes", arguments: FormatRecipe.all)
  func roundTrip(recipe: FormatRecipe) throws {
    let directory = try TemporaryDirectory()
    let raw = try RawImage(recipe.make(in: directory).path)
    var bytes = [UInt8](repeating: 0xee, count: 1024)
    bytes.withMutableBytes { raw.superblock.encode(into: &$0) }
    #expect(bytes == raw.superblockBytes)
  }

  @Test(
    "copies lie where dumpe2fs finds them, and are the bytes a backup gets",
    arguments: FormatRecipe.all)
  func backups(recipe: FormatRecipe) throws {
    let directory = try TemporaryDirectory()
    let image = try recipe.make(in: directory, size: "300M")
    let raw = try RawImage(image.path)
    let superblock = raw.superblock
    let told = try Program.succeed(["dumpe2fs", image.path]).split(separator: "\n").compactMap {
      line -> UInt64? in
      let words = line.split(separator: " ")
      guard words.count > 3, words[0] == "Backup", words[1] == "superblock" else { return nil }
      return UInt64(words[3].filter(\.isNumber))
    }
    let holders = raw.groups.dropFirst().filter { superblock.groupHasSuperblock($0) }
    #expect(told == holders.map { superblock.superblockBlock(in: $0).rawValue })
    for holder in holders {
      var bytes = [UInt8](repeating: 0, count: 1024)
      let stored = try raw.block(superblock.superblockBlock(in: holder))
      let copy = try Superblock(stored.rawBytes)
      #expect(copy.blockGroupNumber == UInt16(holder.rawValue))
      copy.withCounts(of: superblock).encodeBackup(in: holder, into: &bytes)
      #expect(Array(bytes[..<0x178]) == Array(stored[..<0x178]))
      let copied = try #require(
        superblock.descriptorBlock(for: GroupIndex(0), backupIn: holder))
      let table = try raw.block(copied)
      #expect(try table == raw.block(superblock.descriptorBlock(for: GroupIndex(0))))
    }
  }

  @Test("a flipped bit anywhere is caught by the checksum")
  func flips() throws {
    let directory = try TemporaryDirectory()
    let raw = try RawImage(FormatRecipe(1024).make(in: directory).path)
    for offset in 0..<1024 {
      var bytes = raw.superblockBytes
      bytes[offset] ^= 1 << UInt8(offset % 8)
      #expect(throws: FileSystemError.self, "byte \(offset)") { try Superblock(bytes.rawBytes) }
    }
  }

  @Test("each number out of range is corrupt, with a rule that names it")
  func brokenGeometry() throws {
    let directory = try TemporaryDirectory()
    let raw = try RawImage(FormatRecipe(1024).make(in: directory).path)
    func rule(_ change: (inout MutableRawSpan) -> Void) throws -> String {
      var bytes = raw.superblockBytes
      bytes.withMutableBytes { change(&$0) }
      return try brokenRule { _ = try Superblock(bytes.rawBytes, verifyChecksum: false) } ?? "none"
    }
    typealias Field = SuperblockField
    #expect(try rule { $0.setLE16(0, at: Field.magic) }.contains("magic"))
    #expect(try rule { $0.setLE32(7, at: Field.logBlockSize) }.contains("block size"))
    #expect(try rule { $0.setLE32(.max, at: Field.logBlockSize) }.contains("block size"))
    #expect(try rule { $0.setLE32(5, at: Field.logClusterSize) }.contains("cluster"))
    #expect(try rule { $0.setLE32(0, at: Field.blocksPerGroup) }.contains("blocks per group"))
    #expect(try rule { $0.setLE32(8200, at: Field.blocksPerGroup) }.contains("blocks per group"))
    #expect(try rule { $0.setLE32(0, at: Field.inodesPerGroup) }.contains("inodes per group"))
    #expect(try rule { $0.setLE32(.max, at: Field.inodesPerGroup) }.contains("inodes per group"))
    #expect(try rule { $0.setLE32(5, at: Field.inodesCount) }.contains("inodes are not"))
    #expect(try rule { $0.setLE32(0, at: Field.firstDataBlock) }.contains("first data block"))
    #expect(
      try rule { $0.setLE32(0, at: Field.blocksCountLow) }.contains("blocks are out of range"))
    #expect(try rule { $0.setLE32(.max, at: Field.blocksCountHigh) }.contains("out of range"))
    #expect(try rule { $0.setLE32(.max, at: Field.reservedBlocksCountLow) }.contains("reserved"))
    #expect(try rule { $0.setLE16(100, at: Field.inodeSize) }.contains("inode size"))
    #expect(try rule { $0.setLE16(2048, at: Field.inodeSize) }.contains("inode size"))
    #expect(try rule { $0.setLE16(384, at: Field.inodeSize) }.contains("inode size"))
    #expect(try rule { $0.setLE32(5, at: Field.firstInode) }.contains("first inode"))
    #expect(try rule { $0.setLE16(32, at: Field.descriptorSize) }.contains("descriptor size"))
    #expect(try rule { $0.setLE16(96, at: Field.descriptorSize) }.contains("descriptor size"))
    #expect(try rule { $0.setLE16(257, at: Field.reservedDescriptorBlocks) }.contains("GDT"))
    #expect(
      throws: FileSystemError.unsupported(
        Unsupported("revision 2", "only revisions 0 and 1 are known"))
    ) {
      var bytes = raw.superblockBytes
      bytes[Field.revision] = 2
      _ = try Superblock(bytes.rawBytes)
    }
    #expect(
      try rule {
        $0.setLE32(8, at: Field.blocksPerGroup)
        $0.setLE32(8, at: Field.inodesPerGroup)
        $0.setLE32((71_680 - 1 + 7) / 8 * 8, at: Field.inodesCount)
        $0.setLE32(0, at: Field.freeInodesCount)
      }.contains("do not fit the first group"))
    #expect(throws: FileSystemError.self) { try Superblock([1, 2, 3].rawBytes) }
    #expect(throws: FileSystemError.self) { try raw.superblock.checkDeviceSize((70 << 20) - 1) }
    try raw.superblock.checkDeviceSize(70 << 20)
  }

  @Test("random damage never traps, and what is accepted lays out without overflow")
  func randomDamage() throws {
    let directory = try TemporaryDirectory()
    let raw = try RawImage(FormatRecipe(4096).make(in: directory).path)
    var random = SeededGenerator(seed: Seed.take())
    var accepted = 0
    for _ in 0..<20_000 {
      var bytes = raw.superblockBytes
      for _ in 0...random.below(3) {
        let offset = random.below(40) * 4
        let value: UInt32 = random.pick([0, 1, 0x7fff_ffff, .max, UInt32(random.below(70_000))])
        bytes.withMutableBytes { $0.setLE32(value, at: random.chance(80) ? offset : offset + 216) }
      }
      guard let superblock = try? Superblock(bytes.rawBytes, verifyChecksum: false) else {
        continue
      }
      accepted += 1
      _ = try? superblock.checkSupport()
      let last = GroupIndex(superblock.groupCount - 1)
      #expect(superblock.blocks(in: last) > 0)
      _ = superblock.descriptorBlock(for: last)
      _ = superblock.superblockAreaBlockCount(in: last)
      #expect(superblock.group(of: BlockAddress(superblock.blockCount - 1)) == last)
      #expect(superblock.group(of: BlockAddress(superblock.blockCount)) == nil)
      #expect(superblock.group(of: InodeNumber(superblock.inodeCount)) == last)
      #expect(superblock.group(of: InodeNumber(0)) == nil)
      var copy = superblock
      copy.freeBlockCount = 1
      copy.label = Array("x".utf8)
      bytes.withMutableBytes { copy.encode(into: &$0) }
    }
    #expect(accepted > 100)
  }

  @Test("features that are not done are refused, or make read-only, by their names")
  func support() throws {
    let directory = try TemporaryDirectory()
    let superblock = try RawImage(FormatRecipe(4096).make(in: directory).path).superblock
    func level(_ change: (inout Superblock.Features) -> Void) throws -> String {
      var copy = superblock
      change(&copy.features)
      do {
        switch try copy.checkSupport() {
        case .readWrite: return "read-write"
        case .readOnly(let reason): return "read-only: \(reason)"
        }
      } catch FileSystemError.unsupported(let reason) {
        return "refused: \(reason.feature)"
      }
    }
    for name in [
      "compression", "journal_dev", "meta_bg", "mmp", "ea_inode", "dirdata", "large_dir",
      "inline_data", "encrypt", "casefold",
    ] {
      let feature = try #require(IncompatFeatures(name: name))
      #expect(try level { $0.incompat.insert(feature) } == "refused: \(name)")
    }
    #expect(try level { $0.incompat.insert(.init(rawValue: 1 << 19)) } == "refused: FEATURE_I19")
    #expect(try level { $0.readOnlyCompat.insert(.bigalloc) } == "refused: bigalloc")
    #expect(try level { $0.incompat.remove(.extents) } == "refused: an image without extent")
    for name in ["btree_dir", "quota", "project", "verity", "read-only", "shared_blocks"] {
      let feature = try #require(ReadOnlyCompatFeatures(name: name))
      let told = try level { $0.readOnlyCompat.insert(feature) }
      #expect(told.hasPrefix("read-only") && told.contains(name))
    }
    #expect(try level { $0.incompat.insert(.needsRecovery) } == "read-write")
    #expect(try level { $0.compat.insert(.init(rawValue: 1 << 30)) } == "read-write")
    #expect(try level { $0.compat.insert([.fastCommit, .stableInodes]) } == "read-write")
  }

  @Test("a recorded error is the last, and the first where there was none")
  func errorRecords() throws {
    let directory = try TemporaryDirectory()
    let image = try FormatRecipe(4096).make(in: directory)
    var superblock = try RawImage(image.path).superblock
    #expect(superblock.firstError == nil && superblock.lastError == nil)
    let one = Superblock.ErrorRecord(
      time: 1_700_000_000, inode: 12, block: 77, function: Array("one".utf8), line: 5,
      code: .badChecksum)
    var two = one
    two.time = 1 << 32 | 5
    two.code = .io
    two.function = Array("two".utf8)
    two.line = 6
    superblock.record(one)
    superblock.record(two)
    #expect(superblock.firstError == one && superblock.lastError == two)
    #expect(superblock.errorCount == 2 && superblock.state.contains(.errors))
    var bytes = [UInt8](repeating: 0, count: 1024)
    bytes.withMutableBytes { superblock.encode(into: &$0) }
    try OpenFile(image.path, .write).writeAll(bytes, at: 1024)
    let told = try Program.succeed(["dumpe2fs", "-h", image.path])
    for text in [
      "FS Error count:           2", "First error function:     one",
      "Last error function:      two", "First error err:          EFSBADCRC",
      "Last error err:           EIO",
    ] {
      #expect(told.contains(text))
    }
    #expect(
      told.contains("First error line #:       5") && told.contains("Last error line #:        6"))
    #expect(
      told.contains("First error inode #:      12") && told.contains("Last error block #:       77")
    )
  }

  @Test("label, counts and times can be set, and dumpe2fs reads them back")
  func changes() throws {
    let directory = try TemporaryDirectory()
    let image = try FormatRecipe(1024).make(in: directory)
    var superblock = try RawImage(image.path).superblock
    superblock.label = Array("sixteen bytes lo".utf8)
    superblock.mountCount = 7
    superblock.mountTime = 0x2_0000_0000
    superblock.lastMounted = Array("/somewhere".utf8)
    superblock.lastOrphan = InodeNumber(99)
    #expect(superblock.mountTime == 0x2_0000_0000)
    #expect(superblock.lastOrphan == InodeNumber(99))
    superblock.lastOrphan = nil
    #expect(superblock.lastOrphan == nil)
    var bytes = [UInt8](repeating: 0, count: 1024)
    bytes.withMutableBytes { superblock.encode(into: &$0) }
    try OpenFile(image.path, .write).writeAll(bytes, at: 1024)
    let told = try Program.succeed(["dumpe2fs", "-h", image.path])
    #expect(told.contains("sixteen bytes lo") && told.contains("/somewhere"))
    #expect(told.contains("Mount count:              7"))
    #expect(try RawImage(image.path).superblock == superblock)
  }
}

extension Superblock {
  /// With the counts of another copy.
  fileprivate func withCounts(of other: Superblock) -> Superblock {
    var copy = self
    copy.freeBlockCount = other.freeBlockCount
    copy.freeInodeCount = other.freeInodeCount
    return copy
  }

  fileprivate func encodeBackup(in group: GroupIndex, into bytes: inout [UInt8]) {
    bytes.withMutableBytes { encodeBackup(in: group, into: &$0) }
  }
}
