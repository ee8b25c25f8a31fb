import Ext4Format
import ExtantBase
import ExtantCheck

extension Recipe {
  private static func directory(
    _ issue: DirectoryIssue, _ variant: String? = nil, base: BaseImage = .ext4,
    with others: [IssueKind] = [], e2fsck: Judgement = .broken,
    _ plant: @escaping @Sendable (Planter) throws -> Void
  ) -> Recipe {
    Recipe(.directory(issue), variant, base: base, with: others, e2fsck: e2fsck, plant: plant)
  }

  /// Where the root's entries begin: limit and count, the first entry's block, then 8 bytes each.
  private static let rootEntries = 32

  /// /deep has an index of two levels.
  private static let deepIndex = BaseImage.ext4.adding(
    ["mkdir /deep"] + (0..<170).map { _ in "expand_dir /deep" }
      + (0..<520).map {
        "ln /small /deep/" + String(repeating: "d", count: 236) + String(1000 + $0)
      })

  private static let bothFeatures = BaseImage(
    ["-t", "ext4", "-b", "1024", "-O", "casefold,encrypt"])

  static let directoryIndexRecipes: [Recipe] = [
    directory(.indexRoot) { try $0.indexRoot("/many") { $0.setLE32(1, at: 24) } },
    directory(.indexRoot, "length") { try $0.indexRoot("/many") { $0[29] = 4 } },
    directory(.indexHashVersion) { try $0.indexRoot("/many") { $0[28] = 9 } },
    directory(
      .indexNeedsSipHash, base: bothFeatures,
      with: [.directory(.encryptedNameTooShort), .connection(.linkCount)]
    ) {
      try $0.encrypt("/many", key: 1, flags: .casefold)
      try $0.encrypt("/many/first", key: 1)
    },
    directory(.indexForbidsSipHash) { try $0.indexRoot("/many") { $0[28] = 6 } },
    directory(.indexFlags) { try $0.indexRoot("/many") { $0[31] = 1 } },
    directory(.indexTooDeep) { try $0.indexRoot("/many") { $0[30] = 2 } },
    directory(.indexRootLayout, with: [.directory(.recordTooShort)]) {
      try $0.indexRoot("/many") { $0.setLE16(1000, at: 16) }
    },
    directory(.indexRootChecksum) {
      try $0.indexRoot("/many", keepingChecksum: true) { $0[1023] ^= 1 }
    },
    directory(.indexNodeChecksum, base: deepIndex) { planter in
      let node = try planter.firstNode("/deep")
      try planter.directoryBlock("/deep", node, as: { _ in nil }) { $0[1023] ^= 1 }
    },
    directory(.indexLimit) { try $0.indexRoot("/many") { $0.setLE16(100, at: rootEntries) } },
    directory(.indexLimit, "noChecksums", base: .noChecksums) {
      try $0.indexRoot("/many") { $0.setLE16(100, at: rootEntries) }
    },
    directory(.indexCount) {
      try $0.indexRoot("/many", keepingChecksum: true) { $0.setLE16(500, at: rootEntries + 2) }
    },
    directory(.indexBlock) { try $0.indexRoot("/many") { $0.setLE32(500, at: rootEntries + 12) } },
    directory(.indexOrder) { try $0.indexRoot("/many") { $0.setLE32(2, at: rootEntries + 24) } },
    directory(.indexBlockUnreferenced) {
      try $0.indexRoot("/many") { $0.setLE16($0.le16(rootEntries + 2) - 1, at: rootEntries + 2) }
    },
    directory(
      .indexBlockReferencedTwice,
      with: [.directory(.indexHashBelow)]
    ) {
      try $0.indexRoot("/many") { bytes in
        let count = Int(bytes.le16(rootEntries + 2))
        let last = rootEntries + 8 * (count - 1)
        bytes.setLE32(0xffff_fff0, at: last + 8)
        bytes.setLE32(bytes.le32(last + 4), at: last + 12)
        bytes.setLE16(UInt16(count + 1), at: rootEntries + 2)
      }
    },
    directory(.indexLeafDepth) { try $0.indexRoot("/many") { $0[30] = 1 } },
    directory(.indexHashBelow) {
      try $0.indexRoot("/many") { $0.setLE32($0.le32(rootEntries + 16) - 2, at: rootEntries + 8) }
    },
    directory(.indexHashBelow, "node", base: deepIndex) {
      try $0.indexRoot("/deep") { $0.setLE32(0xffff_fff0, at: rootEntries + 8) }
    },
    directory(.indexHashAbove) {
      try $0.indexRoot("/many") { $0.setLE32(2, at: rootEntries + 8) }
    },
    directory(.indexNodeAbove, base: deepIndex, e2fsck: .clean("it looks at leaves alone")) {
      try $0.indexRoot("/deep") { $0.setLE32(2, at: rootEntries + 8) }
    },
  ]

  // MARK: Directories in their inode

  static let directoryInlineRecipes: [Recipe] = [
    directory(.inlineParent, base: .inlineData) {
      try $0.inode("/dir/sub") { $0.setBlockWord(0, 999_999) }
    },
    directory(.inlineParentUnused, base: .inlineData) {
      try $0.inode("/dir/sub") { $0.setBlockWord(0, 200) }
    },
    directory(.recordTooShort, "inline", base: .inlineData) {
      try $0.inode("/dir") { $0.setLE16(8, at: RawInode.blockAreaOffset + 8) }
    },
    directory(.duplicateInlineName, base: .inlineData, e2fsck: .clean("it cannot mend it")) {
      try $0.inode("/dir") { raw in
        var area = raw.blockArea
        if let offset = Planter.offset(of: [0x62], in: area, from: 4) { area[offset + 8] = 0x61 }
        raw.blockArea = area
      }
    },
    directory(.inlineSize, base: .inlineData) { planter in
      try planter.inode("/dir") { raw in
        // An unused entry of 28 bytes in the attribute, of which it has 26.
        let start = Planter.xattrStart(raw)
        let value = raw.bytes.count - 28
        for offset in start..<raw.bytes.count { raw.bytes[offset] = 0 }
        let entry = PlantedXattr(
          index: 7, name: Array("data".utf8), valueOffset: UInt16(value - start - 4), valueSize: 26)
        raw.setLE32(0xea02_0000, at: start)
        _ = entry.write(&raw.bytes, at: start + 4)
        raw.setLE16(28, at: value + 4)
        raw.sizeLow = 86
      }
    },
  ]
}

extension Planter {
  /// The first inner node of a directory's hash tree, as a place in its blocks.
  func firstNode(_ path: String) throws -> Int {
    for (index, address) in try blocks(path).enumerated().dropFirst() {
      let bytes = readBlock(address)
      if bytes.le32(0) == 0, Int(bytes.le16(4)) == blockSize, bytes.le16(8) != 0 { return index }
    }
    throw SystemMissing(name: path)
  }
}
