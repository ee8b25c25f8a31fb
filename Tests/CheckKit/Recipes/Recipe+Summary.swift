import Ext4Format
import ExtantBase
import ExtantCheck

extension Recipe {
  /// Bitmaps and counts.
  static let summaryRecipes: [Recipe] =
    blockBitmapRecipes + inodeBitmapRecipes + countRecipes + [
      Recipe(.summary(.freeBlocks), e2fsck: .clean("it says so and does not mind")) { planter in
        planter.superblock { bytes in
          bytes.setLE32(
            bytes.le32(SuperblockField.freeBlocksCountLow) - 1,
            at: SuperblockField.freeBlocksCountLow)
        }
      },
      Recipe(.summary(.freeInodes), e2fsck: .clean("it says so and does not mind")) { planter in
        planter.superblock { bytes in
          bytes.setLE32(
            bytes.le32(SuperblockField.freeInodesCount) + 2, at: SuperblockField.freeInodesCount)
        }
      },
    ]

  private static let blockBitmapRecipes: [Recipe] = [
    Recipe(.summary(.blockMarkedFree)) { planter in
      let block = try planter.blocks("/file")[0].rawValue
      planter.blockBitmap(0) { $0.setBit(Int(block - 1), to: false) }
    },
    Recipe(.summary(.blockMarkedFree), "many-groups", base: .manyGroupsNoFlex) { planter in
      let block = try planter.blocks("/small")[0].rawValue
      let group = UInt32((block - 1) / 1024)
      planter.blockBitmap(group) { $0.setBit(Int((block - 1) % 1024), to: false) }
    },
    Recipe(.summary(.blockMarkedFree), "bigalloc", base: .bigalloc) { planter in
      let block = try planter.blocks("/file")[0].rawValue
      planter.blockBitmap(0) { $0.setBit(Int(block / 8), to: false) }
    },
    Recipe(.summary(.metadataMarkedFree)) { planter in
      let block = planter.descriptor(0).inodeTable.rawValue
      planter.blockBitmap(0) { $0.setBit(Int(block), to: false) }
    },
    Recipe(.summary(.blockMarkedUsed)) { planter in
      planter.blockBitmap(0) { $0.setBit(8000, to: true) }
    },
    Recipe(.summary(.blockMarkedUsed), "ext2", base: .ext2) { planter in
      planter.blockBitmap(0) { bitmap in
        for bit in 7000..<7100 { bitmap.setBit(bit, to: true) }
      }
    },
    Recipe(.summary(.blockMarkedUsed), "bigalloc", base: .bigalloc) { planter in
      planter.blockBitmap(0) { $0.setBit(4000, to: true) }
    },
    // 8191 blocks in the one group, 8192 bits.
    Recipe(.summary(.blockBitmapEnd)) { planter in
      planter.blockBitmap(0) { $0.setBit(8191, to: false) }
    },
    Recipe(.summary(.blockBitmapTail), base: .manyGroups) { planter in
      planter.blockBitmap(0) { $0[200] = 0 }
    },
    Recipe(.summary(.blockBitmapChecksum)) { planter in
      planter.group(0) { $0.blockBitmapChecksum ^= 1 }
    },
    Recipe(.summary(.blockUninit), base: .manyGroups) { planter in
      let block = try planter.blocks("/file")[0].rawValue
      let group = UInt32((block - 1) / 1024)
      planter.group(group) { $0.flags.insert(.blockUninit) }
    },
    Recipe(.summary(.blockUninit), "crc16", base: .uninitGroups) { planter in
      let block = try planter.blocks("/file")[0].rawValue
      let group = UInt32((block - 1) / 1024)
      planter.group(group) { $0.flags.insert(.blockUninit) }
    },
  ]

  private static let inodeBitmapRecipes: [Recipe] = [
    Recipe(.summary(.inodeMarkedFree)) { planter in
      let number = try planter.inodeNumber("/dir").rawValue
      planter.inodeBitmap(0) { $0.setBit(Int(number - 1), to: false) }
    },
    Recipe(.summary(.reservedInodeMarkedFree)) { planter in
      planter.inodeBitmap(0) { $0.setBit(4, to: false) }
    },
    Recipe(.summary(.inodeMarkedUsed)) { planter in
      planter.inodeBitmap(0) { $0.setBit(500, to: true) }
    },
    Recipe(.summary(.inodeMarkedUsed), "ext3", base: .ext3) { planter in
      planter.inodeBitmap(0) { bitmap in
        for bit in 100..<130 { bitmap.setBit(bit, to: true) }
      }
    },
    Recipe(.summary(.inodeBitmapTail), base: .manyGroups) { planter in
      planter.inodeBitmap(0) { $0[900] = 0x7f }
    },
    Recipe(.summary(.inodeBitmapChecksum)) { planter in
      planter.group(0) { $0.inodeBitmapChecksum ^= 0x8000 }
    },
    Recipe(.summary(.inodeUninit), e2fsck: .refuses) { planter in
      planter.group(0) { $0.flags.insert(.inodeUninit) }
    },
  ]

  private static let countRecipes: [Recipe] = [
    Recipe(.summary(.groupFreeBlocks)) { planter in planter.group(0) { $0.freeBlocks += 1 } },
    Recipe(.summary(.groupFreeBlocks), "no-checksums", base: .noChecksums) { planter in
      planter.group(0) { $0.freeBlocks -= 7 }
    },
    Recipe(.summary(.groupFreeBlocks), "bigalloc", base: .bigalloc) { planter in
      planter.group(0) { $0.freeBlocks -= 1 }
    },
    Recipe(.summary(.groupFreeInodes)) { planter in planter.group(0) { $0.freeInodes += 3 } },
    Recipe(.summary(.groupDirectories)) { planter in
      planter.group(0) { $0.usedDirectories += 1 }
    },
  ]
}

extension [UInt8] {
  mutating func setBit(_ bit: Int, to value: Bool) {
    withMutableBytes { $0.setBit(bit, to: value) }
  }
}
