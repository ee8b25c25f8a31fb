import CISAL
import ExtantBase

/// The block that ends a transaction: with it on the device the transaction counts, without it
/// nothing of it does.
public struct JournalCommit: Sendable, Equatable {
  static let byteCount = 0x40

  /// When it was written: a later transaction's is never earlier.
  public var time: Timestamp
  /// 1 (crc32) for the CRC of a whole transaction (v1), 0 for none.
  var checksumType: UInt8
  var checksumByteCount: UInt8
  var checksum: UInt32
}

extension JournalFormat {
  private enum Field {
    static let checksumType = 0xC
    static let checksumByteCount = 0xD
    static let checksum = 0x10
    static let seconds = 0x30
    static let nanoseconds = 0x38
  }

  /// Writes a commit block. One of a journal with v1 checksums says that it has none, which every
  /// reader accepts.
  public func encodeCommit(sequence: UInt32, time: Timestamp, into bytes: inout MutableRawSpan) {
    JournalBlockHeader.encode(.commit, sequence, into: &bytes)
    bytes.setBE64(UInt64(bitPattern: time.seconds), at: Field.seconds)
    bytes.setBE32(time.nanoseconds, at: Field.nanoseconds)
    guard hasBlockChecksums else { return }
    bytes.setBE32(crc32c(checksumSeed, bytes.bytes), at: Field.checksum)
  }

  /// Decodes a commit block; nil where the block is not a block long.
  public func decodeCommit(_ bytes: RawSpan) -> JournalCommit? {
    guard bytes.byteCount == blockSize else { return nil }
    return JournalCommit(
      time: Timestamp(
        seconds: Int64(bitPattern: bytes.be64(Field.seconds)),
        nanoseconds: bytes.be32(Field.nanoseconds)),
      checksumType: bytes.u8(Field.checksumType),
      checksumByteCount: bytes.u8(Field.checksumByteCount), checksum: bytes.be32(Field.checksum))
  }

  /// Whether a commit block's own checksum (v2, v3) is right. Always true without these.
  ///
  /// A block of which only the first sector reached the device counts: all that it says is there,
  /// and it was not begun before the transaction was durable. The rest of it would be zero.
  public func hasValidCommitChecksum(_ bytes: RawSpan) -> Bool {
    guard hasBlockChecksums, !isPlanted(.recoveryIgnoresChecksums) else { return true }
    guard bytes.byteCount == blockSize else { return false }
    let stored = bytes.be32(Field.checksum)
    var crc = crc32c(checksumSeed, bytes.extracting(0..<Field.checksum))
    crc = crc32c(crc, zeros: 4)
    crc = crc32c(crc, bytes.extracting(Field.checksum + 4..<JournalCommit.byteCount))
    if stored == crc32c(crc, bytes.extracting(JournalCommit.byteCount..<blockSize)) { return true }
    let zeros = [UInt8](repeating: 0, count: blockSize - JournalCommit.byteCount)
    return stored == crc32c(crc, zeros)
  }

  // MARK: The checksum of a whole transaction (v1)

  /// What a transaction's CRC starts from.
  public static let transactionChecksumStart: UInt32 = ~0

  /// The CRC after one more of a transaction's blocks, as it lies in the log: descriptors and what
  /// they announce count, revocations do not.
  public static func transactionChecksum(_ seed: UInt32, _ block: RawSpan) -> UInt32 {
    unsafe block.withUnsafeBytes { buffer in
      guard let base = buffer.baseAddress else { return seed }
      // ISA-L's prototype lacks a const; the bytes are only read. It inverts what goes in and out.
      let start = unsafe UnsafeMutablePointer(
        mutating: base.assumingMemoryBound(to: UInt8.self))
      return unsafe ~crc32_ieee(~seed, start, UInt64(buffer.count))
    }
  }

  /// Whether a commit's CRC of its transaction (v1) is the one computed, or is left out as it may
  /// be.
  public func matches(_ commit: JournalCommit, transactionChecksum: UInt32) -> Bool {
    guard hasTransactionChecksums, !isPlanted(.recoveryIgnoresChecksums) else { return true }
    let leftOut =
      commit.checksumType == 0 && commit.checksumByteCount == 0 && commit.checksum == 0
    return leftOut
      || (commit.checksumType == 1 && commit.checksumByteCount == 4
        && commit.checksum == transactionChecksum)
  }
}
