import ExtantBase

/// Tells of many inodes in turn whether their checksums are right, each with one call of the CRC.
public struct InodeChecksumTest: Sendable {
  private let seed: UInt32
  private let inodeSize: Int
  /// The inode's number, its generation, and its slot with the checksum's halves as zeros: what the
  /// checksum is of, in a row.
  private var scratch: [UInt8]

  /// Nil for a filesystem whose inodes have no checksums.
  public init?(_ superblock: Superblock) {
    guard superblock.hasMetadataChecksums else { return nil }
    seed = superblock.checksumSeed
    inodeSize = superblock.inodeSize
    scratch = [UInt8](repeating: 0, count: 8 + inodeSize)
  }

  /// - Parameters:
  ///   - bytes: the slot.
  ///   - extraSize: i_extra_isize, within the slot.
  public mutating func isValid(
    _ bytes: RawSpan, number: InodeNumber, extraSize: UInt16
  ) -> Bool {
    var stored = UInt32(bytes.le16(Inode.Field.checksumLow))
    let hasHigh =
      inodeSize > Inode.baseSize
      && Inode.fits(Inode.Field.checksumHigh, 2, extraSize: extraSize)
    if hasHigh { stored |= UInt32(bytes.le16(Inode.Field.checksumHigh)) << 16 }
    let generation = bytes.le32(Inode.Field.generation)
    scratch.withMutableBytes { scratch in
      scratch.setLE32(number.rawValue, at: 0)
      scratch.setLE32(generation, at: 4)
      scratch.copy(from: bytes.extracting(0..<inodeSize), at: 8)
      scratch.setLE16(0, at: 8 + Inode.Field.checksumLow)
      if hasHigh { scratch.setLE16(0, at: 8 + Inode.Field.checksumHigh) }
    }
    let computed = crc32c(seed, scratch.rawBytes)
    return stored == (hasHigh ? computed : computed & 0xffff)
  }
}
