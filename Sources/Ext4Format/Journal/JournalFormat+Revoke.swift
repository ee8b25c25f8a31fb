import ExtantBase

/// Revocations: blocks whose copies in this transaction and all before it must not be replayed,
/// because they were freed and may hold something else by now.
extension JournalFormat {
  private static let revokeHeaderByteCount = 16

  private var revokeRecordByteCount: Int { is64Bit ? 8 : 4 }

  /// The most addresses that one revocation holds.
  public var addressesPerRevokeBlock: Int {
    (blockSize - Self.revokeHeaderByteCount - tailByteCount) / revokeRecordByteCount
  }

  /// Writes a revocation. Traps past `addressesPerRevokeBlock` addresses.
  public func encodeRevoke(
    _ addresses: [BlockAddress], sequence: UInt32, into bytes: inout MutableRawSpan
  ) {
    precondition(addresses.count <= addressesPerRevokeBlock)
    JournalBlockHeader.encode(.revoke, sequence, into: &bytes)
    var place = Self.revokeHeaderByteCount
    for address in addresses {
      if is64Bit {
        bytes.setBE64(address.rawValue, at: place)
      } else {
        bytes.setBE32(UInt32(truncatingIfNeeded: address.rawValue), at: place)
      }
      place += revokeRecordByteCount
    }
    // In bytes, this header included.
    bytes.setBE32(UInt32(place), at: JournalBlockHeader.byteCount)
    setTail(&bytes)
  }

  /// The addresses in a revocation.
  ///
  /// - Throws: `corrupt` when it counts more bytes than the block has.
  public func decodeRevoke(_ bytes: RawSpan) throws(FileSystemError) -> [BlockAddress] {
    guard bytes.byteCount == blockSize else {
      throw .corrupt(Corruption("revocation", "\(bytes.byteCount) bytes are no block"))
    }
    let count = bytes.be32(JournalBlockHeader.byteCount)
    guard count >= Self.revokeHeaderByteCount, count <= blockSize - tailByteCount else {
      throw .corrupt(
        Corruption("revocation", "it counts \(count) bytes in a block of \(blockSize)"))
    }
    var addresses: [BlockAddress] = []
    var place = Self.revokeHeaderByteCount
    while place + revokeRecordByteCount <= Int(count) {
      addresses.append(BlockAddress(is64Bit ? bytes.be64(place) : UInt64(bytes.be32(place))))
      place += revokeRecordByteCount
    }
    return addresses
  }
}
