import ExtantBase

/// What a block group is: where its bitmaps and inode table lie, and how much in it is free.
///
/// Source: the kernel's Documentation/filesystems/ext4/group_descr.rst.
public struct GroupDescriptor: Sendable, Equatable {
  public struct Flags: OptionSet, Sendable, Hashable {
    public var rawValue: UInt16
    public init(rawValue: UInt16) { self.rawValue = rawValue }
    /// No inode of the group was ever used; its inode bitmap is not written.
    public static let inodeUninit = Self(rawValue: 1)
    /// The block bitmap is not written; it follows from the layout.
    public static let blockUninit = Self(rawValue: 2)
    /// The inode table was zeroed.
    public static let inodeZeroed = Self(rawValue: 4)
  }

  public var blockBitmap: BlockAddress
  public var inodeBitmap: BlockAddress
  public var inodeTable: BlockAddress
  public var freeBlocks: UInt32
  public var freeInodes: UInt32
  public var usedDirectories: UInt32
  /// Inodes at the end of the table that were never used.
  public var unusedInodes: UInt32
  public var flags: Flags
  /// crc32c of the bitmaps; only the low 16 bits exist in descriptors of 32 bytes.
  public var blockBitmapChecksum: UInt32
  public var inodeBitmapChecksum: UInt32

  public init(
    blockBitmap: BlockAddress, inodeBitmap: BlockAddress, inodeTable: BlockAddress,
    freeBlocks: UInt32, freeInodes: UInt32, usedDirectories: UInt32 = 0, unusedInodes: UInt32 = 0,
    flags: Flags = [], blockBitmapChecksum: UInt32 = 0, inodeBitmapChecksum: UInt32 = 0
  ) {
    self.blockBitmap = blockBitmap
    self.inodeBitmap = inodeBitmap
    self.inodeTable = inodeTable
    self.freeBlocks = freeBlocks
    self.freeInodes = freeInodes
    self.usedDirectories = usedDirectories
    self.unusedInodes = unusedInodes
    self.flags = flags
    self.blockBitmapChecksum = blockBitmapChecksum
    self.inodeBitmapChecksum = inodeBitmapChecksum
  }

  /// Decodes the descriptor at the start of `bytes`, verifies its checksum and its numbers.
  ///
  /// - Parameter bytes: at least `superblock.descriptorSize` of them.
  /// - Throws: `corrupt`, with the descriptor's block, where a rule is broken.
  public init(
    _ bytes: RawSpan, group: GroupIndex, superblock: Superblock
  ) throws(FileSystemError) {
    let place = superblock.descriptorBlock(for: group)
    func broken(_ rule: String) -> FileSystemError {
      .corrupt(Corruption("group descriptor", block: place, "\(group): \(rule)"))
    }
    guard bytes.byteCount >= superblock.descriptorSize, group.rawValue < superblock.groupCount
    else { throw broken("it does not exist") }
    self.init(unchecked: bytes, superblock: superblock)

    if superblock.hasUninitializedGroups {
      let stored = bytes.le16(Field.checksum)
      let computed = Self.checksum(of: bytes, group: group, superblock: superblock)
      guard stored == computed else {
        throw broken(checksumRule(UInt32(stored), UInt32(computed))).ofChecksum
      }
    }

    try check(group: group, superblock: superblock, broken)
  }

  /// Whether the checksum of the descriptor in `bytes` is right, or there is none to be right.
  public static func hasValidChecksum(
    _ bytes: RawSpan, group: GroupIndex, superblock: Superblock
  ) -> Bool {
    !superblock.hasUninitializedGroups
      || bytes.le16(Field.checksum) == checksum(of: bytes, group: group, superblock: superblock)
  }

