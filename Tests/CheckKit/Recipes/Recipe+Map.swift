import Ext4Format
import ExtantBase
import ExtantCheck

extension Recipe {
  static let mapRecipes: [Recipe] = [
    extentRootRecipes, extentNodeRecipes, extentRecipes, pointerRecipes, directoryMapRecipes,
    badBlockRecipes, sharedBlockRecipes, sharedXattrBlockRecipes, clusterRecipes,
  ].flatMap { $0 }

  static func map(
    _ kind: MapIssue, _ variant: String? = nil, base: BaseImage = .ext4,
    with others: [IssueKind] = [], e2fsck: Judgement = .broken,
    plant: @escaping @Sendable (Planter) throws -> Void
  ) -> Recipe {
    Recipe(.map(kind), variant, base: base, with: others, e2fsck: e2fsck, plant: plant)
  }

  // MARK: Extent trees

  /// The header and the entries of a root; offsets are those of a node.
  private static func root(
    of path: String, in planter: Planter, _ change: (inout [UInt8]) -> Void
  ) throws {
    try planter.inode(path) { raw in
      var root = raw.blockArea
      change(&root)
      raw.blockArea = root
    }
  }

  /// The leaf block of /sparse, with its checksum right again.
  private static func leaf(
    in planter: Planter, _ change: (inout [UInt8]) -> Void
  ) throws {
    let number = try planter.inodeNumber("/sparse")
    let address = RawExtentNode.child(try planter.readInode(number).blockArea.rawBytes, 0)
    try planter.block(address, as: .extentNode(number)) { change(&$0) }
  }

  /// Where entry `index` of a node starts.
  private static func entry(_ index: Int) -> Int { 12 + 12 * index }

  private static let blockCount = IssueKind.inode(.blockCount)

  private static let extentRootRecipes: [Recipe] = [
    map(.extentRoot, with: [.directory(.inodeUnused)]) { planter in
      try root(of: "/small", in: planter) { $0 = [UInt8](repeating: 0, count: 60) }
    },
    map(.extentRootHeader, "magic") { planter in
      try root(of: "/file", in: planter) { $0.setLE16(0xf00a, at: 0) }
    },
    map(.extentRootHeader, "count") { planter in
      try root(of: "/sparse", in: planter) { $0.setLE16(5, at: 2) }
    },
    map(.extentRootHeader, "room") { planter in
      try root(of: "/file", in: planter) { $0.setLE16(9, at: 4) }
    },
    map(
      .extentRootEmpty, "any-depth",
      e2fsck: .clean("e2fsck offers to make it shallower, and exits with 0")
    ) { planter in
      try root(of: "/empty", in: planter) { $0.setLE32(0xffff_ffff, at: 6) }
    },
    map(.extentRootHeader, "empty") { planter in
      try root(of: "/empty", in: planter) { $0.setLE16(0xffff, at: 4) }
    },
    map(.extentRootEmpty, e2fsck: .clean("e2fsck offers to make it one level, and exits with 0")) {
      planter in
      try root(of: "/empty", in: planter) { $0.setLE16(2, at: 6) }
    },
    map(.extentTreeTooDeep, e2fsck: .clean("e2fsck offers to make it shallower, and exits with 0"))
    { planter in
      // Six of /file's ten blocks become nodes, one under the other; four stay data.
      let number = try planter.inodeNumber("/file")
      let blocks = try planter.blocks("/file")
      for (index, address) in blocks[..<6].enumerated() {
        try planter.block(address, as: .extentNode(number)) { node in
          let depth = UInt16(5 - index)
          let entries: ExtentNode.Entries =
            depth > 0
            ? .index([ExtentIndexRecord(logical: 0, child: blocks[index + 1])])
            : .leaf([ExtentRecord(logical: 0, length: 4, address: blocks[6])])
          node.withMutableBytes {
            ExtentNode(depth: depth, entries: entries).encode(into: &$0, checksumSeed: nil)
          }
        }
      }
      try planter.inode(number) { raw in
        var area = ExtentNode(
          depth: 1, entries: .index([ExtentIndexRecord(logical: 0, child: blocks[0])])
        ).encodeRoot()
        area.setLE16(6, at: 6)
        raw.blockArea = area
        raw.wholeSize = 4096
      }
    },
  ]

