import BlockIO
import ExtantBase
import TestSupport
import Testing

@testable import Ext4Format
@testable import Journal

@Suite struct RecoveryTests {
  private func recover(_ scribe: Scribe) throws -> (Recovery.Plan, JournalSuperblock) {
    let recovery = try scribe.recovery()
    let plan = try recovery.plan()
    return (plan, try recovery.replay(plan, onto: scribe.device))
  }

  @Test(arguments: JournalKind.all)
  func newestCopyWinsAndTheLogWraps(_ kind: JournalKind) throws {
    // The sequence numbers wrap as well.
    let scribe = try Scribe(kind, start: 50, sequence: .max - 1)
    for step in 0..<6 {
      let blocks: [(UInt64, [UInt8])] = (0..<6).map { (index: Int) -> (UInt64, [UInt8]) in
        (UInt64(100 + step + index), scribe.fill(UInt8(10 * step + index)))
      }
      try scribe.transaction(UInt32.max - 1 &+ UInt32(step), blocks)
    }
    let (plan, emptied) = try recover(scribe)
    #expect(plan.transactionCount == 6 && plan.notes == [])
    #expect(plan.endSequence == 4 && plan.endBlock == scribe.place)
    #expect(emptied.isClean && emptied.sequence == 5)
    let model: [UInt8] = [0, 10, 20, 30, 40, 50, 51, 52, 53, 54, 55]
    for (index, byte) in model.enumerated() {
      #expect(try scribe.home(UInt64(100 + index)) == byte)
    }
    // What was written says so itself.
    let superblock = try scribe.blockOf(0)
    let start = superblock.rawBytes.be32(0x1C)
    #expect(start == 0)
  }

  @Test(arguments: JournalKind.all)
  func unfinishedTransactionAndOldOnesBehindTheLogDoNotCount(_ kind: JournalKind) throws {
    let scribe = try Scribe(kind)
    try scribe.transaction(5, [(10, scribe.fill(1)), (11, scribe.fill(2))])
    let half = try scribe.transaction(6, [(10, scribe.fill(3))], commits: false)
    // An older lap of the log left a complete transaction here.
    try scribe.transaction(4, [(11, scribe.fill(4))])
    let (plan, emptied) = try recover(scribe)
    #expect(plan.transactionCount == 1 && plan.endBlock == half.descriptor)
    #expect(try scribe.home(10) == 1 && scribe.home(11) == 2)
    #expect(emptied.sequence == 7)
  }

  @Test(arguments: JournalKind.all)
  func revokedCopiesStayAwayAndLaterOnesDoNot(_ kind: JournalKind) throws {
    let scribe = try Scribe(kind, sequence: .max)
    try scribe.transaction(
      .max, [(10, scribe.fill(1)), (11, scribe.fill(2)), (12, scribe.fill(3))])
    try scribe.transaction(0, [(13, scribe.fill(4))], revoking: [10, 11])
    try scribe.transaction(1, [(11, scribe.fill(5)), (12, scribe.fill(6))])
    try scribe.transaction(2, [(14, scribe.fill(7))], revoking: [12])
    _ = try recover(scribe)
    #expect(try scribe.home(10) == 0, "revoked, never logged again")
    #expect(try scribe.home(11) == 5, "logged again after it was revoked")
    #expect(try scribe.home(12) == 0, "revoked twice over")
    #expect(try scribe.home(13) == 4 && scribe.home(14) == 7)
  }

  @Test(arguments: JournalKind.all)
  func blockThatStartsLikeAJournalBlockComesBack(_ kind: JournalKind) throws {
    let scribe = try Scribe(kind)
    var bytes = scribe.fill(9)
    bytes.withMutableBytes { $0.setBE32(JournalSuperblock.magic, at: 0) }
    let places = try scribe.transaction(5, [(10, bytes), (11, scribe.fill(1))])
    let logged = try scribe.blockOf(places.blocks[0])
    let magic = logged.rawBytes.be32(0)
    #expect(magic == 0)
    _ = try recover(scribe)
    var read = [UInt8](repeating: 0, count: 1024)
    try read.withMutableBytes { (span) throws(FileSystemError) in
      try scribe.device.read(into: &span, at: 10 * 1024)
    }
    #expect(read == bytes)
  }

  // MARK: Damage