  /// Decodes the descriptor at the start of `bytes` as it is, with no rule enforced.
  ///
  /// - Parameter bytes: at least `superblock.descriptorSize` of them.
  public init(unchecked bytes: RawSpan, superblock: Superblock) {
    let is64Bit = superblock.is64Bit
    func address(_ low: Int, _ high: Int) -> BlockAddress {
      BlockAddress(UInt64(bytes.le32(low)) | (is64Bit ? UInt64(bytes.le32(high)) << 32 : 0))
    }
    func count(_ low: Int, _ high: Int) -> UInt32 {
      UInt32(bytes.le16(low)) | (is64Bit ? UInt32(bytes.le16(high)) << 16 : 0)
    }
    blockBitmap = address(Field.blockBitmapLow, Field.blockBitmapHigh)
    inodeBitmap = address(Field.inodeBitmapLow, Field.inodeBitmapHigh)
    inodeTable = address(Field.inodeTableLow, Field.inodeTableHigh)
    freeBlocks = count(Field.freeBlocksLow, Field.freeBlocksHigh)
    freeInodes = count(Field.freeInodesLow, Field.freeInodesHigh)
    usedDirectories = count(Field.usedDirectoriesLow, Field.usedDirectoriesHigh)
    unusedInodes = count(Field.unusedInodesLow, Field.unusedInodesHigh)
    flags = Flags(rawValue: bytes.le16(Field.flags))
    blockBitmapChecksum = count(Field.blockBitmapChecksumLow, Field.blockBitmapChecksumHigh)
    inodeBitmapChecksum = count(Field.inodeBitmapChecksumLow, Field.inodeBitmapChecksumHigh)
  }

  private func check(
    group: GroupIndex, superblock: Superblock, _ broken: (String) -> FileSystemError
  ) throws(FileSystemError) {
    let tableBlocks = UInt64(superblock.inodeTableBlockCount)
    for (name, address, blocks) in [
      ("block bitmap", blockBitmap, 1), ("inode bitmap", inodeBitmap, 1),
      ("inode table", inodeTable, tableBlocks),
    ] {
      guard superblock.contains(address, count: blocks) else {
        throw broken("its \(name) at \(address) is outside the filesystem")
      }
      // Without flex_bg, a group's own metadata lie in the group.
      if !superblock.features.incompat.contains(.flexBg) {
        let last = address + (blocks - 1)
        guard superblock.group(of: address) == group, superblock.group(of: last) == group else {
          throw broken("its \(name) at \(address) is in another group, without flex_bg")
        }
      }
    }
    let table = inodeTable..<(inodeTable + tableBlocks)
    guard blockBitmap != inodeBitmap, !table.contains(blockBitmap), !table.contains(inodeBitmap)
    else { throw broken("its bitmaps and inode table overlap") }
    guard freeBlocks <= superblock.blocks(in: group) else {
      throw broken("\(freeBlocks) free blocks are more than it has")
    }
    guard freeInodes <= superblock.inodesPerGroup else {
      throw broken("\(freeInodes) free inodes are more than it has")
    }
    guard usedDirectories <= superblock.inodesPerGroup - freeInodes else {
      throw broken("\(usedDirectories) directories are more than its inodes in use")
    }
    if superblock.hasUninitializedGroups {
      guard unusedInodes <= superblock.inodesPerGroup else {
        throw broken("\(unusedInodes) unused inodes are more than it has")
      }
    }
  }