  private static let extentNodeRecipes: [Recipe] = [
    map(.extentNode, "magic", with: [blockCount]) { planter in
      try leaf(in: planter) { $0.setLE16(0, at: 0) }
    },
    map(.extentNode, "count", with: [blockCount]) { planter in
      try leaf(in: planter) { $0.setLE16(85, at: 2) }
    },
    map(.extentNode, "in-metadata", with: [blockCount]) { planter in
      try root(of: "/sparse", in: planter) { $0.setLE32(2, at: entry(0) + 4) }
    },
    map(.extentNodeChecksum) { planter in
      let root = try planter.readInode(planter.inodeNumber("/sparse")).blockArea
      planter.block(RawExtentNode.child(root.rawBytes, 0)) { $0.setLE32(7, at: 8) }
    },
    map(.extentNodeDepth, e2fsck: .clean("e2fsck goes by the root's depth alone")) { planter in
      try leaf(in: planter) { $0.setLE16(3, at: 6) }
    },
    map(.extentNodeEmpty, with: [blockCount]) { planter in
      try leaf(in: planter) { $0.setLE16(0, at: 2) }
    },
    map(.extentNodeOrder) { planter in
      try leaf(in: planter) { node in
        let third = Array(node[entry(3)..<entry(4)])
        node.replaceSubrange(entry(3)..<entry(4), with: node[entry(5)..<entry(6)])
        node.replaceSubrange(entry(5)..<entry(6), with: third)
      }
    },
    map(.extentNodeOutside, with: [blockCount]) { planter in
      try root(of: "/sparse", in: planter) { $0.setLE32(0x7fff_0000, at: entry(0) + 4) }
    },
    map(.extentNodeOverlap) { planter in
      try root(of: "/sparse", in: planter) { root in
        root.replaceSubrange(entry(1)..<entry(2), with: root[entry(0)..<entry(1)])
        root.setLE16(2, at: 2)
      }
    },
    map(.extentNodeStart, "key") { planter in
      try root(of: "/sparse", in: planter) { $0.setLE32(2, at: entry(0)) }
    },
    map(.extentNodeStart, "child") { planter in
      try leaf(in: planter) { $0.setLE32(1, at: entry(0)) }
    },
  ]

  private static let extentRecipes: [Recipe] = [
    map(.extentLengthZero, with: [blockCount]) { planter in
      try leaf(in: planter) { $0.setLE16(0, at: entry(7) + 4) }
    },
    map(.extentLogicalLimit, with: [blockCount]) { planter in
      try root(of: "/file", in: planter) { $0.setLE32(0xffff_fffe, at: entry(0)) }
    },
    map(.extentMisplaced, with: [.map(.extentNodeOverlap), blockCount]) { planter in
      try root(of: "/sparse", in: planter) { root in
        root.replaceSubrange(entry(1)..<entry(2), with: root[entry(0)..<entry(1)])
        root.setLE32(40, at: entry(1))
        root.setLE16(2, at: 2)
      }
    },
    map(.extentMisplaced, "past-size", with: [blockCount]) { planter in
      try leaf(in: planter) { $0.setLE32(0x8000_0000, at: entry(7)) }
    },
    map(.extentOutside, with: [blockCount]) { planter in
      try leaf(in: planter) { $0.setLE32(0x7fff_0000, at: entry(7) + 8) }
    },
    map(.extentOutside, "zero", with: [blockCount]) { planter in
      try root(of: "/small", in: planter) { $0.setLE32(0, at: entry(0) + 8) }
    },
    map(.extentOutside, "upper-bits", with: [blockCount]) { planter in
      try root(of: "/file", in: planter) { $0.setLE16(1, at: entry(0) + 6) }
    },
    map(.extentOverlap, with: [blockCount]) { planter in
      try leaf(in: planter) { $0.setLE32($0.le32(entry(6)), at: entry(7)) }
    },
    map(.extentPastEnd, with: [blockCount]) { planter in
      let last = UInt32(planter.superblock.blockCount - 1)
      try leaf(in: planter) { $0.setLE32(last, at: entry(7) + 8) }
    },
    map(.extentPastSize) { planter in
      try planter.inode("/sparse") { $0.wholeSize -= 1024 }
    },
    map(.extentUnwrittenDirectory) { planter in
      try root(of: "/dir", in: planter) {
        $0.setLE16($0.le16(entry(0) + 4) + 32768, at: entry(0) + 4)
      }
    },
  ]

