import Ext4Format
import ExtantBase
import ExtantCheck
import TestSupport

extension Recipe {
  static let journalRecipes: [Recipe] = journalPlaceRecipes + journalSuperblockRecipes + logRecipes

  private static let notSeen = Judgement.clean("with -n it does not look at the log")

  // MARK: What leads to the journal

  private static let journalPlaceRecipes: [Recipe] = [
    Recipe(.journal(.inodeUnusable)) { planter in
      planter.superblock { $0[SuperblockField.journalBackupType] = 0 }
      try planter.inode(.journal) { $0.mode = 0o040755 }
    },
    Recipe(.journal(.inodeUnusable), "pointers", base: .ext3) { planter in
      planter.superblock { $0[SuperblockField.journalBackupType] = 0 }
      try planter.inode(.journal) { $0.setBlockWord(12, 0x00ff_ffff) }
    },
    Recipe(.journal(.inodeUnusable), "tooSmall") { planter in
      planter.superblock { $0[SuperblockField.journalBackupType] = 0 }
      try planter.inode(.journal) { $0.wholeSize = 1023 * 1024 }
    },
    Recipe(.journal(.inodeFromBackup)) { planter in
      try planter.inode(.journal) { $0 = RawInode(byteCount: $0.bytes.count) }
    },
    Recipe(.journal(.inodeFromBackup), "encrypted") { planter in
      try planter.inode(.journal) { $0.flags.insert(.encrypted) }
    },
    Recipe(.journal(.inodeFromBackup), "empty") { planter in
      try planter.inode(.journal) { $0.wholeSize = 0 }
    },
    Recipe(.journal(.inodeFromBackup), "size") { planter in
      try planter.inode(.journal) { $0.wholeSize += 10 }
    },
    Recipe(
      .journal(.badLogArea), "withLog", with: [.journal(.needsReplay)], e2fsck: notSeen
    ) { planter in
      let home = try planter.inodeBlock("/file")
      try planter.log([.init(blocks: [(home, planter.readBlock(home))])])
      try planter.journalSuperblock { $0.setBE32(0, at: 0x14) }
    },
    Recipe(.journal(.inodeFromBackup), "pointers", base: .ext3) { planter in
      try planter.inode(.journal) { $0.setBlockWord(13, 5) }
    },
    Recipe(.journal(.numberWrong)) { planter in
      planter.superblock { $0.setLE32(2, at: SuperblockField.journalInode) }
    },
    Recipe(.journal(.numberWrong), "tooLarge") { planter in
      planter.superblock { $0.setLE32(999_999, at: SuperblockField.journalInode) }
    },
    Recipe(.journal(.numberMissing)) { planter in
      planter.superblock { $0.setLE32(0, at: SuperblockField.journalInode) }
    },
    Recipe(.journal(.uuidOfInternal), e2fsck: .refuses) { planter in
      planter.superblock { $0[SuperblockField.journalUUID] = 7 }
    },
    Recipe(.journal(.backupOutdated), e2fsck: .clean("it writes it anew without a word")) {
      planter in
      planter.superblock { $0.setLE32(77, at: SuperblockField.journalBlocks + 20) }
    },
    Recipe(.journal(.backupOutdated), "none", e2fsck: .clean("it writes it without a word")) {
      planter in
      planter.superblock { $0[SuperblockField.journalBackupType] = 0 }
    },
    Recipe(
      .journal(.withoutFeature), e2fsck: .clean("it asks, and takes no for an answer")
    ) { planter in
      planter.setCompat(.hasJournal, to: false)
    },
    Recipe(.journal(.uuidWithoutFeature), base: .noJournal, e2fsck: .refuses) { planter in
      planter.superblock { $0[SuperblockField.journalUUID] = 7 }
    },
    Recipe(
      .journal(.featureLost), with: [.journal(.needsReplay)],
      e2fsck: .clean("it asks, and takes no for an answer")
    ) { planter in
      let home = try planter.inodeBlock("/file")
      try planter.log([.init(blocks: [(home, planter.readBlock(home))])])
      planter.setCompat(.hasJournal, to: false)
    },
    Recipe(.journal(.recoveryWithoutJournal), base: .noJournal, e2fsck: .refuses) { planter in
      planter.setIncompat(.needsRecovery, to: true)
    },
  ]

