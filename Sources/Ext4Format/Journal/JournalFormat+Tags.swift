import ExtantBase

/// One block in the log: where its home is.
public struct JournalTag: Sendable, Equatable {
  public var address: BlockAddress
  /// Whether the block's first four bytes are the journal's magic number at home, and zero here.
  public var isEscaped: Bool
  /// Of the block as it lies in the log; 16 bits with v2 checksums, 0 without.
  public var checksum: UInt32

  public init(address: BlockAddress, isEscaped: Bool, checksum: UInt32) {
    self.address = address
    self.isEscaped = isEscaped
    self.checksum = checksum
  }
}

/// Descriptor blocks: a header, tags, each for the next block of the log, and a checksum.
///
/// A tag has 16 bytes with v3 checksums. Otherwise it has 8, 4 more for an address of 64 bits, and
/// with v2 checksums 2 more that nothing uses. A UUID of 16 bytes follows a tag that does not say
/// that it has the same as the one before: the first.
extension JournalFormat {
  private enum Flag {
    static let escaped: UInt32 = 1
    static let sameUUID: UInt32 = 2
    static let last: UInt32 = 8
  }

  private static let uuidByteCount = 16

  var tagByteCount: Int {
    if checksums == .v3 { return 16 }
    return 8 + (is64Bit ? 4 : 0) + (checksums == .v2 ? 2 : 0)
  }

  /// The most blocks that one descriptor announces.
  public var tagsPerDescriptor: Int {
    (blockSize - JournalBlockHeader.byteCount - Self.uuidByteCount - tailByteCount) / tagByteCount
  }

  /// The tag of a block that goes to the log.
  ///
  /// - Parameter block: its bytes as they go there, escaped already.
  public func makeTag(
    for address: BlockAddress, logged block: RawSpan, isEscaped: Bool, sequence: UInt32
  ) -> JournalTag {
    JournalTag(
      address: address, isEscaped: isEscaped, checksum: tagChecksum(block, sequence: sequence))
  }

  /// Whether `block`, as it lies in the log, is the one that `tag` was made for. Always true
  /// without v2 or v3 checksums.
  public func matches(_ tag: JournalTag, logged block: RawSpan, sequence: UInt32) -> Bool {
    isPlanted(.recoveryIgnoresChecksums) || tag.checksum == tagChecksum(block, sequence: sequence)
  }

  private func tagChecksum(_ block: RawSpan, sequence: UInt32) -> UInt32 {
    guard hasBlockChecksums else { return 0 }
    let crc = crc32c(crc32c(checksumSeed, littleEndian: sequence.byteSwapped), block)
    return checksums == .v3 ? crc : crc & 0xffff
  }

  /// Writes a descriptor. Traps past `tagsPerDescriptor` tags.
  public func encodeDescriptor(
    _ tags: [JournalTag], sequence: UInt32, into bytes: inout MutableRawSpan
  ) {
    precondition(tags.count <= tagsPerDescriptor)
    JournalBlockHeader.encode(.descriptor, sequence, into: &bytes)
    var place = JournalBlockHeader.byteCount
    for (index, tag) in tags.enumerated() {
      var flags = tag.isEscaped ? Flag.escaped : 0
      if index > 0 { flags |= Flag.sameUUID }
      if index == tags.count - 1 { flags |= Flag.last }
      let low = UInt32(truncatingIfNeeded: tag.address.rawValue)
      let high = UInt32(truncatingIfNeeded: tag.address.rawValue >> 32)
      bytes.setBE32(low, at: place)
      if checksums == .v3 {
        bytes.setBE32(flags, at: place + 4)
        bytes.setBE32(is64Bit ? high : 0, at: place + 8)
        bytes.setBE32(tag.checksum, at: place + 12)
      } else {
        bytes.setBE16(UInt16(truncatingIfNeeded: tag.checksum), at: place + 4)
        bytes.setBE16(UInt16(truncatingIfNeeded: flags), at: place + 6)
        if is64Bit { bytes.setBE32(high, at: place + 8) }
      }
      place += tagByteCount
      // The kernel leaves the UUID zero, and nobody reads it.
      if index == 0 { place += Self.uuidByteCount }
    }
    setTail(&bytes)
  }

  /// The tags of a descriptor, up to the one that says it is the last, or the block's end.
  ///
  /// - Returns: no more than fit into the block, whatever the bytes say. Empty for a block that is
  ///   not a block long.
  public func decodeTags(_ bytes: RawSpan) -> [JournalTag] {
    guard bytes.byteCount == blockSize else { return [] }
    let end = blockSize - tailByteCount
    var tags: [JournalTag] = []
    var place = JournalBlockHeader.byteCount
    while place + tagByteCount <= end {
      let flags: UInt32
      var address = UInt64(bytes.be32(place))
      var checksum: UInt32 = 0
      if checksums == .v3 {
        flags = bytes.be32(place + 4)
        checksum = bytes.be32(place + 12)
      } else {
        flags = UInt32(bytes.be16(place + 6))
        if checksums == .v2 { checksum = UInt32(bytes.be16(place + 4)) }
      }
      if is64Bit { address |= UInt64(bytes.be32(place + 8)) << 32 }
      tags.append(
        JournalTag(
          address: BlockAddress(address), isEscaped: flags & Flag.escaped != 0, checksum: checksum))
      if flags & Flag.last != 0 { break }
      place += tagByteCount
      if flags & Flag.sameUUID == 0 { place += Self.uuidByteCount }
    }
    return tags
  }
}
