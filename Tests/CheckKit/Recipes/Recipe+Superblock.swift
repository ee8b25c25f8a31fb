import Ext4Format
import ExtantBase
import ExtantCheck

extension Recipe {
  /// The superblock, its copies, and the MMP block.
  static let superblockRecipes: [Recipe] =
    lostSuperblockRecipes + geometryRecipes + featureRecipes + superblockStateRecipes + copyRecipes
    + mmpRecipes

  /// Groups of the usual size, several of them: copies lie where everybody looks for them.
  private static let threeGroups = BaseImage(["-t", "ext4", "-b", "1024"], size: 20480)
  private static let threeGroupsNoChecksums = BaseImage(
    ["-t", "ext4", "-b", "1024", "-O", "^metadata_csum"], size: 20480)
  private static let silent = Judgement.clean("it says so and does not mind")

  private static func set32(_ offset: Int, _ value: UInt32) -> @Sendable (Planter) throws -> Void {
    { planter in planter.superblock { $0.setLE32(value, at: offset) } }
  }
  private static func set16(_ offset: Int, _ value: UInt16) -> @Sendable (Planter) throws -> Void {
    { planter in planter.superblock { $0.setLE16(value, at: offset) } }
  }
  private static func feature(
    _ offset: Int, set bits: UInt32 = 0, clear: UInt32 = 0
  ) -> @Sendable (Planter) throws -> Void {
    { planter in
      planter.superblock { $0.setLE32(($0.le32(offset) | bits) & ~clear, at: offset) }
    }
  }

  // MARK: Lost

  private static let lostSuperblockRecipes: [Recipe] = [
    Recipe(
      .superblock(.noMagic), base: threeGroups,
      with: [.summary(.freeBlocks)]
    ) { planter in
      planter.superblock(keepingChecksum: true) { $0 = [UInt8](repeating: 0, count: 1024) }
    },
    Recipe(
      .superblock(.noMagic), "unusual-groups", base: .manyGroups,
      with: [.summary(.freeBlocks)], e2fsck: .refuses
    ) { planter in
      planter.superblock(keepingChecksum: true) { $0 = [UInt8](repeating: 0x55, count: 1024) }
    },
    Recipe(.superblock(.noMagic), "no-copy", e2fsck: .refuses) { planter in
      planter.superblock(keepingChecksum: true) { $0.setLE16(0, at: SuperblockField.magic) }
    },
    Recipe(
      .superblock(.noMagic), "not-a-filesystem", base: .ext2, e2fsck: .refuses,
      outcome: .refused("magic")
    ) { planter in
      planter.superblock { $0.setLE16(0, at: SuperblockField.magic) }
    },
    Recipe(.superblock(.badChecksum), e2fsck: .refuses) { planter in
      planter.superblock(keepingChecksum: true) { $0.setLE32(0, at: SuperblockField.checksum) }
    },
    Recipe(.superblock(.badChecksum), "one-bit", e2fsck: .refuses) { planter in
      planter.superblock(keepingChecksum: true) { $0[SuperblockField.uuid + 3] ^= 0x10 }
    },
    Recipe(.superblock(.badChecksum), "with-copies", base: threeGroups) { planter in
      planter.superblock(keepingChecksum: true) { $0.setLE32(0, at: SuperblockField.checksum) }
    },
    Recipe(.superblock(.badChecksum), "bit-of-block-size", e2fsck: .refuses) { planter in
      planter.superblock(keepingChecksum: true) { $0[SuperblockField.logBlockSize + 2] ^= 0x40 }
    },
  ]

  // MARK: Geometry

