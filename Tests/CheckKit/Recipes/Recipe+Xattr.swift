import Ext4Format
import ExtantBase
import ExtantCheck

/// An entry of attributes, field by field, for recipes: whatever they say is written.
struct PlantedXattr {
  var index: UInt8 = 1
  var name: [UInt8]
  var valueOffset: UInt16 = 0
  var valueInode: UInt32 = 0
  var valueSize: UInt32 = 0
  var hash: UInt32 = 0

  /// With the hash that a name has whose value is empty.
  static func empty(_ byte: Character, _ count: Int) -> PlantedXattr {
    let name = [UInt8](repeating: byte.asciiValue ?? 0, count: count)
    return PlantedXattr(name: name, hash: XattrHash.name(name.rawBytes, 0..<count))
  }

  /// Writes it at `offset` and returns where the next is.
  func write(_ bytes: inout [UInt8], at offset: Int) -> Int {
    bytes[offset] = UInt8(name.count)
    bytes[offset + 1] = index
    bytes.setLE16(valueOffset, at: offset + 2)
    bytes.setLE32(valueInode, at: offset + 4)
    bytes.setLE32(valueSize, at: offset + 8)
    bytes.setLE32(hash, at: offset + 12)
    bytes.replaceSubrange(offset + 16..<offset + 16 + name.count, with: name)
    return (offset + 16 + name.count + 3) & ~3
  }
}

extension Planter {
  /// Where the attributes in an inode begin with their magic number.
  static func xattrStart(_ raw: RawInode) -> Int { 128 + Int(raw.extraSize) }

  /// Writes entries into an inode, in place of what was there.
  func inodeXattrs(_ path: String, _ entries: [PlantedXattr], junk: UInt32 = 0) throws {
    try inode(path) { raw in
      let start = Self.xattrStart(raw)
      for offset in start..<raw.bytes.count { raw.bytes[offset] = 0 }
      raw.setLE32(0xea02_0000, at: start)
      var offset = start + 4
      for entry in entries { offset = entry.write(&raw.bytes, at: offset) }
      if junk != 0 { raw.setLE32(junk, at: offset) }
    }
  }

  /// Changes the attributes' block of an inode, with its checksum.
  func xattrBlock(_ path: String, _ change: (inout [UInt8]) throws -> Void) throws {
    try block(xattrAddress(path), as: .xattrs, change)
  }

  func xattrAddress(_ path: String) throws -> BlockAddress {
    BlockAddress(UInt64(try readInode(try inodeNumber(path)).fileACLLow))
  }

  /// Gives an inode the first attribute of another, which names an inode, in place of its own.
  func copyFirstXattr(from path: String, to number: InodeNumber) throws {
    let raw = try readInode(try inodeNumber(path))
    let start = Self.xattrStart(raw)
    let end = start + 4 + 16 + Int(raw.bytes[start + 4])
    let bytes = Array(raw.bytes[start..<end])
    try inode(number) { holder in
      holder.bytes.replaceSubrange(start..<end, with: bytes)
      // The value's blocks are charged to who names it.
      holder.blocksLow += 4
    }
  }

  /// The inode that holds the value of the first attribute in an inode, or in its block.
  func valueInode(_ path: String) throws -> InodeNumber {
    let raw = try readInode(try inodeNumber(path))
    return InodeNumber(raw.le32(Self.xattrStart(raw) + 8))
  }
}

extension Recipe {
  /// With a second attribute, user.other, behind user.large in the block of /attributes.
  private static let two = BaseImage.ext4.adding(twoCommands)
  private static let twoWithoutChecksums = BaseImage.noChecksums.adding(twoCommands)
  private static let twoCommands = [
    "ea_set /attributes user.other \(String(repeating: "other", count: 40))"
  ]
  /// With attributes of /small and /dir/a whose values are in inodes.
  private static let values = BaseImage.eaInode.adding([
    "ea_set /small user.held \(String(repeating: "value", count: 240))",
    "ea_set /dir/a user.held \(String(repeating: "other", count: 250))",
  ])
  private static let first = 32
  private static let second = 32 + 24