  // MARK: Block pointers

  private static let pointerRecipes: [Recipe] = [
    map(.pointerOutside, base: .ext2, with: [blockCount]) { planter in
      try planter.inode("/file") { $0.setBlockWord(3, 0x7fff_ffff) }
    },
    map(.pointerOutside, "indirect", base: .ext3, with: [blockCount]) { planter in
      let indirect = try planter.readInode(planter.inodeNumber("/sparse")).blockWord(12)
      planter.block(BlockAddress(UInt64(indirect))) { $0.setLE32(0x7fff_ffff, at: 16) }
    },
    map(.pointersGarbage, base: .ext2, with: [.directory(.inodeUnused)]) { planter in
      try planter.inode("/small") { raw in
        for word in 0..<15 { raw.setBlockWord(word, 0x7fff_ff00 + UInt32(word)) }
      }
    },
    map(.pointerBlockGarbage, base: .ext2, with: [blockCount]) { planter in
      let indirect = try planter.readInode(planter.inodeNumber("/sparse")).blockWord(12)
      planter.block(BlockAddress(UInt64(indirect))) { block in
        for index in 0..<40 { block.setLE32(0x6c6c_6568, at: 4 * index) }
      }
    },
    map(.pointerBlockOutside, base: .ext2, with: [blockCount]) { planter in
      try planter.inode("/sparse") { $0.setBlockWord(12, 0x7fff_ffff) }
    },
    map(.pointerBlockOutside, "double", base: .ext2, with: [blockCount]) { planter in
      try planter.inode("/sparse") { $0.setBlockWord(13, 0x7fff_ffff) }
    },
    map(.pointerBlockOutside, "triple", base: .ext3) { planter in
      try planter.inode("/sparse") { $0.setBlockWord(14, 0x7fff_ffff) }
    },
    map(
      .pointerBlockRepeated, base: .ext2, with: [.map(.sharedBlocks), blockCount]
    ) { planter in
      // Every pointer of the third level names one block, and every one there another.
      let blocks = try planter.blocks("/file")
      for level in 0..<2 {
        planter.block(blocks[level]) { block in
          for index in 0..<256 {
            block.setLE32(UInt32(blocks[level + 1].rawValue), at: 4 * index)
          }
        }
      }
      planter.block(blocks[2]) { $0 = [UInt8](repeating: 0, count: $0.count) }
      try planter.inode("/file") { raw in
        for word in 0..<15 { raw.setBlockWord(word, 0) }
        raw.setBlockWord(14, UInt32(blocks[0].rawValue))
      }
    },
    map(.symlinkTooLong, base: .ext2) { planter in
      let block = try planter.readInode(planter.inodeNumber("/slowlink")).blockWord(0)
      try planter.inode("/slowlink") { $0.setBlockWord(1, block) }
    },
  ]

  // MARK: Directories

