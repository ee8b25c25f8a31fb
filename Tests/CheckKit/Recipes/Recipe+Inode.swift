import Ext4Format
import ExtantBase
import ExtantCheck

extension Recipe {
  static let inodeRecipes: [Recipe] = [
    inodeUseRecipes, reservedInodeRecipes, inodeFlagRecipes, inodeKindRecipes, symlinkRecipes,
    inodeFieldRecipes, inodeSizeRecipes,
  ].flatMap { $0 }

  private static func inode(
    _ kind: InodeIssue, _ variant: String? = nil, base: BaseImage = .ext4,
    with others: [IssueKind] = [], e2fsck: Judgement = .broken,
    plant: @escaping @Sendable (Planter) throws -> Void
  ) -> Recipe {
    Recipe(.inode(kind), variant, base: base, with: others, e2fsck: e2fsck, plant: plant)
  }

  private static func inode(
    _ kind: InodeIssue, _ variant: String? = nil, of path: String, base: BaseImage = .ext4,
    with others: [IssueKind] = [], e2fsck: Judgement = .broken,
    _ change: @escaping @Sendable (inout RawInode) -> Void
  ) -> Recipe {
    Recipe(.inode(kind), variant, base: base, with: others, e2fsck: e2fsck) { planter in
      try planter.inode(path) { change(&$0) }
    }
  }

  private static func inode(
    _ kind: InodeIssue, _ variant: String? = nil, of number: InodeNumber, base: BaseImage = .ext4,
    with others: [IssueKind] = [], e2fsck: Judgement = .broken,
    _ change: @escaping @Sendable (inout RawInode) -> Void
  ) -> Recipe {
    Recipe(.inode(kind), variant, base: base, with: others, e2fsck: e2fsck) { planter in
      try planter.inode(number) { change(&$0) }
    }
  }

  // MARK: In use or not

  private static let inodeUseRecipes: [Recipe] = [
    inode(.badChecksum) { planter in
      try planter.inode("/small", keepingChecksum: true) { $0.accessTime &+= 1 }
    },
    inode(.badChecksum, "deleted") { planter in
      try planter.debugfs("rm /empty")
      let number = try lastFreed(planter)
      try planter.inode(number, keepingChecksum: true) { $0.accessTime &+= 1 }
    },
    inode(
      .garbage, with: [.directory(.inodeUnused), .connection(.directoryLinkCount)]
    ) { planter in
      let place = try planter.superblock.inodeLocation(
        planter.inodeNumber("/small"), descriptor: planter.descriptor(0))
      planter.block(place.block) { block in
        var word: UInt32 = 0x2545_f491
        for index in 0..<block.count / 4 {
          word = word &* 1_664_525 &+ 1_013_904_223
          block.setLE32(word, at: 4 * index)
        }
      }
    },
    inode(.namedInUnusedPart) { planter in
      // As many as are free may be called unused, and the last ones are not free.
      try planter.debugfs("rm /empty", "rm /fifo")
      planter.group(0) { $0.unusedInodes = $0.freeInodes }
    },
    inode(.orphanNumber) { planter in
      try planter.inode("/small") { $0.deletionTime = 13 }
    },
    inode(.orphanNumber, "deleted") { planter in
      try planter.debugfs("rm /empty")
      try planter.inode(try lastFreed(planter)) { $0.deletionTime = 13 }
    },
    inode(.noDeletionTime) { planter in
      try planter.debugfs("rm /empty")
      try planter.inode(try lastFreed(planter)) { $0.deletionTime = 0 }
    },
    inode(.deletionTime, of: "/small") { $0.deletionTime = 1_700_000_000 },
    inode(.deletionTime, "root", of: .root) { $0.deletionTime = 1_700_000_000 },
  ]

  /// The deleted inode with the largest number.
  private static func lastFreed(_ planter: Planter) throws -> InodeNumber {
    let count = planter.superblock.inodesPerGroup - planter.descriptor(0).unusedInodes
    for number in (11...count).reversed() {
      let raw = try planter.readInode(InodeNumber(number))
      if raw.mode != 0, raw.linkCount == 0 { return InodeNumber(number) }
    }
    return InodeNumber(0)
  }

  // MARK: Reserved inodes