  /// With data in inodes, too.
  private static let valuesAndData = BaseImage(
    ["-t", "ext4", "-b", "1024", "-O", "ea_inode,inline_data"],
    commands: ["ea_set /empty user.held \(String(repeating: "value", count: 240))"])

  static let xattrRecipes: [Recipe] = inInode + inBlock + inInodes

  private static let inInode: [Recipe] = [
    Recipe(.xattr(.inodeEntryTooLong)) { planter in
      try planter.inode("/attributes") { raw in raw.bytes[Planter.xattrStart(raw) + 4] = 250 }
    },
    Recipe(.xattr(.inodeNoEnd)) { planter in
      try planter.inodeXattrs("/small", [.empty("e", 76)])
    },
    Recipe(.xattr(.inodeValueOutside)) { planter in
      try planter.inode("/attributes") { raw in
        raw.setLE16(90, at: Planter.xattrStart(raw) + 4 + 2)
      }
    },
    Recipe(.xattr(.inodeValueOutside), "size", base: .noChecksums) { planter in
      try planter.inode("/attributes") { raw in
        raw.setLE32(70000, at: Planter.xattrStart(raw) + 4 + 8)
      }
    },
    Recipe(.xattr(.inodeOverlap)) { planter in
      // Over the end's zeros.
      try planter.inode("/attributes") { raw in
        raw.setLE16(24, at: Planter.xattrStart(raw) + 4 + 2)
      }
    },
    Recipe(.xattr(.inodeOverlap), "values") { planter in
      let one = PlantedXattr(name: Array("one".utf8), valueOffset: 80, valueSize: 8)
      let two = PlantedXattr(name: Array("two".utf8), valueOffset: 84, valueSize: 4)
      try planter.inodeXattrs("/small", [one, two])
    },
    Recipe(.xattr(.inodeHash)) { planter in
      try planter.inode("/attributes") { raw in
        raw.setLE32(0x1234_5678, at: Planter.xattrStart(raw) + 4 + 12)
      }
    },
    Recipe(.xattr(.inodeHash), "without-checksum", base: .noChecksums) { planter in
      try planter.inode("/attributes") { raw in
        raw.setLE32(0x1234_5678, at: Planter.xattrStart(raw) + 4 + 12)
      }
    },
    Recipe(.xattr(.strayOffset), "empty", base: .inlineData) { planter in
      try planter.inode("/small") { raw in
        raw.setLE16(1000, at: Planter.xattrStart(raw) + 4 + 2)
      }
    },
    Recipe(.xattr(.junkAtEnd), e2fsck: .clean("it stops where no entry fits")) { planter in
      try planter.inodeXattrs("/small", [.empty("j", 64)], junk: 0x0101_0101)
    },
    Recipe(.xattr(.nameWithNul), e2fsck: .clean("it does not look at names")) { planter in
      try planter.inode("/attributes") { raw in raw.bytes[Planter.xattrStart(raw) + 4 + 17] = 0 }
    },
  ]

