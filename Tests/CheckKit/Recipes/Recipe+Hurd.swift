import Ext4Format
import ExtantBase
import ExtantCheck

extension Recipe {
  /// Images made for the Hurd: words of the inode have another meaning there.
  static let hurdRecipes: [Recipe] = [
    Recipe(
      .superblock(.hurdFiletype), base: .hurd, e2fsck: .clean("with -n it does not say so")
    ) { planter in
      planter.setIncompat(.filetype, to: true)
    },
    Recipe(
      .superblock(.hurdFiletype), "with-kinds", base: BaseImage(["-t", "ext2", "-b", "1024"]),
      e2fsck: .clean("with -n it does not say so")
    ) { planter in
      planter.superblock { $0.setLE32(1, at: SuperblockField.creatorOS) }
    },
    Recipe(.inode(.hurdFragment), base: .hurd) { planter in
      try planter.inode("/small") { $0.hurdFragment = 0x0503 }
    },
    map(.translatorOutside, base: .hurd) { planter in
      try planter.inode("/small") { $0.translator = 999_999 }
    },
    map(.translatorShared, base: .hurd) { planter in
      let block = try planter.blocks("/file")[3]
      try planter.inode("/small") { $0.translator = UInt32(block.rawValue) }
    },
    map(.translatorShared, "two-translators", base: .hurd) { planter in
      let block = try planter.readInode(planter.inodeNumber("/file")).translator
      try planter.inode("/small") { $0.translator = block }
    },
    map(.translatorShared, "metadata", base: .hurd) { planter in
      let bitmap = planter.descriptor(0).inodeBitmap
      try planter.inode("/small") { $0.translator = UInt32(bitmap.rawValue) }
    },
    map(.translatorNoRoom, base: .hurd, with: [.map(.translatorShared)]) { planter in
      let count = planter.superblock.freeBlockCount
      try planter.debugfs("fallocate /empty 0 \(count + 100)")
      // debugfs stops where nothing is free, and does not say how far it came.
      try planter.inode("/empty") { $0.wholeSize = (UInt64(count) + 100) * 1024 }
      let block = try planter.blocks("/file")[3]
      try planter.inode("/small") { $0.translator = UInt32(block.rawValue) }
    },
    Recipe(.summary(.blockMarkedFree), "translator", base: .hurd) { planter in
      let block = try planter.readInode(planter.inodeNumber("/file")).translator
      planter.blockBitmap(0) { bytes in
        let bit = Int(block) - 1
        bytes[bit / 8] &= ~(1 << UInt8(bit % 8))
      }
    },
  ]
}
