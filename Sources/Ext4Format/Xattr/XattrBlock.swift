import ExtantBase

/// A block of extended attributes (`ext4_xattr_header`), which `i_file_acl` names. Inodes with
/// equal attributes may share one.
///
/// Layout, little-endian: magic, reference count, blocks (1), hash, checksum (4 bytes each), 12
/// bytes of zeros; entries in the order of `XattrName`, with values' offsets from the block's
/// start.
public struct XattrBlock: Hashable, Sendable {
  /// How many inodes name the block.
  public var referenceCount: UInt32
  public var attributes: [Xattr]

  /// Linux never shares a block further (EXT4_XATTR_REFCOUNT_MAX).
  public static let maximumReferenceCount: UInt32 = 1024
  private static let header = 32
  private static let checksumOffset = 16

  public init(referenceCount: UInt32 = 1, attributes: [Xattr]) {
    self.referenceCount = referenceCount
    self.attributes = attributes
  }

  /// Bytes for entries and values.
  public static func capacity(blockSize: Int) -> Int {
    XattrArea.capacity(byteCount: blockSize, firstEntry: header)
  }

  private static func area(_ inode: InodeNumber, _ address: BlockAddress) -> XattrArea {
    XattrArea(
      structure: "attribute block", inode: inode, block: address, firstEntry: header,
      valueBase: 0, hasHashes: true)
  }

  /// The whole block at `address`, verified. `checksumSeed` is the filesystem's, nil without
  /// `metadata_csum`; `inode` is for messages.
  public init(
    _ bytes: RawSpan, at address: BlockAddress, inode: InodeNumber, checksumSeed: UInt32?
  ) throws(FileSystemError) {
    let area = Self.area(inode, address)
    guard bytes.byteCount > Self.header else { throw area.corrupt("it is too short") }
    guard bytes.le32(0) == XattrArea.magic else {
      throw area.corrupt("magic number \(hex(bytes.le32(0))) is not \(hex(XattrArea.magic))")
    }
    guard bytes.le32(8) == 1 else { throw area.corrupt("it has \(bytes.le32(8)) blocks") }
    referenceCount = bytes.le32(4)
    guard (1...Self.maximumReferenceCount).contains(referenceCount) else {
      throw area.corrupt("\(referenceCount) inodes share it")
    }
    if let checksumSeed {
      let computed = Self.checksum(checksumSeed, bytes, at: address)
      let stored = bytes.le32(Self.checksumOffset)
      guard computed == stored else {
        throw area.corrupt("checksum \(hex(stored)) does not match \(hex(computed))").ofChecksum
      }
    }
    attributes = try area.decode(bytes)
  }

  /// Fills a whole block. The attributes must fit.
  public func encode(
    into bytes: inout MutableRawSpan, at address: BlockAddress, checksumSeed: UInt32?
  ) {
    bytes.fill(0..<Self.header, with: 0)
    bytes.setLE32(XattrArea.magic, at: 0)
    bytes.setLE32(1, at: 8)
    let sorted = attributes.sorted { $0.name < $1.name }
    Self.area(InodeNumber(0), address).encode(sorted, into: &bytes)
    bytes.setLE32(Self.hash(sorted), at: 12)
    bytes.setLE32(referenceCount, at: 4)
    Self.seal(&bytes, at: address, checksumSeed)
  }

  /// Takes one from how many inodes name a verified block, with nothing else changed but its
  /// checksum; returns what remains.
  public static func removeReference(
    in bytes: inout MutableRawSpan, at address: BlockAddress, checksumSeed: UInt32?
  ) -> UInt32 {
    let remaining = max(bytes.le32(4), 1) - 1
    bytes.setLE32(remaining, at: 4)
    seal(&bytes, at: address, checksumSeed)
    return remaining
  }

  /// Sets the checksum; `checksumSeed` is nil where the filesystem has none.
  public static func seal(
    _ bytes: inout MutableRawSpan, at address: BlockAddress, _ checksumSeed: UInt32?
  ) {
    guard let checksumSeed else { return }
    bytes.setLE32(checksum(checksumSeed, bytes.bytes, at: address), at: checksumOffset)
  }

  /// `h_hash`, by which Linux finds equal blocks: the entries' hashes, each mixed into the hash
  /// turned left by 16 bits; 0 when an entry has none.
  private static func hash(_ attributes: [Xattr]) -> UInt32 {
    var hash: UInt32 = 0
    for attribute in attributes {
      let entry = attribute.entryHash
      if entry == 0 { return 0 }
      hash = (hash << 16 | hash >> 16) ^ entry
    }
    return hash
  }

  /// Whether the checksum is right; true where the filesystem has none.
  public static func hasValidChecksum(
    _ bytes: RawSpan, at address: BlockAddress, checksumSeed: UInt32?
  ) -> Bool {
    guard let checksumSeed else { return true }
    return checksum(checksumSeed, bytes, at: address) == bytes.le32(checksumOffset)
  }

  /// Over the block's address as 64 bits, then the block with the checksum as zeros.
  private static func checksum(
    _ seed: UInt32, _ bytes: RawSpan, at address: BlockAddress
  ) -> UInt32 {
    var checksum = crc32c(seed, littleEndian: UInt32(truncatingIfNeeded: address.rawValue))
    checksum = crc32c(checksum, littleEndian: UInt32(truncatingIfNeeded: address.rawValue >> 32))
    checksum = crc32c(checksum, bytes.extracting(0..<checksumOffset))
    checksum = crc32c(checksum, zeros: 4)
    return crc32c(checksum, bytes.extracting((checksumOffset + 4)..<bytes.byteCount))
  }
}
