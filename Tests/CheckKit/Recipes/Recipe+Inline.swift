import Ext4Format
import ExtantBase
import ExtantCheck

extension Recipe {
  private static func withoutAttributes(_ raw: inout RawInode) {
    for offset in Planter.xattrStart(raw)..<raw.bytes.count { raw.bytes[offset] = 0 }
  }

  static let inlineRecipes: [Recipe] = [
    Recipe(.inline(.withoutFeature), base: .inlineData) { planter in
      planter.superblock { bytes in
        bytes.setLE32(
          bytes.le32(SuperblockField.featureIncompat) & ~IncompatFeatures.inlineData.rawValue,
          at: SuperblockField.featureIncompat)
      }
    },
    Recipe(.inline(.flagWithoutFeature), "extents") { planter in
      try planter.inode("/file") { raw in
        raw.flags.insert(.inlineData)
        raw.flags.remove(.extents)
      }
    },
    Recipe(.inline(.flagWithoutFeature), "block-pointers", base: .ext2) { planter in
      try planter.inode("/file") { $0.flags.insert(.inlineData) }
    },
    Recipe(.inline(.flagWithoutFeature), "target") { planter in
      try planter.inode("/symlink") { $0.flags.insert(.inlineData) }
    },
    Recipe(.inline(.withExtentTree), base: .inlineData) { planter in
      try planter.inode("/file") { $0.flags.insert(.inlineData) }
    },
    Recipe(.inline(.withExtentTree), "without-feature") { planter in
      try planter.inode("/file") { $0.flags.insert(.inlineData) }
    },
    Recipe(.inline(.withExtentsFlag), base: .inlineData) { planter in
      try planter.inode("/small") { $0.flags.insert(.extents) }
    },
    Recipe(.inline(.withBlockMap), base: .inlineData) { planter in
      let blocks = try planter.blocks("/file")
      try planter.inode("/file") { raw in
        raw.flags.insert(.inlineData)
        raw.blockArea = [UInt8](repeating: 0, count: 60)
        for (index, block) in blocks.enumerated() {
          raw.setBlockWord(index, UInt32(block.rawValue))
        }
      }
    },
    Recipe(.inline(.flagMissing), base: .inlineData) { planter in
      try planter.inode("/small") { $0.flags.remove(.inlineData) }
    },
    Recipe(.inline(.flagMissing), "with-extents", base: .inlineData) { planter in
      try planter.inode("/dir") { raw in
        raw.flags.remove(.inlineData)
        raw.flags.insert(.extents)
      }
    },
    Recipe(.inline(.markMissing), base: .inlineData) { planter in
      try planter.inode("/small") { raw in raw.setLE32(12, at: Planter.xattrStart(raw)) }
    },
    Recipe(.inline(.extentTreeInstead), base: .inlineData) { planter in
      try planter.inode("/file") { raw in
        raw.flags.insert(.inlineData)
        raw.flags.remove(.extents)
      }
    },
    Recipe(.inline(.noAttribute), "file", base: .inlineData) { planter in
      try planter.inode("/small", withoutAttributes)
    },
    Recipe(.inline(.noAttribute), "directory", base: .inlineData) { planter in
      try planter.inode("/dir", withoutAttributes)
    },
    Recipe(.inline(.nothingLeft), base: .inlineData) { planter in
      try planter.inode("/small") { raw in
        withoutAttributes(&raw)
        raw.sizeLow = 150
      }
    },
    Recipe(.inline(.directorySize), base: .inlineData) { planter in
      try planter.inode("/dir") { $0.sizeLow = 59 }
    },
    Recipe(.inline(.fileSize), base: .inlineData) { planter in
      try planter.inode("/small") { $0.sizeHigh = 0x100 }
    },
    Recipe(.inline(.symlinkSize), base: .inlineData) { planter in
      try planter.inode("/slowlink") { $0.sizeLow = 80 }
    },
    Recipe(.inline(.symlinkAttributes), base: .inlineData) { planter in
      try planter.debugfs("ea_set /slowlink user.long \(String(repeating: "long", count: 60))")
    },
    Recipe(.inline(.withJunk), base: .inlineData, with: [.directory(.inodeUnused)]) { planter in
      try planter.inode("/empty") { raw in
        raw.flags = [.inlineData, .extents]
        raw.blockArea = [UInt8](repeating: 0x78, count: 60)
        raw.sizeLow = 100_000
        withoutAttributes(&raw)
      }
    },
    Recipe(.inline(.inodeWithoutFeature), with: [.directory(.inodeUnused)]) { planter in
      try planter.inode("/empty") { raw in
        raw.flags = [.inlineData]
        raw.blockArea = [UInt8](repeating: 0x78, count: 60)
      }
    },
    Recipe(.inode(.specialIsDirectory), "inline", base: .inlineData) { planter in
      try planter.inode("/dir") { $0.mode = 0o010755 }
    },
    Recipe(.inode(.unknownKindFile), "inline", base: .inlineData) { planter in
      try planter.inode("/small") { $0.mode = 0o644 }
    },
  ]
}