  private static let geometryRecipes: [Recipe] = [
    Recipe(
      .superblock(.badBlockSize), base: threeGroups,
      with: [.summary(.freeBlocks)],
      plant: set32(SuperblockField.logBlockSize, 9)),
    Recipe(
      .superblock(.badClusterSize), e2fsck: .refuses,
      plant: set32(SuperblockField.logClusterSize, 3)),
    Recipe(
      .superblock(.badBlocksPerGroup), e2fsck: .refuses,
      plant: set32(SuperblockField.blocksPerGroup, 8191)),
    Recipe(
      .superblock(.badClustersPerGroup), base: .bigalloc, e2fsck: .refuses,
      plant: set32(SuperblockField.clustersPerGroup, 77)),
    Recipe(
      .superblock(.badClustersPerGroup), "without-bigalloc", e2fsck: .refuses,
      plant: set32(SuperblockField.clustersPerGroup, 4096)),
    Recipe(
      .superblock(.badFirstDataBlock), e2fsck: .refuses,
      plant: set32(SuperblockField.firstDataBlock, 0)),
    Recipe(
      .superblock(.badBlockCount), e2fsck: .refuses, plant: set32(SuperblockField.blocksCountLow, 0)
    ),
    Recipe(
      .superblock(.badReservedBlocks), e2fsck: .refuses,
      plant: set32(SuperblockField.reservedBlocksCountLow, 5000)),
    Recipe(
      .superblock(.badReservedBlocks), "more-than-all", e2fsck: .refuses,
      plant: set32(SuperblockField.reservedBlocksCountLow, 50_000_000)),
    Recipe(
      .superblock(.badInodeSize), base: threeGroups,
      with: [.summary(.freeBlocks)],
      plant: set16(SuperblockField.inodeSize, 100)),
    Recipe(
      .superblock(.badInodeSize), "zero", base: threeGroups, with: [.summary(.freeBlocks)],
      plant: set16(SuperblockField.inodeSize, 0)),
    Recipe(
      .superblock(.badInodeSize), "zero, and a copy that says the rest",
      base: BaseImage(["-t", "ext2", "-b", "1024"], size: 20480),
      e2fsck: .clean("it takes the copy, and says so, and forgets it in its status")
    ) { planter in
      let first = Int(Superblock.byteOffset)
      let now = Array(planter.bytes[first..<first + Superblock.byteCount])
      planter.superblock(copyIn: 1) { copy in
        copy = now
        copy.setLE16(1, at: SuperblockField.blockGroupNumber)
      }
      let descriptors = planter.readBlock(BlockAddress(2))
      planter.block(planter.superblock.superblockBlock(in: GroupIndex(1)) + 1) { $0 = descriptors }
      planter.superblock { $0.setLE16(0, at: SuperblockField.inodeSize) }
    },
    Recipe(
      .superblock(.badInodesPerGroup), base: threeGroups,
      with: [.summary(.freeBlocks)],
      plant: set32(SuperblockField.inodesPerGroup, 0)),
    Recipe(.superblock(.badInodeCount), "per-group") { planter in
      planter.superblock {
        $0.setLE32($0.le32(SuperblockField.inodesPerGroup) + 64, at: SuperblockField.inodesPerGroup)
      }
    },
    Recipe(.superblock(.badInodeCount), plant: set32(SuperblockField.inodesCount, 2000)),
    Recipe(
      .superblock(.badFirstInode), e2fsck: .refuses, plant: set32(SuperblockField.firstInode, 5)),
    Recipe(
      .superblock(.badDescriptorSize), e2fsck: .refuses,
      plant: set16(SuperblockField.descriptorSize, 0)),
    Recipe(
      .superblock(.badDescriptorSize), "without-64bit", base: .ext2, e2fsck: .refuses,
      plant: set16(SuperblockField.descriptorSize, 33)),
    Recipe(
      .superblock(.badReservedDescriptorBlocks), base: threeGroups,
      with: [.summary(.freeBlocks)],
      plant: set16(SuperblockField.reservedDescriptorBlocks, 5000)),
    Recipe(
      .superblock(.badDescriptorTable), base: threeGroupsNoChecksums, with: [.summary(.freeBlocks)]
    ) { planter in
      // Groups of 64 blocks have no room for all their descriptors.
      planter.superblock { bytes in
        bytes.setLE32(64, at: SuperblockField.blocksPerGroup)
        bytes.setLE32(64, at: SuperblockField.clustersPerGroup)
        bytes.setLE32(8, at: SuperblockField.inodesPerGroup)
        bytes.setLE16(1024, at: SuperblockField.descriptorSize)
        bytes.setLE32((20479 + 63) / 64 * 8, at: SuperblockField.inodesCount)
      }
    },
    Recipe(
      .superblock(.largerThanDevice), base: threeGroups,
      with: [.summary(.freeBlocks)], e2fsck: .broken,
      plant: set32(SuperblockField.blocksCountLow, 20481)),
    Recipe(
      .superblock(.unlikeDescriptors), base: threeGroups, with: [.summary(.freeBlocks)],
      plant: set32(SuperblockField.featureIncompat, 0)),
    Recipe(
      .superblock(.unlikeDescriptors), "half-of-them-fit",
      base: BaseImage(
        ["-t", "ext4", "-b", "1024", "-g", "1024", "-O", "^metadata_csum,^resize_inode,meta_bg"],
        size: 4096),
      with: [.summary(.freeBlocks)],
      e2fsck: .clean("it takes the copy, and says so, and forgets it in its status"),
      plant: set32(SuperblockField.featureIncompat, 0)),
    Recipe(
      .superblock(.unlikeDescriptors), "uuid", base: threeGroups,
      with: [.summary(.freeBlocks)],
      plant: { planter in planter.superblock { $0[SuperblockField.uuid] ^= 1 } }),
    Recipe(
      .superblock(.unlikeCopies), base: .manyGroups, with: [.summary(.freeBlocks)],
      plant: { planter in
        planter.superblock { bytes in
          bytes.setLE32(1152, at: SuperblockField.blocksPerGroup)
          bytes.setLE32(1152, at: SuperblockField.clustersPerGroup)
        }
      }),
    Recipe(
      .superblock(.largerThanDevice), "no-copy", e2fsck: .broken, outcome: .refused("cut short"),
      plant: set32(SuperblockField.blocksCountLow, 8193)),
  ]

