import Ext4Format
import ExtantBase
import ExtantCheck
import TestSupport

extension Recipe {
  static let orphanRecipes: [Recipe] = orphanListRecipes + orphanFileRecipes

  // MARK: The list

  private static let listed = Judgement.clean("with -n it does not look at the list")

  private static let orphanListRecipes: [Recipe] = [
    Recipe(.orphan(.unfinishedDeletion)) { planter in
      try planter.orphan("/sparse", linkCount: 0)
    },
    Recipe(.orphan(.unfinishedDeletion), "pointers", base: .ext3) { planter in
      try planter.orphan("/sparse", linkCount: 0)
    },
    Recipe(.orphan(.unfinishedDeletion), "attributes") { planter in
      try planter.orphan("/attributes", linkCount: 0)
    },
    Recipe(.orphan(.unfinishedDeletion), "two") { planter in
      try planter.orphan("/sparse", linkCount: 0)
      try planter.orphan("/small", linkCount: 0)
    },
    Recipe(.orphan(.unfinishedDeletion), "clusters", base: .bigalloc) { planter in
      try planter.orphan("/sparse", linkCount: 0)
    },
    Recipe(.orphan(.unfinishedTruncation)) { planter in
      try planter.orphan("/sparse", size: 20_000)
    },
    Recipe(.orphan(.unfinishedTruncation), "toNothing") { planter in
      try planter.orphan("/sparse", size: 0)
    },
    Recipe(.orphan(.unfinishedTruncation), "pointers", base: .ext3) { planter in
      try planter.orphan("/sparse", size: 20_000)
    },
    Recipe(.orphan(.unfinishedTruncation), "clusters", base: .bigalloc) { planter in
      try planter.orphan("/sparse", size: 20_000)
    },
    Recipe(.orphan(.nothingLeft), e2fsck: listed) { planter in
      try planter.orphan("/sparse")
    },
    Recipe(.orphan(.preallocationLeft), e2fsck: listed) { planter in
      try planter.debugfs("fallocate /small 1 9")
      try planter.inode("/small") { $0.wholeSize = 6 }
      try planter.orphan("/small")
    },
    Recipe(.orphan(.linkLeft), with: [.orphan(.nothingLeft)]) { planter in
      try planter.orphan("/sparse")
      try planter.orphan("/small")
    },
    Recipe(.orphan(.notInUse), e2fsck: listed) { planter in
      planter.superblock { $0.setLE32(1500, at: SuperblockField.lastOrphan) }
    },
    Recipe(.orphan(.badHead), e2fsck: listed) { planter in
      planter.superblock { $0.setLE32(5, at: SuperblockField.lastOrphan) }
    },
    Recipe(.orphan(.badHead), "tooLarge", e2fsck: listed) { planter in
      planter.superblock { $0.setLE32(999_999, at: SuperblockField.lastOrphan) }
    },
    Recipe(.orphan(.badLink), with: [.orphan(.linkLeft)]) { planter in
      try planter.orphan("/small")
      try planter.inode("/small") { $0.deletionTime = 999_999 }
    },
    Recipe(.orphan(.circle), with: [.orphan(.linkLeft)]) { planter in
      try planter.orphan("/sparse")
      try planter.orphan("/small")
      let small = try planter.inodeNumber("/small")
      try planter.inode("/sparse") { $0.deletionTime = small.rawValue }
    },
    Recipe(
      .orphan(.badMap),
      with: [.orphan(.unfinishedDeletion)]
    ) { planter in
      let small = try planter.inodeNumber("/small")
      try planter.orphan("/small", linkCount: 0)
      try planter.inode(small) { $0.setBlockWord(5, 0x00ff_ffff) }
    },
    Recipe(
      .orphan(.listDistrusted), with: [.superblock(.errorsRecorded)], e2fsck: listed
    ) { planter in
      try planter.orphan("/sparse")
      planter.superblock { $0.setLE16(3, at: SuperblockField.state) }
    },
  ]

  // MARK: The file

  private static func fileRecipe(
    _ kind: OrphanIssue, _ variant: String? = nil, with others: [IssueKind] = [],
    e2fsck: Judgement = .broken, _ plant: @escaping @Sendable (Planter, InodeNumber) throws -> Void
  ) -> Recipe {
    Recipe(.orphan(kind), variant, base: .orphanFile, with: others, e2fsck: e2fsck) { planter in
      guard let file = planter.superblock.orphanFileInode else {
        throw SystemFailure(2, "the base image has no orphan file")
      }
      try plant(planter, file)
    }
  }