  private static let directoryMapRecipes: [Recipe] = [
    map(.directoryHole) { planter in
      // Between the first extent and the second.
      try root(of: "/many", in: planter) { root in
        root.setLE32(root.le32(entry(1)) + 1, at: entry(1))
        root.setLE32(root.le32(entry(2)) + 1, at: entry(2))
      }
    },
    map(.directoryHole, "first") { planter in
      try root(of: "/many", in: planter) { $0.setLE32(3, at: entry(0)) }
    },
    map(.directoryOverlap) { planter in
      try root(of: "/many", in: planter) { $0.setLE32(1, at: entry(2)) }
    },
    map(.directoryHole, "far") { planter in
      try root(of: "/dir", in: planter) { $0.setLE32(0x1000_0000, at: entry(0)) }
    },
    map(.directoryHole, "pointers", base: .ext2, with: [.inode(.directorySizeTooLarge)]) {
      planter in
      // The directory's one block hangs on a double indirect block; /file lends the blocks for that.
      let lent = try planter.blocks("/file").suffix(2).map { UInt32($0.rawValue) }
      let block = try planter.readInode(planter.inodeNumber("/dir")).blockWord(0)
      for (address, index, pointer) in [(lent[0], 1, lent[1]), (lent[1], 0, block)] {
        planter.block(BlockAddress(UInt64(address))) {
          $0 = [UInt8](repeating: 0, count: $0.count)
          $0.setLE32(pointer, at: 4 * index)
        }
      }
      try planter.inode("/dir") { raw in
        raw.setBlockWord(0, 0)
        raw.setBlockWord(13, lent[0])
        raw.wholeSize = (12 + 256 + 256 + 1) * 1024
        raw.blocksLow += 4
      }
      try planter.inode("/file") { raw in
        raw.setBlockWord(8, 0)
        raw.setBlockWord(9, 0)
        raw.wholeSize = 8192
        raw.blocksLow -= 4
      }
    },
    map(.directoryTooBig, base: .ext2) { planter in
      // A block past 2 GiB, on a triple indirect block: /file lends the blocks for that.
      let lent = try planter.blocks("/file").suffix(4).map { UInt32($0.rawValue) }
      for (address, index, pointer) in [
        (lent[0], 40, lent[1]), (lent[1], 0, lent[2]), (lent[2], 0, lent[3]),
      ] {
        planter.block(BlockAddress(UInt64(address))) {
          $0 = [UInt8](repeating: 0, count: $0.count)
          $0.setLE32(pointer, at: 4 * index)
        }
      }
      try planter.inode("/dir") { raw in
        raw.setBlockWord(14, lent[0])
        raw.blocksLow += 6
      }
      try planter.inode("/file") { raw in
        for word in 6..<10 { raw.setBlockWord(word, 0) }
        raw.wholeSize = 6144
        raw.blocksLow -= 8
      }
    },
  ]

  // MARK: Bad blocks

  /// Puts a block on the list of bad blocks.
  static func list(
    _ address: BlockAddress, in planter: Planter, blockCount: UInt32 = 1
  ) throws {
    try planter.inode(.badBlocks) { raw in
      raw.setBlockWord(0, UInt32(address.rawValue))
      raw.blocksLow = 2 * blockCount
      raw.wholeSize = 1024
    }
  }

  private static let badBlockRecipes: [Recipe] = [
    map(.badBlockOutside) { planter in
      try planter.inode(.badBlocks) { $0.setBlockWord(0, 0x7fff_ffff) }
    },
    map(.badBlockInMetadata, "bitmap") { planter in
      try list(planter.descriptor(0).blockBitmap, in: planter)
    },
    map(.badBlockInMetadata, "descriptors") { planter in
      try list(planter.superblock.descriptorBlock(for: GroupIndex(0)), in: planter)
    },
    map(.badBlockInMetadata, "inodes") { planter in
      try list(planter.descriptor(0).inodeTable, in: planter)
    },
    Recipe(.summary(.inodeMarkedFree), "bad-block", base: .ext2) { planter in
      // Inodes that nobody uses may lie in one: then nobody is to use them.
      try list(planter.descriptor(0).inodeTable + 20, in: planter)
    },
    Recipe(
      .directory(.inodeUnused), "bad-block", base: .ext2, with: [.summary(.inodeMarkedFree)]
    ) { planter in
      let block = planter.descriptor(0).inodeTable + 20
      try list(block, in: planter)
      let unused = UInt32(20 * planter.blockSize / 128 + 1)
      try planter.debugfs("link <\(unused)> /dir/lost")
    },
    map(.badBlockListBlock) { planter in
      let block = try planter.blocks("/file")[9]
      try root(of: "/file", in: planter) { $0.setLE16(9, at: entry(0) + 4) }
      try planter.inode("/file") {
        $0.wholeSize = 9216
        $0.blocksLow -= 2
      }
      try list(block, in: planter, blockCount: 2)
      try planter.inode(.badBlocks) {
        $0.setBlockWord(12, UInt32(block.rawValue))
        $0.wholeSize = 13 * 1024
      }
      planter.block(block) { $0 = [UInt8](repeating: 0, count: $0.count) }
    },
  ]
}