  // MARK: Features and fields

  private static let featureRecipes: [Recipe] = [
    Recipe(
      .superblock(.bothChecksums), e2fsck: silent,
      plant: feature(SuperblockField.featureReadOnlyCompat, set: 0x10)),
    Recipe(
      .superblock(.is64BitWithoutExtents),
      plant: feature(SuperblockField.featureIncompat, clear: 0x40)),
    Recipe(
      .superblock(.seedWithoutChecksums), base: .noChecksums, e2fsck: silent,
      plant: feature(SuperblockField.featureIncompat, set: 0x2000)),
    Recipe(
      .superblock(.resizeInodeWithMetaBg),
      with: [.group(.resizeInodeNotEmpty)]
    ) { planter in
      planter.superblock { bytes in
        bytes.setLE32(
          bytes.le32(SuperblockField.featureIncompat) | 0x10, at: SuperblockField.featureIncompat)
      }
    },
    Recipe(
      .superblock(.firstMetaBgTooBig), base: .metaBg,
      plant: set32(SuperblockField.firstMetaBlockGroup, 500)),
    Recipe(
      .superblock(.reserveWithoutResizeInode), base: .metaBg, e2fsck: silent,
      plant: set16(SuperblockField.reservedDescriptorBlocks, 20)),
    Recipe(
      .superblock(.flexBgMissing), base: .manyGroups,
      plant: feature(SuperblockField.featureIncompat, clear: 0x200)),
    Recipe(.superblock(.badFlexSize), e2fsck: .refuses) { planter in
      planter.superblock { $0[SuperblockField.logGroupsPerFlex] = 200 }
    },
    Recipe(.superblock(.badFlexSize), "without-flex-bg", base: .ext2, e2fsck: .refuses) { planter in
      planter.superblock { $0[SuperblockField.logGroupsPerFlex] = 32 }
    },
    Recipe(
      .superblock(.requiredExtraSize), e2fsck: silent,
      plant: set16(SuperblockField.minimumExtraInodeSize, 1)),
    Recipe(
      .superblock(.desiredExtraSize), e2fsck: silent,
      plant: set16(SuperblockField.wantExtraInodeSize, 1024)),
    Recipe(
      .superblock(.featuresInRevision0), base: .revision0, e2fsck: silent,
      plant: feature(SuperblockField.featureReadOnlyCompat, set: 1)),
    Recipe(.superblock(.noUUID), base: .ext2, e2fsck: silent) { planter in
      planter.superblock { bytes in
        for offset in SuperblockField.uuid..<SuperblockField.uuid + 16 { bytes[offset] = 0 }
      }
    },
    Recipe(
      .superblock(.noMagic), "unknown-incompat", e2fsck: .refuses, outcome: .refused("FEATURE_I30"),
      plant: feature(SuperblockField.featureIncompat, set: 1 << 30)),
    Recipe(
      .superblock(.noMagic), "unknown-compat", e2fsck: .refuses, outcome: .refused("lazy_bg"),
      plant: feature(SuperblockField.featureCompat, set: 0x40)),
    Recipe(
      .superblock(.noMagic), "unknown-ro-compat", e2fsck: .refuses, outcome: .refused("replica"),
      plant: feature(SuperblockField.featureReadOnlyCompat, set: 0x800)),
    Recipe(
      .superblock(.noMagic), "journal-device", e2fsck: .refuses, outcome: .refused("journal_dev"),
      plant: feature(SuperblockField.featureIncompat, set: 8)),
    Recipe(
      .superblock(.noMagic), "revision-2", e2fsck: .refuses, outcome: .refused("revision 2"),
      plant: set32(SuperblockField.revision, 2)),
    Recipe(
      .superblock(.noMagic), "checksum-type", e2fsck: .refuses, outcome: .refused("checksum type 2")
    ) { planter in
      planter.superblock { $0[SuperblockField.checksumType] = 2 }
    },
    Recipe(
      .superblock(.noMagic), "encoding", base: .casefold, e2fsck: .refuses,
      outcome: .refused("encoding 9"), plant: set16(SuperblockField.encoding, 9)),
  ]

  // MARK: State

