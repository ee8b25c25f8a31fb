/// What a block of the journal is (h_blocktype). Blocks that a descriptor announces have no header:
/// they are what they are at home.
public enum JournalBlockType: UInt32, Sendable {
  case descriptor = 1
  case commit = 2
  case superblockV1 = 3
  case superblockV2 = 4
  case revoke = 5
}

/// The first 12 bytes of every block that the journal itself writes.
public struct JournalBlockHeader: Sendable, Equatable {
  public static let byteCount = 12

  /// Nil for a type unknown here: nothing that follows it is understood.
  public var type: JournalBlockType?
  public var sequence: UInt32

  /// Nil where the bytes do not start with the journal's magic number.
  public init?(_ bytes: RawSpan) {
    guard bytes.byteCount >= Self.byteCount, bytes.be32(0) == JournalSuperblock.magic else {
      return nil
    }
    type = JournalBlockType(rawValue: bytes.be32(4))
    sequence = bytes.be32(8)
  }

  static func encode(_ type: JournalBlockType, _ sequence: UInt32, into bytes: inout MutableRawSpan)
  {
    bytes.fill(0..<bytes.byteCount, with: 0)
    bytes.setBE32(JournalSuperblock.magic, at: 0)
    bytes.setBE32(type.rawValue, at: 4)
    bytes.setBE32(sequence, at: 8)
  }
}

/// Sequence numbers run in a circle of 32 bits: the one that is less than half of it ahead is newer.
public enum JournalSequence {
  /// Whether `a` is newer than `b`.
  public static func isNewer(_ a: UInt32, than b: UInt32) -> Bool {
    Int32(bitPattern: a &- b) > 0
  }
}