  private static let reservedInodeRecipes: [Recipe] = [
    inode(.badBlocksFields, of: .badBlocks) { $0.mode = 0x81a4 },
    inode(.badBlocksFields, "links", of: .badBlocks, base: .noChecksums) { $0.linkCount = 1 },
    inode(.rootMode, of: .root) { $0.mode = 0x81ed },
    inode(
      .rootNotDirectory, of: .root,
      with: [
        .connection(.lostFoundMissing), .connection(.nameless), .connection(.namelessEmpty),
        .connection(.unreachable), .connection(.directoryLinkCount), .connection(.linkCount),
      ]
    ) { raw in
      raw.mode = 0x81ed
      raw.blockArea = emptyTree
      raw.blocksLow = 0
      raw.wholeSize = 0
    },
    inode(.rootUnlinked, of: .root, with: [.connection(.directoryLinkCount)]) {
      $0.linkCount = 0
    },
    inode(.journalUnasked, of: .journal, base: .noJournal) { raw in
      raw.mode = 0x8180
      raw.linkCount = 1
    },
    inode(.quotaMode, of: InodeNumber(3), base: .quota) { $0.mode = 0x180 },
    inode(.quotaMode, "group", of: InodeNumber(4), base: .quota) { $0.mode = 0x180 },
    inode(.quotaUnasked, of: InodeNumber(3)) { $0.linkCount = 1 },
    inode(.blockCount, "resize", of: .resize, base: .metaBg) { $0.blocksLow = 8 },
    inode(.quotaUnasked, "flags", of: InodeNumber(3)) { $0.flags = [.extents, .inlineData] },
    inode(.bootLoaderDirectory, of: InodeNumber(5)) { $0.mode = 0x41ed },
    inode(.reservedMode, of: InodeNumber(6)) { $0.mode = 0x8180 },
    inode(.reservedMode, "resize", of: .resize) { $0.mode = 0x1180 },
  ]

  /// ext4 with descriptors of 32 bytes: 64bit would ask for extents by itself.
  private static let withoutBits = BaseImage(["-t", "ext4", "-b", "1024", "-O", "^64bit"])

  static let emptyTree: [UInt8] = {
    var tree = [UInt8](repeating: 0, count: 60)
    tree.replaceSubrange(0..<6, with: [0x0a, 0xf3, 0, 0, 4, 0])
    return tree
  }()

  // MARK: Flags

  private static let inodeFlagRecipes: [Recipe] = [
    inode(.casefoldNotDirectory, of: "/small") { $0.flags.insert(.casefold) },
    inode(.casefoldWithoutFeature, of: "/dir") { $0.flags.insert(.casefold) },
    inode(.extentsWithoutFeature, base: withoutBits) { planter in
      planter.superblock { $0.setLE32($0.le32(0x60) & ~0x40, at: 0x60) }
    },
    inode(.extentsFlagWrong, of: "/small", base: .ext2) { $0.flags.insert(.extents) },
    inode(.extentsFlagMissing, of: "/small") { $0.flags.remove(.extents) },
    inode(.imagicWithoutFeature, of: "/small") { $0.flags.insert(.imagic) },
    inode(.indexNotDirectory, of: "/small") { $0.flags.insert(.index) },
    inode(.indexNotDirectory, "reserved", of: InodeNumber(10)) { $0.flags.insert(.index) },
    inode(.casefoldNotDirectory, "reserved", of: InodeNumber(9)) { $0.flags.insert(.casefold) },
    inode(.indexWithoutFeature, with: [.directory(.tailDamaged)]) { planter in
      planter.superblock { $0.setLE32($0.le32(0x5c) & ~0x20, at: 0x5c) }
    },
    inode(.encryptedWithoutPolicy, of: "/small", base: .encrypt) { $0.flags.insert(.encrypted) },
    inode(.encryptionPolicy, base: .encrypt, with: [.directory(.inodeUnused)]) { planter in
      try planter.inode("/small") { raw in
        raw.flags.insert(.encrypted)
        // Policy version 1, cut short.
        raw.setLE32(0xea02_0000, at: 160)
        raw.setLE32(0x0900 | 0x54 << 16 | 1, at: 164)
        raw.setLE32(8, at: 172)
        raw.setLE32(0, at: 176)
        raw.setLE32(UInt32(UInt8(ascii: "c")), at: 180)
        raw.setLE32(1, at: 164 + 0x54)
      }
    },
  ]

  // MARK: Kinds

  private static let inodeKindRecipes: [Recipe] = [
    inode(.unknownKind, of: "/empty", with: [.directory(.inodeUnused)]) { $0.mode &= 0xfff },
    inode(.unknownKindFile, of: "/file") { $0.mode &= 0xfff },
    inode(.unknownKindDirectory, of: "/dir") { $0.mode &= 0xfff },
    inode(.specialIsDirectory, of: "/dir") { $0.mode = $0.mode & 0xfff | 0x1000 },
    inode(.specialIsDirectory, "pointers", of: "/dir", base: .ext2) {
      $0.mode = $0.mode & 0xfff | 0x1000
    },
    inode(.specialIsFile, of: "/file") { $0.mode = $0.mode & 0xfff | 0x1000 },
    inode(.specialMapFlags, of: "/fifo") { $0.flags.insert(.extents) },
    inode(.specialMapFlags, "inline", of: "/fifo") { $0.flags.insert(.inlineData) },
    inode(.specialWords, of: "/fifo") { raw in
      raw.flags.insert(.immutable)
      raw.setBlockWord(5, 3)
    },
    inode(
      .specialProtected, of: "/fifo", e2fsck: .clean("it prints it, and calls the image clean")
    ) { $0.flags.insert(.immutable) },
    inode(.specialSize, of: "/fifo") { $0.sizeLow = 3 },
  ]