  private static let orphanFileRecipes: [Recipe] = [
    fileRecipe(.fileNotClean) { planter, file in
      try planter.orphanFileEntry(file, try planter.inodeNumber("/small").rawValue)
      planter.setReadOnlyCompat(.orphanPresent, to: true)
    },
    fileRecipe(.fileNotClean, "deletion", with: [.orphan(.unfinishedDeletion)]) { planter, file in
      let sparse = try planter.inodeNumber("/sparse")
      try planter.debugfs("unlink /sparse")
      try planter.inode(sparse) { $0.linkCount = 0 }
      try planter.orphanFileEntry(file, sparse.rawValue)
      planter.setReadOnlyCompat(.orphanPresent, to: true)
    },
    fileRecipe(.fileNotClean, "truncation", with: [.orphan(.unfinishedTruncation)]) {
      planter, file in
      try planter.inode("/sparse") { $0.wholeSize = 20_000 }
      try planter.orphanFileEntry(file, try planter.inodeNumber("/sparse").rawValue)
      planter.setReadOnlyCompat(.orphanPresent, to: true)
    },
    fileRecipe(.fileNotClean, "notPresent") { planter, file in
      try planter.orphanFileEntry(file, try planter.inodeNumber("/small").rawValue)
    },
    fileRecipe(.fileBadEntry) { planter, file in
      try planter.orphanFileEntry(file, 999_999)
    },
    fileRecipe(.fileBadMagic) { planter, file in
      let address = try planter.blocks(Planter.path(file))[1]
      planter.block(address) { $0[$0.count - 8] ^= 1 }
    },
    fileRecipe(.fileBadMagic, "another's-block", with: [.map(.sharedBlocks)]) { planter, file in
      let block = try planter.blocks("/file")[2]
      let count = UInt16(try planter.blocks(Planter.path(file)).count)
      try planter.inode(file) { raw in
        var root = raw.blockArea
        root.setLE16(2, at: 2)
        root.setLE16(count - 1, at: 16)
        root.setLE32(UInt32(count - 1), at: 24)
        root.setLE16(1, at: 28)
        root.setLE32(UInt32(block.rawValue), at: 32)
        raw.blockArea = root
      }
    },
    fileRecipe(.fileBadChecksum) { planter, file in
      let address = try planter.blocks(Planter.path(file))[1]
      planter.block(address) { $0[$0.count - 1] ^= 1 }
    },
    fileRecipe(.fileBadSize) { planter, file in
      try planter.inode(file) { $0.wholeSize -= 5 }
    },
    fileRecipe(.fileBadSize, "past-its-blocks") { planter, file in
      try planter.inode(file) { $0.wholeSize += 1 << 33 }
    },
    fileRecipe(.fileHole, e2fsck: .clean("the kernel would not mount it")) { planter, file in
      try planter.debugfs("punch \(Planter.path(file)) 4 4")
    },
    fileRecipe(.fileNotRegular) { planter, file in
      try planter.inode(file) { $0.mode = 0o010600 }
    },
    fileRecipe(.fileUnlinked) { planter, file in
      try planter.inode(file) { $0.linkCount = 0 }
    },
    fileRecipe(
      .fileMissing, with: [.connection(.nameless)], e2fsck: .broken
    ) { planter, _ in
      planter.superblock { $0.setLE32(0, at: SuperblockField.orphanFileInode) }
    },
    fileRecipe(.fileDamaged, with: [.connection(.nameless)]) { planter, _ in
      let number = try planter.inodeNumber("/small").rawValue
      planter.superblock { $0.setLE32(number, at: SuperblockField.orphanFileInode) }
    },
    fileRecipe(.fileFeatureLost) { planter, _ in
      planter.setCompat(.orphanFile, to: false)
    },
    Recipe(
      .orphan(.fileNumberLeft), e2fsck: .clean("the inode is free, and it says no more")
    ) { planter in
      planter.superblock { $0.setLE32(1500, at: SuperblockField.orphanFileInode) }
    },
    fileRecipe(.linkLeft, "file") { planter, file in
      try planter.inode(file) { $0.deletionTime = 13 }
    },
    Recipe(.orphan(.fileWithoutFeature)) { planter in
      let number = try planter.inodeNumber("/small").rawValue
      planter.superblock { $0.setLE32(number, at: SuperblockField.orphanFileInode) }
    },
    fileRecipe(
      .fileWithoutJournal,
      with: [.inode(.journalUnasked)]
    ) { planter, _ in
      planter.setCompat(.hasJournal, to: false)
      planter.superblock { $0.setLE32(0, at: SuperblockField.journalInode) }
    },
    fileRecipe(.presentButClean) { planter, _ in
      planter.setReadOnlyCompat(.orphanPresent, to: true)
    },
    Recipe(.orphan(.presentWithoutFile)) { planter in
      planter.setReadOnlyCompat(.orphanPresent, to: true)
    },
  ]
}

extension Planter {
  /// Puts an inode at the head of the orphan list: with its name gone where it has no links any more.
  fileprivate func orphan(_ path: String, linkCount: UInt16? = nil, size: UInt64? = nil) throws {
    let number = try inodeNumber(path)
    if linkCount == 0 { try debugfs("unlink \(path)") }
    let next = bytes.le32(Int(Superblock.byteOffset) + SuperblockField.lastOrphan)
    try inode(number) { raw in
      raw.deletionTime = next
      if let linkCount { raw.linkCount = linkCount }
      if let size { raw.wholeSize = size }
    }
    superblock { $0.setLE32(number.rawValue, at: SuperblockField.lastOrphan) }
  }

  fileprivate func orphanFileEntry(_ file: InodeNumber, _ entry: UInt32) throws {
    let address = try blocks(Planter.path(file))[0]
    try block(address, as: .orphanFile(file)) { $0.setLE32(entry, at: 12) }
  }
}