  // MARK: Its superblock

  private static func field(
    _ kind: JournalIssue, _ variant: String? = nil, e2fsck: Judgement = .broken, at offset: Int,
    _ value: UInt32
  ) -> Recipe {
    Recipe(.journal(kind), variant, e2fsck: e2fsck) { planter in
      try planter.journalSuperblock { $0.setBE32(value, at: offset) }
    }
  }

  private static let journalSuperblockRecipes: [Recipe] = [
    field(.badMagic, at: 0, 0x1234_5678),
    field(.badType, at: 4, 1),
    field(.unknownType, e2fsck: .refuses, at: 4, 9),
    field(.badBlockSize, at: 0xc, 2048),
    field(.tooLong, at: 0x10, 1025),
    field(.tooShort, e2fsck: .clean("the kernel would not mount it"), at: 0x10, 1000),
    field(.badLogArea, e2fsck: .clean("the kernel would not mount it"), at: 0x14, 0),
    field(.badLogArea, "pastEnd", e2fsck: .clean("the kernel would not mount it"), at: 0x14, 5000),
    field(.unknownFeatures, e2fsck: .refuses, at: 0x28, 0x40),
    field(.unknownFeatures, "readOnly", e2fsck: .refuses, at: 0x2c, 1),
    field(.newerFields, e2fsck: .clean("it clears them without a word"), at: 4, 3),
    Recipe(.journal(.badUsers), e2fsck: .refuses) { planter in
      try planter.journalSuperblock { $0.setBE32(7, at: 0x40) }
    },
    Recipe(
      .journal(.badStart), with: [.journal(.recoveryFlagLeft)], e2fsck: notSeen
    ) { planter in
      try planter.journalSuperblock { $0.setBE32(5000, at: 0x1c) }
      planter.setIncompat(.needsRecovery, to: true)
    },
    Recipe(.journal(.badFastCommitArea)) { planter in
      try planter.journalSuperblock { part in
        part.setBE32(0x20, at: 0x28)
        part.setBE32(100, at: 0x54)
      }
    },
    Recipe(.journal(.checksumKinds)) { planter in
      try planter.journalSuperblock { part in
        part.setBE32(0x18, at: 0x28)
        part[0x50] = 4
      }
    },
    Recipe(.journal(.checksumKinds), "old") { planter in
      try planter.journalSuperblock { part in
        part.setBE32(1, at: 0x24)
        part.setBE32(0x10, at: 0x28)
        part[0x50] = 4
      }
    },
    Recipe(.journal(.badChecksumType)) { planter in
      try planter.journalSuperblock { part in
        part.setBE32(0x10, at: 0x28)
        part[0x50] = 2
      }
    },
    Recipe(.journal(.badChecksum)) { planter in
      try planter.useJournalChecksums()
      try planter.journalSuperblock(keepingChecksum: true) { $0[0xfc] ^= 1 }
    },
    Recipe(
      .journal(.badChecksum), "withLog", with: [.journal(.needsReplay)]
    ) { planter in
      try planter.useJournalChecksums()
      let home = try planter.inodeBlock("/file")
      try planter.log([.init(blocks: [(home, planter.readBlock(home))])])
      try planter.journalSuperblock(keepingChecksum: true) { $0[0xfc] ^= 1 }
    },
  ]

  // MARK: What it holds

  private static func fastCommitRecipe(
    _ kind: JournalIssue, _ variant: String?, with others: [IssueKind],
    _ record: @escaping @Sendable (Planter) throws -> (UInt16, [UInt8])
  ) -> Recipe {
    let base = BaseImage(["-t", "ext4", "-b", "1024", "-J", "size=2"], size: 16384)
    return Recipe(
      .journal(kind), variant, base: base, with: others,
      e2fsck: .clean("with -n it does not look at the log")
    ) { planter in
      try planter.journalSuperblock { part in
        part.setBE32(0x33, at: 0x28)
        part[0x50] = 4
        part.setBE32(16, at: 0x54)
      }
      planter.setCompat(.fastCommit, to: true)
      let home = try planter.inodeBlock("/file")
      try planter.log([.init(blocks: [(home, planter.readBlock(home))])])
      let (tag, value) = try record(planter)
      try planter.fastCommit([(tag, value)])
    }
  }