  static let checked = JournalKind.all.filter {
    !$0.incompat.isDisjoint(with: [.checksumV2, .checksumV3])
  }

  /// What can be damaged: each at a byte that its checksum covers.
  enum Target: CaseIterable { case descriptor, block, revocation, commit }

  private func threeTransactions(_ kind: JournalKind) throws -> (Scribe, [Scribe.Places]) {
    let scribe = try Scribe(kind)
    var places: [Scribe.Places] = []
    for index: UInt8 in 0..<3 {
      let block = (10 + UInt64(index), scribe.fill(index + 1))
      places.append(try scribe.transaction(5 + UInt32(index), [block], revoking: [90]))
    }
    return (scribe, places)
  }

  private func damage(_ scribe: Scribe, _ places: Scribe.Places, _ target: Target) throws {
    switch target {
    case .descriptor: try scribe.damage(places.descriptor, byte: 900)
    case .block: try scribe.damage(places.blocks[0], byte: 77)
    case .revocation: try scribe.damage(try #require(places.revocation), byte: 900)
    case .commit: try scribe.damage(places.commit, byte: 0x3B)
    }
  }

  @Test(arguments: checked, Target.allCases)
  func damageInTheLastTransactionEndsTheLogBeforeIt(_ kind: JournalKind, _ target: Target) throws {
    let (scribe, places) = try threeTransactions(kind)
    try damage(scribe, places[2], target)
    let (plan, _) = try recover(scribe)
    #expect(plan.transactionCount == 2 && plan.isDamaged && plan.notes.count == 1)
    #expect(plan.endSequence == 7)
    #expect(try scribe.home(11) == 2 && scribe.home(12) == 0)
  }

  @Test(arguments: checked, Target.allCases)
  func damageInTheMiddleStopsEverything(_ kind: JournalKind, _ target: Target) throws {
    let (scribe, places) = try threeTransactions(kind)
    try damage(scribe, places[1], target)
    do {
      _ = try recover(scribe)
      Issue.record("a damaged journal was replayed")
    } catch FileSystemError.corrupt(let corruption) {
      #expect(corruption.rule.contains("transaction 6"))
      #expect(corruption.rule.contains("does not match"))
    }
    #expect(try scribe.home(10) == 0, "nothing is written before all is read")
  }

  @Test func damagedBlockThatIsRevokedDoesNotMatter() throws {
    let scribe = try Scribe(JournalKind(incompat: [.checksumV3]))
    let places = try scribe.transaction(5, [(10, scribe.fill(1)), (11, scribe.fill(2))])
    try scribe.transaction(6, [(12, scribe.fill(3))], revoking: [10])
    try scribe.damage(places.blocks[0], byte: 3)
    let (plan, _) = try recover(scribe)
    #expect(plan.transactionCount == 2)
    #expect(try scribe.home(10) == 0 && scribe.home(11) == 2 && scribe.home(12) == 3)
  }

  @Test func checksumOfAWholeTransactionEndsTheLog() throws {
    let scribe = try Scribe(JournalKind(compat: [.checksum]))
    try scribe.transaction(5, [(10, scribe.fill(1))])
    let places = try scribe.transaction(6, [(11, scribe.fill(2))])
    try scribe.damage(places.blocks[0], byte: 5)
    let (plan, _) = try recover(scribe)
    #expect(plan.transactionCount == 1 && plan.isDamaged)
    #expect(try scribe.home(10) == 1 && scribe.home(11) == 0)
  }

  /// A journal made without being zeroed holds commits of the filesystem before.
  @Test func olderBlocksWithOurSequenceAreNoDamage() throws {
    let scribe = try Scribe(JournalKind(incompat: [.checksumV3]))
    try scribe.transaction(5, [(10, scribe.fill(1))])
    scribe.seconds -= 1000
    let places = try scribe.transaction(6, [(11, scribe.fill(2))])
    try scribe.damage(places.descriptor, byte: 900)
    let (plan, _) = try recover(scribe)
    #expect(plan.transactionCount == 1 && !plan.isDamaged && plan.notes == [])
  }

  // MARK: Hostile values

  @Test(arguments: JournalKind.all)
  func blockOutsideTheFilesystemIsCorrupt(_ kind: JournalKind) throws {
    for address in [Scribe.homeCount, 0xffff_ffff, kind.largestAddress] {
      let scribe = try Scribe(kind)
      try scribe.transaction(5, [(10, scribe.fill(1)), (address, scribe.fill(2))])
      try scribe.transaction(6, [(11, scribe.fill(3))])
      #expect(throws: FileSystemError.self) { try recover(scribe) }
      #expect(try scribe.home(10) == 0)
    }
  }

  @Test func logThatNeverEndsEnds() throws {
    let scribe = try Scribe(JournalKind())
    // Revocations of one transaction, all around.
    for _ in 1..<64 {
      try scribe.put(scribe.make { scribe.format.encodeRevoke([], sequence: 5, into: &$0) })
    }
    let (plan, _) = try recover(scribe)
    #expect(plan.transactionCount == 0 && plan.endSequence == 5)
  }

  @Test func descriptorThatAnnouncesMoreThanTheLogHoldsEndsIt() throws {
    let scribe = try Scribe(JournalKind(), blockCount: 64)
    try scribe.transaction(5, [(10, scribe.fill(1))])
    let tags = (0..<100).map {
      JournalTag(address: BlockAddress(UInt64($0)), isEscaped: false, checksum: 0)
    }
    try scribe.put(
      scribe.make { scribe.format.encodeDescriptor(tags, sequence: 6, into: &$0) })
    let (plan, _) = try recover(scribe)
    #expect(plan.transactionCount == 1 && plan.copies.count == 1)
  }

  @Test func journalLongerThanItsBlocksIsRefused() throws {
    let scribe = try Scribe(JournalKind())
    var superblock = scribe.superblock
    superblock.set32(JournalSuperblock.Field.blockCount, 65)
    #expect(throws: FileSystemError.self) {
      try Recovery(area: scribe.area, superblock: superblock, blockLimit: 500)
    }
  }

