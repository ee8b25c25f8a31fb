import Ext4Format
import ExtantBase
import ExtantCheck

extension Recipe {
  /// Group descriptors, and the resize inode.
  static let groupRecipes: [Recipe] =
    descriptorRecipes + tablePlaceRecipes + lostTableRecipes + resizeInodeRecipes

  private static let silent = Judgement.clean("it says so and does not mind")
  private static let threeGroups = BaseImage(["-t", "ext4", "-b", "1024"], size: 20480)

  // MARK: Descriptors

  private static let descriptorRecipes: [Recipe] = [
    Recipe(.group(.badChecksum), e2fsck: silent) { planter in
      planter.flipDescriptor(0, 0x1e, 0xff)
    },
    Recipe(
      .group(.badChecksum), "crc16", base: .uninitGroups,
      with: [
        .summary(.metadataMarkedFree), .summary(.blockBitmapTail), .summary(.inodeBitmapTail),
      ]
    ) { planter in
      planter.flipDescriptor(1, 0x1e, 0xff)
    },
    Recipe(
      .group(.tablesElsewhere), base: .manyGroupsNoFlex, with: [.group(.badChecksum)]
    ) { planter in
      // One bit of the inode table's address, which stays in the group.
      planter.flipDescriptor(2, 8, 0x80)
    },
    Recipe(.group(.inodeTableElsewhere), base: .manyGroupsNoFlex) { planter in
      planter.group(0) { $0.inodeTable = $0.inodeTable + 300 }
    },
    Recipe(.group(.uninitWithoutChecksums), base: .noChecksums) { planter in
      planter.group(0) { $0.flags = [.inodeUninit, .blockUninit] }
    },
    Recipe(.group(.unusedWithoutChecksums), base: .noChecksums, e2fsck: silent) { planter in
      planter.group(0) { $0.unusedInodes = 7 }
    },
    Recipe(.group(.lastBlockBitmapUninit), base: .manyGroups) { planter in
      planter.group(7) { $0.flags.insert(.blockUninit) }
    },
    Recipe(.group(.tooManyUnusedInodes)) { planter in
      planter.group(0) { $0.unusedInodes = $0.freeInodes + 5 }
    },
  ]

  // MARK: Places that copies know

  private static let tablePlaceRecipes: [Recipe] = [
    Recipe(.group(.blockBitmapOutside), base: .manyGroups) { planter in
      planter.group(1) { $0.blockBitmap = BlockAddress(99_999_999) }
    },
    Recipe(.group(.inodeBitmapOutside), base: .manyGroups) { planter in
      planter.group(1) { $0.inodeBitmap = BlockAddress(0) }
    },
    Recipe(.group(.inodeTableOutside), base: .manyGroups) { planter in
      planter.group(0) { $0.inodeTable = BlockAddress(8190) }
    },
    Recipe(.group(.inodeTableOutside), "meta-bg", base: .metaBg) { planter in
      planter.group(18) { $0.inodeTable = BlockAddress(0) }
    },
    Recipe(.group(.blockBitmapInOtherGroup), base: .manyGroupsNoFlex) { planter in
      planter.group(1) { $0.blockBitmap = BlockAddress(900) }
    },
    Recipe(.group(.inodeBitmapInOtherGroup), base: .manyGroupsNoFlex) { planter in
      planter.group(1) { $0.inodeBitmap = BlockAddress(900) }
    },
    Recipe(.group(.inodeTableInOtherGroup), base: .manyGroupsNoFlex) { planter in
      planter.group(1) { $0.inodeTable = BlockAddress(900) }
    },
    Recipe(.group(.blockBitmapOverlaps), base: .manyGroups) { planter in
      planter.group(1) { $0.blockBitmap = $0.inodeTable + 3 }
    },
    Recipe(.group(.inodeBitmapOverlaps), base: .manyGroups) { planter in
      planter.group(1) { $0.inodeBitmap = $0.blockBitmap }
    },
    Recipe(.group(.inodeTableOverlaps), base: .manyGroups) { planter in
      let other = planter.descriptor(2).inodeTable
      planter.group(1) { $0.inodeTable = other }
    },
    Recipe(.group(.inodeTableOverlaps), "superblock", base: threeGroups) { planter in
      planter.group(0) { $0.inodeTable = BlockAddress(1) }
    },
  ]