  private static let logRecipes: [Recipe] = [
    Recipe(.journal(.needsReplay), e2fsck: notSeen) { planter in
      let home = try planter.inodeBlock("/file")
      try planter.log([.init(blocks: [(home, planter.readBlock(home))])])
    },
    Recipe(.journal(.needsReplay), "mends", e2fsck: .broken) { planter in
      try planter.useJournalChecksums()
      let home = try planter.inodeBlock("/file")
      try planter.log([.init(blocks: [(home, planter.readBlock(home))])])
      try planter.inode("/file") { $0.linkCount = 77 }
    },
    Recipe(.journal(.recoveryFlagMissing), e2fsck: notSeen) { planter in
      let home = try planter.inodeBlock("/file")
      try planter.log(
        [.init(blocks: [(home, planter.readBlock(home))])], asksForRecovery: false)
    },
    Recipe(.journal(.recoveryFlagLeft), e2fsck: notSeen) { planter in
      planter.setIncompat(.needsRecovery, to: true)
    },
    Recipe(
      .journal(.lastTransactionDamaged), with: [.journal(.needsReplay)], e2fsck: notSeen
    ) { planter in
      try planter.useJournalChecksums()
      let home = try planter.inodeBlock("/file")
      try planter.log([
        .init(blocks: [(home, planter.readBlock(home))]),
        .init(blocks: [(home, planter.readBlock(home))], damaged: 1),
      ])
    },
    Recipe(
      .journal(.transactionDamaged), with: [.journal(.needsReplay)], e2fsck: notSeen
    ) { planter in
      try planter.useJournalChecksums()
      let home = try planter.inodeBlock("/file")
      try planter.log([
        .init(blocks: [(home, planter.readBlock(home))], damaged: 1),
        .init(blocks: [(home, planter.readBlock(home))]),
      ])
    },
    Recipe(
      .journal(.transactionDamaged), "pastEnd", with: [.journal(.needsReplay)], e2fsck: notSeen
    ) { planter in
      let home = try planter.inodeBlock("/file")
      try planter.log([
        .init(blocks: [(BlockAddress(1_000_000), planter.readBlock(home))]),
        .init(blocks: [(home, planter.readBlock(home))]),
      ])
    },
    fastCommitRecipe(.needsReplay, "fastCommit", with: []) { planter in
      let root: [UInt8] = [2, 0, 0, 0]
      let small = try planter.inodeNumber("/small").rawValue
      let inode = (0..<4).map { UInt8(truncatingIfNeeded: small >> (8 * UInt32($0))) }
      return (4, root + inode + Array("again".utf8))
    },
    fastCommitRecipe(
      .fastCommitsDamaged, nil, with: [.journal(.needsReplay)]
    ) { planter in
      // A range past the end of the filesystem.
      let small = try planter.inodeNumber("/small").rawValue
      let inode = (0..<4).map { UInt8(truncatingIfNeeded: small >> (8 * UInt32($0))) }
      return (1, inode + [0, 0, 0, 0, 1, 0, 0, 0, 0xff, 0xff, 0xff, 0])
    },
    Recipe(
      .journal(.superblockInLogBad), with: [.journal(.needsReplay)], e2fsck: notSeen
    ) { planter in
      let home = BlockAddress(1)
      var copy = planter.readBlock(home)
      copy.setLE32(0, at: SuperblockField.blocksPerGroup)
      try planter.log([.init(blocks: [(home, copy)])])
    },
    Recipe(
      .journal(.aborted), with: [.superblock(.errorsRecorded)],
      e2fsck: .clean("it takes note of it without a word")
    ) { planter in
      try planter.journalSuperblock { $0.setBE32(UInt32(bitPattern: -5), at: 0x20) }
    },
  ]
}