  private static let inBlock: [Recipe] = [
    Recipe(.xattr(.blockWithoutFeature)) { planter in
      planter.superblock { bytes in
        bytes.setLE32(
          bytes.le32(SuperblockField.featureCompat) & ~CompatFeatures.extAttr.rawValue,
          at: SuperblockField.featureCompat)
      }
    },
    Recipe(.xattr(.blockAddress)) { planter in
      try planter.inode("/small") { $0.fileACLLow = 5_000_000 }
    },
    Recipe(
      .xattr(.ignoredBlockAddress), base: values,
      e2fsck: .clean("it comes upon such fields by names")
    ) { planter in
      try planter.inode(try planter.valueInode("/small")) { $0.fileACLLow = 5_000_000 }
    },
    Recipe(.xattr(.blockMagic)) { planter in
      let free = UInt32(planter.superblock.blockCount - 10)
      try planter.inode("/small") { $0.fileACLLow = free }
    },
    Recipe(.xattr(.blockCount)) { planter in
      try planter.xattrBlock("/attributes") { $0.setLE32(2, at: 8) }
    },
    Recipe(.xattr(.blockChecksum)) { planter in
      planter.block(try planter.xattrAddress("/attributes")) { $0[16] ^= 1 }
    },
    Recipe(.xattr(.blockEntryTooLong)) { planter in
      try planter.xattrBlock("/attributes") { block in
        for offset in first..<block.count { block[offset] = 0 }
        var offset = first
        for byte in ["a", "b", "c"] as [Character] {
          offset = PlantedXattr.empty(byte, 255).write(&block, at: offset)
        }
        block[offset] = 255
        block[offset + 1] = 1
      }
    },
    Recipe(.xattr(.blockNoEnd)) { planter in
      try planter.xattrBlock("/attributes") { block in
        for offset in first..<block.count { block[offset] = 0 }
        var offset = first
        for byte in ["a", "b", "c"] as [Character] {
          offset = PlantedXattr.empty(byte, 255).write(&block, at: offset)
        }
        _ = PlantedXattr.empty("d", block.count - offset - 16).write(&block, at: offset)
      }
    },
    Recipe(.xattr(.blockNoPrefix), base: two) { planter in
      try planter.xattrBlock("/attributes") { $0[second + 1] = 0 }
    },
    Recipe(.xattr(.blockValueOutside), base: two) { planter in
      try planter.xattrBlock("/attributes") { $0.setLE16(1000, at: second + 2) }
    },
    Recipe(.xattr(.blockOverlap), base: two) { planter in
      try planter.xattrBlock("/attributes") { $0.setLE16($0.le16(first + 2), at: second + 2) }
    },
    Recipe(.xattr(.blockHash), base: two) { planter in
      try planter.xattrBlock("/attributes") { $0[second + 12] ^= 1 }
    },
    Recipe(.xattr(.blockHash), "without-checksum", base: twoWithoutChecksums) { planter in
      try planter.xattrBlock("/attributes") { $0[second + 12] ^= 1 }
    },
    Recipe(
      .xattr(.blockEmptied), base: .noChecksums,
      with: [.xattr(.blockNoPrefix), .inode(.blockCount)]
    ) { planter in
      let address = UInt32(try planter.xattrAddress("/attributes").rawValue)
      try planter.inode("/small") { raw in
        raw.fileACLLow = address
        raw.blocksLow += 2
      }
      try planter.xattrBlock("/attributes") { block in
        block.setLE32(2, at: 4)
        block[first + 1] = 0
      }
    },
    Recipe(.xattr(.referenceCount), "high") { planter in
      try planter.xattrBlock("/attributes") { $0.setLE32(5, at: 4) }
    },
    Recipe(.xattr(.referenceCount), "zero") { planter in
      try planter.xattrBlock("/attributes") { $0.setLE32(0, at: 4) }
    },
    Recipe(.xattr(.referenceCount), "low") { planter in
      let address = UInt32(try planter.xattrAddress("/attributes").rawValue)
      try planter.inode("/small") { raw in
        raw.fileACLLow = address
        raw.blocksLow += 2
      }
    },
    Recipe(.xattr(.unsorted), base: two, e2fsck: .clean("it takes entries in any order")) {
      planter in
      try planter.xattrBlock("/attributes") { block in
        let other = Array(block[second..<second + 24])
        block.replaceSubrange(second..<second + 24, with: Array(block[first..<second]))
        block.replaceSubrange(first..<second, with: other)
      }
    },
  ]

  private static let flagUnseen = Judgement.clean("it asks of those without names only")

