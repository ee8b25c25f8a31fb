import ExtantBase

/// Block and inode bitmaps: bit n of byte n / 8 stands for the group's n-th block or inode.
public enum Bitmap {
  /// In bytes: how much of the bitmap block stands for blocks (clusters with `bigalloc`), and is
  /// under its checksum.
  public static func blockByteCount(_ superblock: Superblock) -> Int {
    Int(superblock.blocksPerGroup >> superblock.clusterShift) / 8
  }
  /// In bytes: how much of the bitmap block stands for inodes, and is under its checksum.
  public static func inodeByteCount(_ superblock: Superblock) -> Int {
    (Int(superblock.inodesPerGroup) + 7) / 8
  }

  /// What the descriptor should hold as the checksum of the block bitmap in `bytes`; 0 where the
  /// image has no such checksums.
  public static func blockChecksum(_ bytes: RawSpan, superblock: Superblock) -> UInt32 {
    checksum(bytes, byteCount: blockByteCount(superblock), superblock)
  }

  /// The same for the inode bitmap.
  public static func inodeChecksum(_ bytes: RawSpan, superblock: Superblock) -> UInt32 {
    checksum(bytes, byteCount: inodeByteCount(superblock), superblock)
  }

  private static func checksum(
    _ bytes: RawSpan, byteCount: Int, _ superblock: Superblock
  ) -> UInt32 {
    guard superblock.hasMetadataChecksums else { return 0 }
    let crc = crc32c(superblock.checksumSeed, bytes.extracting(0..<byteCount))
    // Descriptors of 32 bytes have room for the low half only.
    return superblock.is64Bit ? crc : crc & 0xffff
  }

  /// Throws `corrupt` unless the block bitmap in `bytes` has the descriptor's checksum.
  public static func verifyBlockBitmap(
    _ bytes: RawSpan, group: GroupIndex, descriptor: GroupDescriptor, superblock: Superblock
  ) throws(FileSystemError) {
    let computed = blockChecksum(bytes, superblock: superblock)
    try verify(
      "block bitmap", descriptor.blockBitmap, group, superblock,
      stored: descriptor.blockBitmapChecksum, computed: computed)
  }

  /// Throws `corrupt` unless the inode bitmap in `bytes` has the descriptor's checksum.
  public static func verifyInodeBitmap(
    _ bytes: RawSpan, group: GroupIndex, descriptor: GroupDescriptor, superblock: Superblock
  ) throws(FileSystemError) {
    let computed = inodeChecksum(bytes, superblock: superblock)
    try verify(
      "inode bitmap", descriptor.inodeBitmap, group, superblock,
      stored: descriptor.inodeBitmapChecksum, computed: computed)
  }

  private static func verify(
    _ name: String, _ address: BlockAddress, _ group: GroupIndex, _ superblock: Superblock,
    stored: UInt32, computed: UInt32
  ) throws(FileSystemError) {
    guard !superblock.hasMetadataChecksums || stored == computed else {
      let rule = "\(group): \(checksumRule(stored, computed))"
      throw .corrupt(Corruption(name, block: address, rule, kind: .checksum))
    }
  }
}

extension RawSpan {
  /// Bit `index`, counted from the lowest bit of the first byte.
  @inlinable public func bit(_ index: Int) -> Bool {
    u8(index >> 3) & (1 << UInt8(index & 7)) != 0
  }

  /// How many of the first `count` bits are set.
  public func setBitCount(of count: Int) -> Int {
    var total = 0
    var index = 0
    while index + 64 <= count {
      total += le64(index >> 3).nonzeroBitCount
      index += 64
    }
    while index < count {
      total += bit(index) ? 1 : 0
      index += 1
    }
    return total
  }

  /// The first bit in `range` that is `value`, nil when there is none.
  public func firstBit(_ value: Bool, in range: Range<Int>) -> Int? {
    var index = range.lowerBound
    let dull: UInt64 = value ? 0 : ~0
    while index < range.upperBound {
      if index & 63 == 0, index + 64 <= range.upperBound {
        let word = le64(index >> 3)
        if word == dull {
          index += 64
          continue
        }
        return index + (value ? word : ~word).trailingZeroBitCount
      }
      if bit(index) == value { return index }
      index += 1
    }
    return nil
  }
}

extension MutableRawSpan {
  @inlinable public func bit(_ index: Int) -> Bool { bytes.bit(index) }

  @inlinable public mutating func setBit(_ index: Int, to value: Bool) {
    let mask: UInt8 = 1 << UInt8(index & 7)
    let byte = u8(index >> 3)
    setU8(value ? byte | mask : byte & ~mask, at: index >> 3)
  }

  /// Sets every bit in `range` to `value`, whole bytes at once.
  public mutating func setBits(_ range: Range<Int>, to value: Bool) {
    var index = range.lowerBound
    while index < range.upperBound, index & 7 != 0 {
      setBit(index, to: value)
      index += 1
    }
    let wholeBytes = (range.upperBound - index) / 8
    if wholeBytes > 0 {
      fill((index >> 3)..<((index >> 3) + wholeBytes), with: value ? 0xff : 0)
      index += wholeBytes * 8
    }
    while index < range.upperBound {
      setBit(index, to: value)
      index += 1
    }
  }
}
