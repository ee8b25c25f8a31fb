import ExtantBase
import TestSupport
import Testing

@testable import Ext4Format

@Suite struct FormatTests {
  @Test(arguments: JournalKind.all, [1024, 2048, 4096, 65536])
  func tagsComeBackAndKnowTheirBlocks(_ kind: JournalKind, blockSize: Int) throws {
    var random = SeededGenerator(seed: Seed.take())
    let format = kind.format(blockSize)
    for count in [1, 2, random.below(format.tagsPerDescriptor) + 1, format.tagsPerDescriptor] {
      let sequence = UInt32.random(in: 0...(.max), using: &random)
      var logged: [[UInt8]] = []
      var tags: [JournalTag] = []
      for _ in 0..<count {
        let block = randomBytes(16, &random)
        let address = UInt64.random(in: 0..<kind.largestAddress, using: &random)
        tags.append(
          format.makeTag(
            for: BlockAddress(address), logged: block, isEscaped: random.chance(50),
            sequence: sequence))
        logged.append(block)
      }
      var bytes = randomBytes(blockSize, &random)
      bytes.withMutableBytes { format.encodeDescriptor(tags, sequence: sequence, into: &$0) }
      let header = JournalBlockHeader(bytes)
      #expect(header?.type == .descriptor && header?.sequence == sequence)
      #expect(format.hasValidTail(bytes))
      #expect(format.decodeTags(bytes) == tags)
      for (tag, block) in zip(tags, logged) {
        #expect(format.matches(tag, logged: block, sequence: sequence))
        // 16 bits of a checksum may agree by accident.
        if format.checksums == .v2 { continue }
        let hasChecksums = format.hasBlockChecksums
        var other = block
        other[random.below(16)] ^= 1 << UInt8(random.below(8))
        #expect(format.matches(tag, logged: other, sequence: sequence) == !hasChecksums)
        #expect(format.matches(tag, logged: block, sequence: sequence &+ 1) == !hasChecksums)
      }
      if format.hasBlockChecksums {
        bytes[random.below(blockSize)] ^= 1 << UInt8(random.below(8))
        #expect(!format.hasValidTail(bytes))
      }
    }
  }

  @Test(arguments: JournalKind.all, [1024, 4096])
  func revocationsComeBack(_ kind: JournalKind, blockSize: Int) throws {
    var random = SeededGenerator(seed: Seed.take())
    let format = kind.format(blockSize)
    for count in [0, 1, format.addressesPerRevokeBlock] {
      let addresses = (0..<count).map { _ in
        BlockAddress(UInt64.random(in: 0..<kind.largestAddress, using: &random))
      }
      var bytes = randomBytes(blockSize, &random)
      bytes.withMutableBytes { format.encodeRevoke(addresses, sequence: 7, into: &$0) }
      #expect(JournalBlockHeader(bytes)?.type == .revoke)
      #expect(format.hasValidTail(bytes))
      #expect(try format.decodeRevoke(bytes) == addresses)
      bytes.withMutableBytes { $0.setBE32(UInt32(blockSize) + 1, at: 12) }
      #expect(throws: FileSystemError.self) { try format.decodeRevoke(bytes) }
    }
  }

  @Test(arguments: JournalKind.all)
  func commitsComeBackAndATornOneCounts(_ kind: JournalKind) throws {
    var random = SeededGenerator(seed: Seed.take())
    let format = kind.format(4096)
    let time = Timestamp(seconds: 0x1_2345_6789, nanoseconds: 987_654_321)
    var bytes = randomBytes(4096, &random)
    let old = bytes
    bytes.withMutableBytes { format.encodeCommit(sequence: 0xffff_ffff, time: time, into: &$0) }
    let header = JournalBlockHeader(bytes)
    #expect(header?.type == .commit && header?.sequence == 0xffff_ffff)
    let commit = try #require(format.decodeCommit(bytes))
    #expect(commit.time == time)
    #expect(format.hasValidCommitChecksum(bytes))
    #expect(format.matches(commit, transactionChecksum: 12345))
    // Only the first sector of 512 bytes arrived.
    let torn = Array(bytes[..<512] + old[512...])
    #expect(format.hasValidCommitChecksum(torn))
    if format.hasBlockChecksums {
      bytes[random.below(64)] ^= 1 << UInt8(random.below(8))
      #expect(!format.hasValidCommitChecksum(bytes))
    }
  }

  @Test func transactionChecksumIsTheCRCWithoutReflection() {
    // Bit by bit, by the definition: polynomial 0x04C11DB7, most significant bit first.
    func slow(_ seed: UInt32, _ bytes: [UInt8]) -> UInt32 {
      var crc = seed
      for byte in bytes {
        crc ^= UInt32(byte) << 24
        for _ in 0..<8 { crc = (crc << 1) ^ (crc >> 31 == 1 ? 0x04c1_1db7 : 0) }
      }
      return crc
    }
    var random = SeededGenerator(seed: Seed.take())
    for count in [0, 8, 16, 1024] {
      let bytes = randomBytes(count, &random)
      let seed = UInt32.random(in: 0...(.max), using: &random)
      #expect(JournalFormat.transactionChecksum(seed, bytes) == slow(seed, bytes))
    }
  }

  @Test func decodersSurviveAnyBytes() {
    var random = SeededGenerator(seed: Seed.take())
    for kind in JournalKind.all {
      let format = kind.format(1024)
      for _ in 0..<200 {
        let bytes = randomBytes(random.chance(10) ? random.below(1024) : 1024, &random)
        let tags = format.decodeTags(bytes)
        #expect(tags.count <= 1012 / format.tagByteCount)
        let revoked = try? format.decodeRevoke(bytes)
        #expect((revoked?.count ?? 0) <= 252)
        let commit = format.decodeCommit(bytes)
        #expect((commit != nil) == (bytes.count == 1024))
      }
    }
  }

  @Test func sequencesRunInACircle() {
    #expect(JournalSequence.isNewer(2, than: 1) && !JournalSequence.isNewer(1, than: 2))
    #expect(JournalSequence.isNewer(3, than: .max - 3) && !JournalSequence.isNewer(.max, than: 0))
    #expect(!JournalSequence.isNewer(5, than: 5))
  }

  @Test func upgradeSetsWhatTheKernelSetsWhenItMounts() {
    var superblock = JournalSuperblock(blockSize: 4096, blockCount: 1024, uuid: Array(1...16))
    superblock.upgrade(is64Bit: true, hasMetadataChecksums: true)
    #expect(superblock.incompat == [.revoke, .is64Bit, .checksumV3] && superblock.compat == [])
    superblock.upgrade(is64Bit: false, hasMetadataChecksums: false)
    #expect(superblock.incompat == [.revoke, .is64Bit])
    superblock.set32(JournalSuperblock.Field.blockType, 3)
    #expect(superblock.incompat == [] && superblock.uuid == [UInt8](repeating: 0, count: 16))
    superblock.upgrade(is64Bit: false, hasMetadataChecksums: false)
    #expect(superblock.isVersion2 && superblock.incompat == [.revoke])
  }
}