  private static let inInodes: [Recipe] = [
    Recipe(.xattr(.valueInodeNumber), "reserved", base: values) { planter in
      let entry = PlantedXattr(name: Array("v".utf8), valueInode: 5, valueSize: 100, hash: 1)
      try planter.inodeXattrs("/empty", [entry])
    },
    Recipe(.xattr(.valueInodeNumber), "past-the-end", base: values) { planter in
      let entry = PlantedXattr(
        name: Array("v".utf8), valueInode: 1_000_000, valueSize: 100, hash: 1)
      try planter.inodeXattrs("/empty", [entry])
    },
    Recipe(.xattr(.valueInodeNumber), "ordinary", base: values) { planter in
      let number = try planter.inodeNumber("/file").rawValue
      let entry = PlantedXattr(
        name: Array("v".utf8), valueInode: number, valueSize: 100, hash: 1)
      try planter.inodeXattrs("/empty", [entry])
    },
    Recipe(.xattr(.valueInodeHash), base: values) { planter in
      try planter.inode("/small") { raw in raw.bytes[Planter.xattrStart(raw) + 4 + 12] ^= 1 }
    },
    Recipe(.xattr(.valueInodeFlag), base: values) { planter in
      try planter.inode(try planter.valueInode("/small")) { $0.flags.remove(.eaInode) }
    },
    Recipe(.xattr(.valueInodeReferenceCount), base: values) { planter in
      try planter.inode(try planter.valueInode("/small")) { $0.versionLow = 51 }
    },
    Recipe(.xattr(.valueInodeUnreferenced), base: values, with: [.connection(.nameless)]) {
      planter in
      try planter.inode("/small") { $0.blocksLow -= 4 }
      try planter.inodeXattrs("/small", [])
    },
    Recipe(.xattr(.valueInodeNamed), base: values, e2fsck: flagUnseen) { planter in
      let number = try planter.valueInode("/small").rawValue
      try planter.inode("/small") { $0.blocksLow -= 4 }
      try planter.inodeXattrs("/small", [])
      try planter.debugfs("ln <\(number)> /named")
    },
    Recipe(.xattr(.valueInodeNamed), "without-feature", e2fsck: flagUnseen) { planter in
      try planter.inode("/file") { $0.flags.insert(.eaInode) }
    },
    Recipe(.xattr(.valueInodeKind), base: values, e2fsck: flagUnseen) { planter in
      try planter.inode("/dir") { $0.flags.insert(.eaInode) }
    },
    Recipe(.xattr(.valueInodeKind), "symlinks", base: values, e2fsck: flagUnseen) { planter in
      try planter.inode("/symlink") { $0.flags.insert(.eaInode) }
      try planter.inode("/slowlink") { $0.flags.insert(.eaInode) }
    },
    Recipe(.xattr(.valueInodeKind), "root", e2fsck: flagUnseen) { planter in
      try planter.inode(.root) { $0.flags.insert(.eaInode) }
    },
    Recipe(.xattr(.valueInodeKind), "journal", e2fsck: flagUnseen) { planter in
      try planter.inode(InodeNumber(8)) { $0.flags.insert(.eaInode) }
    },
    Recipe(.xattr(.valueInodeKind), "quota", base: .quota, e2fsck: flagUnseen) { planter in
      try planter.inode(InodeNumber(3)) { $0.flags.insert(.eaInode) }
    },
    Recipe(.xattr(.valueInodeKind), "holder-is-a-symlink", base: values, e2fsck: flagUnseen) {
      planter in
      try planter.inode(try planter.valueInode("/small")) { $0.mode = 0o120777 }
    },
    Recipe(.xattr(.valueInodeKind), "holder-is-a-directory", base: values) { planter in
      try planter.inode(try planter.valueInode("/small")) { $0.mode = 0o040755 }
    },
    Recipe(
      .xattr(.valueInodeSizeImpossible), base: values, with: [.inode(.blockCount)],
      e2fsck: .clean("it does not ask for the size")
    ) { planter in
      try planter.inode("/small") { raw in
        raw.setLE32(0, at: Planter.xattrStart(raw) + 4 + 8)
        raw.blocksLow -= 4
      }
    },
    Recipe(.xattr(.valueInodeSizeImpossible), "of-the-entry", base: values) { planter in
      try planter.inode("/small") { raw in raw.setLE32(0, at: Planter.xattrStart(raw) + 4 + 8) }
    },
    Recipe(.xattr(.valueInodeSizeImpossible), "huge", base: values) { planter in
      try planter.inode("/small") { raw in
        raw.setLE32(0xffff_ffff, at: Planter.xattrStart(raw) + 4 + 8)
      }
    },
    Recipe(
      .xattr(.valueInodeSizeImpossible), "of-an-empty-inode", base: values,
      with: [.xattr(.valueInodeUnreferenced), .connection(.namelessEmpty)],
      e2fsck: .clean("it does not ask for the size")
    ) { planter in
      let holder = try planter.valueInode("/small")
      try planter.debugfs(
        "punch <\(holder.rawValue)> 0", "sif <\(holder.rawValue)> size 0",
        "sif <\(holder.rawValue)> blocks 0")
      try planter.inode("/small") { raw in
        raw.setLE32(0, at: Planter.xattrStart(raw) + 4 + 8)
        raw.blocksLow -= 4
      }
    },
    Recipe(
      .xattr(.valueInodeAttributes), base: values,
      e2fsck: .clean("it takes any inode with the flag for one that holds a value")
    ) { planter in
      try planter.inodeXattrs(
        Planter.path(try planter.valueInode("/small")), [.empty("v", 4)])
    },
    Recipe(.xattr(.valueInodeAttributes), "itself", base: values) { planter in
      try planter.copyFirstXattr(from: "/small", to: try planter.valueInode("/small"))
    },
    Recipe(
      .xattr(.valueInodeAttributes), "itself-counted", base: values,
      e2fsck: .clean("it follows no attributes of inodes that hold values")
    ) { planter in
      let holder = try planter.valueInode("/small")
      try planter.copyFirstXattr(from: "/small", to: holder)
      try planter.inode(holder) { $0.versionLow = 2 }
    },
    Recipe(.xattr(.valueInodeAttributes), "each-other", base: values) { planter in
      try planter.copyFirstXattr(from: "/small", to: try planter.valueInode("/dir/a"))
      try planter.copyFirstXattr(from: "/dir/a", to: try planter.valueInode("/small"))
    },
    Recipe(
      .xattr(.valueInodeSize), base: values, e2fsck: .clean("it does not compare sizes")
    ) { planter in
      try planter.inode("/small") { raw in
        raw.setLE32(1199, at: Planter.xattrStart(raw) + 4 + 8)
      }
    },
    Recipe(.xattr(.valueInodeSizeBesideData), base: valuesAndData) { planter in
      try planter.inode("/empty") { raw in
        raw.setLE32(1199, at: Planter.xattrStart(raw) + 4 + 20 + 8)
      }
    },
    Recipe(.xattr(.valueInodeSizeBesideData), "inode", base: valuesAndData) { planter in
      let raw = try planter.readInode(try planter.inodeNumber("/empty"))
      let holder = InodeNumber(raw.le32(Planter.xattrStart(raw) + 4 + 20 + 4))
      try planter.inode(holder) { $0.sizeHigh = 2 }
    },
    Recipe(.xattr(.strayOffset), "value-inode", base: valuesAndData) { planter in
      try planter.inode("/empty") { raw in
        raw.setLE16(4, at: Planter.xattrStart(raw) + 4 + 20 + 2)
      }
    },
    Recipe(
      .xattr(.valueInodeFeature), base: values, e2fsck: .clean("it does not ask the superblock")
    ) { planter in
      planter.superblock { bytes in
        bytes.setLE32(
          bytes.le32(SuperblockField.featureIncompat) & ~IncompatFeatures.eaInode.rawValue,
          at: SuperblockField.featureIncompat)
      }
    },
  ]
}
