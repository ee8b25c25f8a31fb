import ExtantBase

/// A block of the orphan file (feature `orphan_file`): numbers of inodes whose deletion or
/// truncation is not finished.
///
/// Layout, little-endian: inode numbers of 4 bytes, 0 for a free place; at the end a magic number
/// and a checksum (`ext4_orphan_block_tail`).
public struct OrphanFileBlock: Hashable, Sendable {
  /// One per place; 0 where it is free.
  public var inodes: [UInt32]

  static let magic: UInt32 = 0x0b10_ca04
  private static let tailSize = 8

  public init(inodes: [UInt32]) { self.inodes = inodes }

  /// Places in a block.
  public static func capacity(blockSize: Int) -> Int { (blockSize - tailSize) / 4 }

  /// The whole block at `address`, verified. `checksumSeed` is the orphan file's inode's, nil
  /// without `metadata_csum`.
  public init(
    _ bytes: RawSpan, at address: BlockAddress, orphanFile: InodeNumber, inodeCount: UInt32,
    checksumSeed: UInt32?
  ) throws(FileSystemError) {
    func corrupt(_ rule: String) -> FileSystemError {
      .corrupt(Corruption("orphan file block", inode: orphanFile, block: address, rule))
    }
    guard bytes.byteCount > Self.tailSize else { throw corrupt("it is too short") }
    let tail = bytes.byteCount - Self.tailSize
    guard bytes.le32(tail) == Self.magic else {
      throw corrupt("magic number \(hex(bytes.le32(tail))) is not \(hex(Self.magic))")
    }
    if let checksumSeed {
      let computed = Self.checksum(checksumSeed, bytes, at: address)
      let stored = bytes.le32(tail + 4)
      guard computed == stored else {
        throw corrupt("checksum \(hex(stored)) does not match \(hex(computed))").ofChecksum
      }
    }
    inodes = []
    for place in 0..<Self.capacity(blockSize: bytes.byteCount) {
      let inode = bytes.le32(place * 4)
      guard inode <= inodeCount else { throw corrupt("inode \(inode) is above \(inodeCount)") }
      inodes.append(inode)
    }
  }

  /// Fills a whole block; places past `inodes` become free.
  public func encode(
    into bytes: inout MutableRawSpan, at address: BlockAddress, checksumSeed: UInt32?
  ) {
    precondition(inodes.count <= Self.capacity(blockSize: bytes.byteCount))
    bytes.fill(0..<bytes.byteCount, with: 0)
    for (place, inode) in inodes.enumerated() { bytes.setLE32(inode, at: place * 4) }
    let tail = bytes.byteCount - Self.tailSize
    bytes.setLE32(Self.magic, at: tail)
    guard let checksumSeed else { return }
    bytes.setLE32(Self.checksum(checksumSeed, bytes.bytes, at: address), at: tail + 4)
  }

  // MARK: With no rule enforced

  /// Whether the block ends with an orphan file's magic number.
  public static func hasMagic(_ bytes: RawSpan) -> Bool {
    bytes.byteCount > tailSize && bytes.le32(bytes.byteCount - tailSize) == magic
  }

  /// True where there is no seed, as in a filesystem without checksums.
  public static func hasValidChecksum(
    _ bytes: RawSpan, at address: BlockAddress, checksumSeed: UInt32?
  ) -> Bool {
    guard let checksumSeed, bytes.byteCount > tailSize else { return true }
    return bytes.le32(bytes.byteCount - 4) == checksum(checksumSeed, bytes, at: address)
  }

  /// The numbers in the block that are not 0, whatever they are.
  public static func entries(_ bytes: RawSpan) -> [UInt32] {
    (0..<capacity(blockSize: bytes.byteCount)).map { bytes.le32($0 * 4) }.filter { $0 != 0 }
  }

  /// Over the block's address as 64 bits, then the places.
  private static func checksum(
    _ seed: UInt32, _ bytes: RawSpan, at address: BlockAddress
  ) -> UInt32 {
    var checksum = crc32c(seed, littleEndian: UInt32(truncatingIfNeeded: address.rawValue))
    checksum = crc32c(checksum, littleEndian: UInt32(truncatingIfNeeded: address.rawValue >> 32))
    return crc32c(checksum, bytes.extracting(0..<(capacity(blockSize: bytes.byteCount) * 4)))
  }
}
