import ExtantBase

extension Inode {
  /// What the checksums of an inode's extent nodes and directory blocks start from.
  public static func checksumSeed(
    number: InodeNumber, generation: UInt32, superblock: Superblock
  ) -> UInt32 {
    let crc = crc32c(superblock.checksumSeed, littleEndian: number.rawValue)
    return crc32c(crc, littleEndian: generation)
  }

  /// The same for this inode.
  public func checksumSeed(number: InodeNumber, superblock: Superblock) -> UInt32 {
    Self.checksumSeed(number: number, generation: generation, superblock: superblock)
  }

  /// crc32c of the whole inode, attributes included, with its own two halves as zeros.
  private static func checksum(
    _ bytes: RawSpan, extraSize: UInt16, number: InodeNumber, superblock: Superblock
  ) -> UInt32 {
    var crc = checksumSeed(
      number: number, generation: bytes.le32(Field.generation), superblock: superblock)
    crc = crc32c(crc, bytes.extracting(0..<Field.checksumLow))
    crc = crc32c(crc, zeros: 2)
    crc = crc32c(crc, bytes.extracting((Field.checksumLow + 2)..<baseSize))
    guard superblock.inodeSize > baseSize else { return crc & 0xffff }
    guard hasChecksumHigh(extraSize) else {
      return crc32c(crc, bytes.extracting(baseSize..<superblock.inodeSize)) & 0xffff
    }
    crc = crc32c(crc, bytes.extracting(baseSize..<Field.checksumHigh))
    crc = crc32c(crc, zeros: 2)
    return crc32c(crc, bytes.extracting((Field.checksumHigh + 2)..<superblock.inodeSize))
  }

  private static func hasChecksumHigh(_ extraSize: UInt16) -> Bool {
    fits(Field.checksumHigh, 2, extraSize: extraSize)
  }

  static func verifyChecksum(
    _ bytes: RawSpan, extraSize: UInt16, number: InodeNumber, superblock: Superblock
  ) throws(FileSystemError) {
    guard superblock.hasMetadataChecksums else { return }
    let computed = checksum(bytes, extraSize: extraSize, number: number, superblock: superblock)
    var stored = UInt32(bytes.le16(Field.checksumLow))
    if hasChecksumHigh(extraSize) { stored |= UInt32(bytes.le16(Field.checksumHigh)) << 16 }
    guard stored == computed else {
      throw .corrupt(
        Corruption("inode", inode: number, checksumRule(stored, computed), kind: .checksum))
    }
  }

  /// The same for a slot of which nothing is known yet: its extra size may be anything.
  public static func hasValidChecksum(
    slot bytes: RawSpan, number: InodeNumber, superblock: Superblock
  ) -> Bool {
    let room = superblock.inodeSize - baseSize
    let extraSize = room > 0 ? min(bytes.le16(Field.extraSize), UInt16(room)) : 0
    return hasValidChecksum(bytes, extraSize: extraSize, number: number, superblock: superblock)
  }

  /// Whether the checksum of the inode in `bytes` is right, or there is none to be right.
  static func hasValidChecksum(
    _ bytes: RawSpan, extraSize: UInt16, number: InodeNumber, superblock: Superblock
  ) -> Bool {
    guard superblock.hasMetadataChecksums else { return true }
    let computed = checksum(bytes, extraSize: extraSize, number: number, superblock: superblock)
    let low = UInt32(bytes.le16(Field.checksumLow))
    guard hasChecksumHigh(extraSize) else { return low == computed }
    return low | UInt32(bytes.le16(Field.checksumHigh)) << 16 == computed
  }

  /// Throws `corrupt` unless `bytes`, as long as an inode, hold inode `number` as it was written:
  /// some inode, with the right checksum where there are checksums. Cheaper than decoding it.
  public static func verifyInUse(
    _ bytes: RawSpan, number: InodeNumber, superblock: Superblock
  ) throws(FileSystemError) {
    guard !isUnused(bytes) else {
      throw .corrupt(Corruption("inode", inode: number, "it is in use, but its place is empty"))
    }
    let room = superblock.inodeSize - baseSize
    let extraSize = room > 0 ? min(bytes.le16(Field.extraSize), UInt16(room)) : 0
    try verifyChecksum(bytes, extraSize: extraSize, number: number, superblock: superblock)
  }

  static func setChecksum(
    _ bytes: inout MutableRawSpan, extraSize: UInt16, number: InodeNumber, superblock: Superblock
  ) {
    guard superblock.hasMetadataChecksums else { return }
    let crc = checksum(bytes.bytes, extraSize: extraSize, number: number, superblock: superblock)
    bytes.setLE16(UInt16(truncatingIfNeeded: crc), at: Field.checksumLow)
    if hasChecksumHigh(extraSize) {
      bytes.setLE16(UInt16(truncatingIfNeeded: crc >> 16), at: Field.checksumHigh)
    }
  }

  /// Recomputes the checksum of the inode in `bytes` after a change made in place, as one of the
  /// attributes behind its fields.
  public static func updateChecksum(
    _ bytes: inout MutableRawSpan, number: InodeNumber, superblock: Superblock
  ) {
    let room = superblock.inodeSize - baseSize
    let extraSize = room > 0 ? min(bytes.le16(Field.extraSize), UInt16(room)) : 0
    setChecksum(&bytes, extraSize: extraSize, number: number, superblock: superblock)
  }
}