  /// Writes the descriptor to the start of `bytes`; fields unknown here stay. Sets the checksum.
  ///
  /// - Parameter bytes: at least `superblock.descriptorSize` of them.
  public func encode(
    into bytes: inout MutableRawSpan, group: GroupIndex, superblock: Superblock
  ) {
    let is64Bit = superblock.is64Bit
    for (low, high, address) in [
      (Field.blockBitmapLow, Field.blockBitmapHigh, blockBitmap),
      (Field.inodeBitmapLow, Field.inodeBitmapHigh, inodeBitmap),
      (Field.inodeTableLow, Field.inodeTableHigh, inodeTable),
    ] {
      bytes.setLE32(UInt32(truncatingIfNeeded: address.rawValue), at: low)
      if is64Bit { bytes.setLE32(UInt32(truncatingIfNeeded: address.rawValue >> 32), at: high) }
    }
    for (low, high, count) in [
      (Field.freeBlocksLow, Field.freeBlocksHigh, freeBlocks),
      (Field.freeInodesLow, Field.freeInodesHigh, freeInodes),
      (Field.usedDirectoriesLow, Field.usedDirectoriesHigh, usedDirectories),
      (Field.unusedInodesLow, Field.unusedInodesHigh, unusedInodes),
      (Field.blockBitmapChecksumLow, Field.blockBitmapChecksumHigh, blockBitmapChecksum),
      (Field.inodeBitmapChecksumLow, Field.inodeBitmapChecksumHigh, inodeBitmapChecksum),
    ] {
      bytes.setLE16(UInt16(truncatingIfNeeded: count), at: low)
      if is64Bit { bytes.setLE16(UInt16(truncatingIfNeeded: count >> 16), at: high) }
    }
    bytes.setLE16(flags.rawValue, at: Field.flags)
    if superblock.hasUninitializedGroups {
      let checksum = Self.checksum(of: bytes.bytes, group: group, superblock: superblock)
      bytes.setLE16(checksum, at: Field.checksum)
    }
  }

  /// Where the inode table of a descriptor starts, whatever else is wrong with it: this never
  /// changes. Traps on fewer bytes than a descriptor has.
  public static func inodeTable(_ bytes: RawSpan, superblock: Superblock) -> BlockAddress {
    let high = superblock.is64Bit ? UInt64(bytes.le32(Field.inodeTableHigh)) : 0
    return BlockAddress(UInt64(bytes.le32(Field.inodeTableLow)) | high << 32)
  }

  /// crc32c's low half with metadata_csum, crc16 with uninit_bg; over the UUID (or its seed), the
  /// group's number and the descriptor.
  private static func checksum(
    of bytes: RawSpan, group: GroupIndex, superblock: Superblock
  ) -> UInt16 {
    let before = bytes.extracting(0..<Field.checksum)
    let after = bytes.extracting((Field.checksum + 2)..<superblock.descriptorSize)
    if superblock.hasMetadataChecksums {
      var crc = crc32c(superblock.checksumSeed, littleEndian: group.rawValue)
      crc = crc32c(crc, before)
      // Here the field counts as zeros; with crc16 it does not count at all.
      crc = crc32c(crc, zeros: 2)
      return UInt16(truncatingIfNeeded: crc32c(crc, after))
    }
    var number: [UInt8] = [0, 0, 0, 0]
    number.withMutableBytes { $0.setLE32(group.rawValue, at: 0) }
    var crc = crc16(~0, superblock.uuid.rawBytes)
    crc = crc16(crc, number.rawBytes)
    crc = crc16(crc, before)
    return crc16(crc, after)
  }

  /// In bytes from the descriptor's start.
  package static let checksumOffset = Field.checksum

  private enum Field {
    static let blockBitmapLow = 0x0
    static let inodeBitmapLow = 0x4
    static let inodeTableLow = 0x8
    static let freeBlocksLow = 0xC
    static let freeInodesLow = 0xE
    static let usedDirectoriesLow = 0x10
    static let flags = 0x12
    static let blockBitmapChecksumLow = 0x18
    static let inodeBitmapChecksumLow = 0x1A
    static let unusedInodesLow = 0x1C
    static let checksum = 0x1E
    static let blockBitmapHigh = 0x20
    static let inodeBitmapHigh = 0x24
    static let inodeTableHigh = 0x28
    static let freeBlocksHigh = 0x2C
    static let freeInodesHigh = 0x2E
    static let usedDirectoriesHigh = 0x30
    static let unusedInodesHigh = 0x32
    static let blockBitmapChecksumHigh = 0x38
    static let inodeBitmapChecksumHigh = 0x3A
  }
}