  private static let superblockStateRecipes: [Recipe] = [
    Recipe(
      .superblock(.mountTimeInFuture), e2fsck: silent,
      plant: set32(SuperblockField.mountTime, 0xf000_0000)),
    Recipe(
      .superblock(.writeTimeInFuture), e2fsck: silent,
      plant: set32(SuperblockField.writeTime, 0xf000_0000)),
    Recipe(.superblock(.testFilesystem), e2fsck: silent) { planter in
      planter.superblock { $0[SuperblockField.flags] |= 4 }
    },
    Recipe(.superblock(.noHashSignedness), e2fsck: silent) { planter in
      planter.superblock { $0[SuperblockField.flags] &= ~3 }
    },
    Recipe(.superblock(.badHashVersion), e2fsck: silent) { planter in
      planter.superblock { $0[SuperblockField.defaultHashVersion] = 77 }
    },
    Recipe(
      .superblock(.badOverhead), e2fsck: silent,
      plant: set32(SuperblockField.overheadBlocks, 50000)),
    Recipe(.superblock(.notClean), e2fsck: silent, plant: set16(SuperblockField.state, 0)),
    Recipe(.superblock(.errorsRecorded), e2fsck: silent) { planter in
      planter.superblock { bytes in
        bytes.setLE16(3, at: SuperblockField.state)
        bytes.setLE32(4, at: SuperblockField.errorCount)
        bytes.setLE32(0x6000_0000, at: SuperblockField.lastErrorTime)
      }
    },
    Recipe(.superblock(.checkDue), e2fsck: silent) { planter in
      planter.superblock { bytes in
        bytes.setLE16(30, at: SuperblockField.maxMountCount)
        bytes.setLE16(31, at: SuperblockField.mountCount)
      }
    },
    Recipe(.superblock(.checkDue), "interval", e2fsck: silent) { planter in
      planter.superblock { bytes in
        bytes.setLE32(86400, at: SuperblockField.checkInterval)
        bytes.setLE32(0x6000_0000, at: SuperblockField.lastCheck)
      }
    },
  ]

  // MARK: Copies

  private static let copyRecipes: [Recipe] = [
    Recipe(.superblock(.copyDiffers), base: threeGroups, e2fsck: silent) { planter in
      planter.superblock(copyIn: 1) { $0.setLE32(9999, at: SuperblockField.blocksCountLow) }
    },
    Recipe(.superblock(.copyDiffers), "lost", base: .manyGroups, e2fsck: silent) { planter in
      planter.superblock(keepingChecksum: true, copyIn: 3) {
        $0 = [UInt8](repeating: 0, count: 1024)
      }
    },
    Recipe(.superblock(.descriptorCopyDiffers), base: .manyGroups, e2fsck: silent) { planter in
      planter.block(planter.superblock.superblockBlock(in: GroupIndex(1)) + 1) { bytes in
        bytes.setLE32(77, at: 64)
      }
    },
    Recipe(
      .superblock(.descriptorCopyDiffers), "meta-bg", base: .metaBg, e2fsck: silent
    ) { planter in
      let holder = GroupIndex(17)
      let copy = planter.superblock.descriptorBlock(for: GroupIndex(16), backupIn: holder)
      guard let copy else { return }
      planter.block(copy) { $0.setLE32(77, at: 64) }
    },
  ]

  // MARK: MMP

  private static let mmpRecipes: [Recipe] = [
    Recipe(
      .superblock(.badMMPBlock), base: .mmp, e2fsck: .refuses,
      plant: set32(SuperblockField.mmpBlock, 5_000_000)),
    Recipe(
      .superblock(.badMMPBlock), "in-a-table", base: .mmp,
      e2fsck: .refuses
    ) { planter in
      let table = UInt32(planter.descriptor(0).inodeTable.rawValue)
      planter.superblock { $0.setLE32(table + 1, at: SuperblockField.mmpBlock) }
    },
    Recipe(.superblock(.badMMPMagic), base: .mmp, e2fsck: .refuses) { planter in
      planter.block(mmpBlock(planter)) { $0.setLE32(5, at: 0) }
    },
    Recipe(.superblock(.badMMPChecksum), base: .mmp, e2fsck: .refuses) { planter in
      planter.block(mmpBlock(planter)) { $0.setLE32(5, at: 1020) }
    },
    Recipe(.superblock(.mmpNotReleased), base: .mmp, e2fsck: silent) { planter in
      try planter.block(mmpBlock(planter), as: .mmp) { $0.setLE32(5, at: 4) }
    },
    Recipe(
      .superblock(.mmpNotReleased), "being-checked", base: .mmp, e2fsck: .refuses,
      outcome: .refused("another host")
    ) { planter in
      try planter.block(mmpBlock(planter), as: .mmp) { $0.setLE32(0xE24D_4D50, at: 4) }
    },
  ]

  private static func mmpBlock(_ planter: Planter) -> BlockAddress {
    var block: UInt32 = 0
    planter.superblock { block = $0.le32(SuperblockField.mmpBlock) }
    return BlockAddress(UInt64(block))
  }
}