  @Test(arguments: JournalKind.all) func anyBitMayBeWrong(_ kind: JournalKind) throws {
    var random = SeededGenerator(seed: Seed.take())
    for _ in 0..<150 {
      let scribe = try Scribe(kind, start: 40, sequence: .max - 1)
      for step in 0..<5 {
        let blocks: [(UInt64, [UInt8])] = (0..<random.below(8) + 1).map { _ in
          (UInt64(random.below(500)), scribe.fill(UInt8(random.below(256))))
        }
        try scribe.transaction(.max - 1 &+ UInt32(step), blocks, revoking: [UInt64(step)])
      }
      for _ in 0..<random.below(4) + 1 {
        let block = UInt32(random.below(63) + 1)
        // Most often in the header and the first tags, where it matters.
        try scribe.damage(block, byte: random.below(random.chance(70) ? 64 : 1024))
      }
      // Any answer but a trap, and where there are checksums, nothing that was never logged.
      do { _ = try recover(scribe) } catch is FileSystemError {}
    }
  }

  // MARK: Interruption

  @Test func recoveryInterruptedAtAnyWriteAndRepeatedGivesTheSame() throws {
    let kind = JournalKind(incompat: [.checksumV3, .is64Bit])
    func make() throws -> Scribe {
      let scribe = try Scribe(kind, start: 50)
      for step in 0..<5 {
        let blocks: [(UInt64, [UInt8])] = (0..<7).map { (index: Int) -> (UInt64, [UInt8]) in
          (UInt64(100 + 3 * index + step), scribe.fill(UInt8(step + index)))
        }
        try scribe.transaction(5 + UInt32(step), blocks, revoking: [UInt64(100 + step)])
      }
      return scribe
    }
    let whole = try make()
    _ = try recover(whole)
    let expected = try whole.device.contents()
    var interruptions = 0
    for limit in 0... {
      let scribe = try make()
      let failing = DyingDevice(scribe.device, writes: limit)
      let recovery = try Recovery(
        area: scribe.area.on(failing), superblock: scribe.superblock, blockLimit: 500)
      let plan = try recovery.plan()
      do {
        try recovery.replay(plan, onto: failing)
      } catch FileSystemError.io {
        interruptions += 1
        let superblock = try scribe.superblockOnDevice()
        let again = try Recovery(area: scribe.area, superblock: superblock, blockLimit: 500)
        try again.replay(try again.plan(), onto: scribe.device)
        #expect(try scribe.device.contents() == expected)
        continue
      }
      #expect(try scribe.device.contents() == expected)
      break
    }
    #expect(interruptions > 5)
  }
}