  // MARK: Places that nobody knows

  private static let lostTableRecipes: [Recipe] = [
    Recipe(
      .group(.blockBitmapOutside), "no-copy",
      with: [
        .summary(.metadataMarkedFree), .summary(.blockMarkedFree), .summary(.blockBitmapEnd),
      ]
    ) { planter in
      planter.group(0) { $0.blockBitmap = BlockAddress(99_999_999) }
    },
    Recipe(
      .group(.inodeBitmapOutside), "no-copy", base: .ext2,
      with: [
        .summary(.reservedInodeMarkedFree), .summary(.inodeMarkedFree), .summary(.inodeBitmapTail),
      ]
    ) { planter in
      planter.group(0) { $0.inodeBitmap = BlockAddress(99_999_999) }
    },
    Recipe(.group(.inodeTableOutside), "no-copy") { planter in
      planter.group(0) { $0.inodeTable = BlockAddress(99_999_999) }
    },
  ]

  // MARK: The resize inode

  private static let resizeInodeRecipes: [Recipe] = [
    Recipe(
      .group(.resizeInodeNotEmpty), with: [.superblock(.reserveWithoutResizeInode)], e2fsck: silent
    ) {
      planter in
      planter.superblock { $0[SuperblockField.featureCompat] &= ~0x10 }
    },
    Recipe(.group(.resizeInodeInvalid), base: threeGroups) { planter in
      try planter.inode(.resize) { $0.setBlockWord(13, 0) }
    },
    Recipe(.group(.resizeInodeInvalid), "zeros", base: threeGroups) { planter in
      try planter.zero(.resize)
    },
    Recipe(.group(.resizeInodeInvalid), "another's-block", base: threeGroups) { planter in
      let block = try planter.blocks("/file")[2]
      try planter.inode(.resize) { $0.setBlockWord(13, UInt32(block.rawValue)) }
    },
    Recipe(.group(.resizeInodeInvalid), "map", base: threeGroups) { planter in
      let map = BlockAddress(UInt64(try planter.readInode(.resize).blockWord(13)))
      planter.block(map) { $0.setLE32(5000, at: 4) }
    },
    Recipe(.group(.resizeInodeInvalid), "single", base: threeGroups) { planter in
      try planter.inode(.resize) { $0.setBlockWord(0, 5000) }
    },
    Recipe(
      .group(.resizeInodePointers), "map", base: threeGroups,
      e2fsck: .clean("it counts the blocks alone")
    ) { planter in
      let map = BlockAddress(UInt64(try planter.readInode(.resize).blockWord(13)))
      planter.block(map) { $0.setLE32($0.le32(4 * 140), at: 4 * 150) }
    },
    Recipe(.group(.resizeInodeMap), base: threeGroups) { planter in
      let map = BlockAddress(UInt64(try planter.readInode(.resize).blockWord(13)))
      planter.block(map) { $0.setLE32(0, at: 4 * 150) }
    },
    Recipe(.group(.resizeInodePointers), base: threeGroups, e2fsck: silent) { planter in
      // A block of the reserve past the first quarter.
      planter.block(BlockAddress(103)) { $0.setLE32(5000, at: 0) }
    },
    Recipe(.group(.resizeInodeFields), base: threeGroups) { planter in
      try planter.inode(.resize) { $0.sizeLow = 0 }
    },
    Recipe(.group(.resizeInodeFields), "blocks", base: .bigalloc) { planter in
      try planter.inode(.resize) { $0.blocksLow = 9 }
    },
  ]
}

extension Planter {
  /// Turns bits of a descriptor over, its checksum left as it is.
  fileprivate func flipDescriptor(_ group: UInt32, _ offset: Int, _ bits: UInt8) {
    let index = GroupIndex(group)
    let start = superblock.descriptorOffset(for: index)
    block(superblock.descriptorBlock(for: index)) { $0[start + offset] ^= bits }
  }
}
