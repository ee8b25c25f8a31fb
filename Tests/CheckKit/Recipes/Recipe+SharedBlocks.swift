import Ext4Format
import ExtantBase
import ExtantCheck

extension Recipe {
  /// Sets where the first extent of a file lies.
  private static func place(_ path: String, at address: BlockAddress, in planter: Planter) throws {
    try planter.inode(path) { raw in
      var root = raw.blockArea
      root.setLE32(UInt32(address.rawValue), at: 20)
      raw.blockArea = root
    }
  }

  /// Takes all blocks that are free, for a file that has none.
  private static func fill(_ planter: Planter) throws {
    try planter.debugfs("fallocate /empty 0 \(planter.superblock.freeBlockCount + 100)")
  }

  static let sharedBlockRecipes: [Recipe] = [
    map(.sharedBlocks) { planter in
      try place("/small", at: planter.blocks("/file")[0], in: planter)
    },
    map(.sharedBlocks, "pointers", base: .ext2) { planter in
      let block = try planter.blocks("/file")[3]
      try planter.inode("/small") { $0.setBlockWord(0, UInt32(block.rawValue)) }
    },
    map(.sharedBlocks, "by-one-file", base: .ext2) { planter in
      try planter.inode("/file") { $0.setBlockWord(1, $0.blockWord(2)) }
    },
    map(.sharedBlocks, "indirect", base: .ext2, with: [.inode(.blockCount)]) { planter in
      let other = try planter.blocks("/file")[9]
      try planter.inode("/sparse") { $0.setBlockWord(13, UInt32(other.rawValue)) }
      planter.block(other) { $0 = [UInt8](repeating: 0, count: $0.count) }
    },
    map(.sharedBlocks, "own-pointer-block", base: .ext2) { planter in
      // The pointer block of a file is a block of its contents, too.
      try planter.inode("/sparse") { $0.setBlockWord(2, $0.blockWord(13)) }
    },
    map(
      .sharedBlocks, "directories",
      with: [
        .directory(.blockChecksum), .directory(.dotInode), .directory(.linkToSelf),
        .connection(.wrongParent), .connection(.linkCount), .connection(.nameless),
      ]
    ) { planter in
      try place("/dir/sub", at: planter.blocks("/dir")[0], in: planter)
    },
    map(.sharedBlocks, "bad-blocks") { planter in
      try list(planter.blocks("/file")[4], in: planter)
    },
    map(.sharedBlocks, "attributes") { planter in
      let block = try planter.readInode(planter.inodeNumber("/attributes"))
        .fileACL(planter.superblock)
      try place("/small", at: block, in: planter)
    },
    map(.sharedBlocks, "cluster", base: .bigalloc) { planter in
      try place("/small", at: planter.blocks("/file")[0], in: planter)
    },
    map(.sharedWithMetadata, "shared-blocks", base: .noJournal) { planter in
      planter.setReadOnlyCompat(.sharedBlocks, to: true)
      try place("/small", at: planter.blocks("/file")[0], in: planter)
      try place("/empty", at: planter.descriptor(0).inodeTable, in: planter)
      try planter.inode("/empty") { raw in
        var root = raw.blockArea
        root.setLE16(1, at: 2)
        root.setLE16(1, at: 16)
        raw.blockArea = root
        raw.wholeSize = 1024
        raw.blocksLow = 2
      }
    },
    map(.sharedWithMetadata) { planter in
      try place("/file", at: planter.descriptor(0).inodeTable, in: planter)
    },
    map(.sharedWithMetadata, "pointers", base: .ext3) { planter in
      let bitmap = planter.descriptor(0).inodeBitmap
      try planter.inode("/file") { $0.setBlockWord(2, UInt32(bitmap.rawValue)) }
    },
    map(.sharedNoRoom, with: [.map(.sharedBlocks), .directory(.inodeUnused)]) { planter in
      try fill(planter)
      // The file's own block must not become free by that.
      try planter.inode("/small") { raw in
        var root = raw.blockArea
        root.setLE16(2, at: 2)
        root.replaceSubrange(24..<36, with: root[12..<24])
        root.setLE32(1, at: 24)
        raw.blockArea = root
        raw.wholeSize = 2048
        raw.blocksLow = 4
      }
      let block = try planter.blocks("/file")[0]
      try planter.inode("/small") { raw in
        var root = raw.blockArea
        root.setLE32(UInt32(block.rawValue), at: 32)
        raw.blockArea = root
      }
    },
  ]

  static let sharedXattrBlockRecipes: [Recipe] = [
    Recipe(.xattr(.blockShared), "bad-blocks") { planter in
      try list(planter.xattrAddress("/attributes"), in: planter)
    },
    Recipe(.xattr(.blockShared), "checksum", with: [.xattr(.blockChecksum)]) { planter in
      let address = try planter.xattrAddress("/attributes")
      try list(address, in: planter)
      planter.block(address) { $0[16] ^= 1 }
    },
    Recipe(.xattr(.blockShared), "two-inodes") { planter in
      let address = try planter.xattrAddress("/attributes")
      try planter.inode("/small") { raw in
        raw.fileACLLow = UInt32(address.rawValue)
        raw.blocksLow += 2
      }
      try planter.xattrBlock("/attributes") { $0.setLE32(2, at: 4) }
      try list(address, in: planter)
    },
    Recipe(.xattr(.blockShared), "metadata") { planter in
      let block = planter.readBlock(try planter.xattrAddress("/attributes"))
      // Inodes that were never in use.
      let address =
        planter.descriptor(0).inodeTable + UInt64(planter.superblock.inodeTableBlockCount - 1)
      try planter.inode("/attributes") { $0.fileACLLow = UInt32(address.rawValue) }
      planter.block(address) { $0 = block }
      try planter.xattrBlock("/attributes") { _ in }
    },
    Recipe(.xattr(.blockNoRoom), with: [.xattr(.blockShared)]) { planter in
      try fill(planter)
      try list(planter.xattrAddress("/attributes"), in: planter)
    },
  ]

  static let clusterRecipes: [Recipe] = [
    map(.clusterMisaligned, base: .bigalloc) { planter in
      try place("/file", at: planter.blocks("/file")[0] + 1, in: planter)
    },
    map(
      .clusterNoRoom, base: .bigalloc, with: [.map(.clusterMisaligned), .directory(.inodeUnused)]
    ) { planter in
      try fill(planter)
      try place("/file", at: planter.blocks("/file")[0] + 1, in: planter)
    },
  ]
}