  // MARK: Symlinks

  private static let symlinkRecipes: [Recipe] = [
    inode(
      .symlinkProtected, of: "/symlink",
      e2fsck: .clean("it prints it, and calls the image clean")
    ) { $0.flags.insert(.append) },
    inode(.symlinkExtentsFlag, of: "/symlink") { $0.flags.insert(.extents) },
    inode(.symlinkEmpty, of: "/symlink", with: [.directory(.inodeUnused)]) { raw in
      raw.sizeLow = 0
      raw.blockArea = [UInt8](repeating: 0, count: 60)
    },
    inode(.symlinkLength, of: "/symlink") { $0.sizeLow = 3 },
    inode(.symlinkLength, "zero", of: "/symlink") { $0.sizeLow = 0 },
    inode(.symlinkLength, "high", of: "/slowlink") { $0.sizeHigh = 1 },
    inode(.symlinkLength, "slow", of: "/slowlink") { $0.sizeLow = 99 },
    inode(.symlinkLength, "slow-as-fast", of: "/slowlink") { $0.sizeLow = 9 },
    inode(.symlinkLength, "pointers-as-fast", of: "/slowlink", base: .ext2) { $0.sizeLow = 9 },
    inode(.symlinkInBlock) { planter in
      let address = try planter.blocks("/slowlink")[0]
      planter.block(address) { $0[30] = 0 }
    },
    inode(.symlinkUnended, of: "/symlink") { raw in
      raw.blockArea = [UInt8](repeating: 0x61, count: 60)
      raw.sizeLow = 50
    },
    inode(.symlinkUnended, "slow") { planter in
      let address = try planter.blocks("/slowlink")[0]
      planter.block(address) { $0 = [UInt8](repeating: 0x61, count: $0.count) }
    },
  ]

  // MARK: Fields

  private static let inodeFieldRecipes: [Recipe] = [
    inode(.fragmentAddress, of: "/small") { $0.setLE32(3, at: 0x70) },
    inode(.attributesHigh, of: "/small", base: .ext2) { $0.setLE16(3, at: 0x76) },
    inode(.blockCountHigh, of: "/small", base: .ext2) { $0.setLE16(3, at: 0x74) },
    inode(.directorySizeHigh, of: "/dir") { $0.sizeHigh = 3 },
    inode(.extraSize, of: "/small") { $0.extraSize = 30 },
    inode(.extraSize, "large", of: "/small") { $0.extraSize = 0xfff0 },
    inode(
      .extraTime, of: "/small", e2fsck: .clean("it prints it, and calls the image clean")
    ) { raw in
      raw.modificationTime = 0xffff_0000
      raw.setLE32(raw.le32(0x88) | 3, at: 0x88)
    },
  ]

  // MARK: Sizes

  private static let inodeSizeRecipes: [Recipe] = [
    inode(
      .directoryEmpty, of: "/dir/sub",
      with: [
        .directory(.inodeUnused), .connection(.nameless), .connection(.directoryLinkCount),
      ]
    ) { raw in
      raw.blockArea = emptyTree
      raw.blocksLow = 0
      raw.wholeSize = 0
    },
    inode(.directorySizeUneven, of: "/dir") { $0.sizeLow += 100 },
    inode(.directorySizeTooLarge, of: "/dir") { $0.sizeLow += 4096 },
    inode(.directorySizeTooSmall, of: "/many") { $0.sizeLow -= 2048 },
    inode(.sizeTooSmall, of: "/file") { $0.sizeLow = 1000 },
    inode(.sizeForPointers, of: "/empty", base: .ext2) { $0.wholeSize = 1 << 40 },
    inode(.sizeForExtents, of: "/empty") { $0.wholeSize = 1 << 45 },
    inode(.blockCount, of: "/file") { $0.blocksLow += 2 },
    inode(.blockCount, "fast symlink", of: "/symlink") { $0.blocksLow += 2 },
    inode(.pointersWithBigalloc, base: .bigalloc) { planter in
      let blocks = try planter.blocks("/file")
      try planter.inode("/file") { raw in
        raw.flags.remove(.extents)
        raw.blockArea = [UInt8](repeating: 0, count: 60)
        for (index, address) in blocks.enumerated() {
          raw.setBlockWord(index, UInt32(truncatingIfNeeded: address.rawValue))
        }
      }
    },
    inode(.largeFileFeature) { planter in
      planter.superblock { $0.setLE32($0.le32(0x64) & ~2, at: 0x64) }
      try planter.inode("/sparse") { $0.wholeSize = 1 << 32 }
    },
  ]
}
