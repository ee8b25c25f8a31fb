import ExtantBase

/// An attribute's entry (`ext4_xattr_entry`) as its bytes are, with no rule enforced: what a checker
/// looks at and mends. `XattrBlock` and `InodeXattrs` are the same with every rule kept.
public struct RawXattrEntry: Sendable, Equatable {
  public var nameLength: Int
  public var nameIndex: UInt8
  /// From the area's base: a block's start, the first entry in an inode.
  public var valueOffset: Int
  /// The inode that holds the value; 0 where it is in the area.
  public var valueInode: UInt32
  /// In bytes.
  public var valueSize: UInt32
  public var hash: UInt32

  /// In bytes, of what comes before the name.
  public static let headSize = 16
  /// In bytes, of the zeros behind the last entry.
  public static let terminatorSize = 4

  /// - Precondition: `headSize` bytes are there.
  public init(_ bytes: RawSpan, at offset: Int) {
    nameLength = Int(bytes.u8(offset))
    nameIndex = bytes.u8(offset + 1)
    valueOffset = Int(bytes.le16(offset + 2))
    valueInode = bytes.le32(offset + 4)
    valueSize = bytes.le32(offset + 8)
    hash = bytes.le32(offset + 12)
  }

  /// Head and name, padded to a multiple of 4.
  public var length: Int { Self.padded(Self.headSize + nameLength) }

  public static func padded(_ count: Int) -> Int { (count + 3) & ~3 }
}

/// `e_hash`, computed as it lies on the disk.
public enum XattrHash {
  /// Of a name. Linux on some processors took its bytes as signed numbers once, and those hashes
  /// are around still.
  public static func name(_ bytes: RawSpan, _ range: Range<Int>, isSigned: Bool = false) -> UInt32 {
    var hash: UInt32 = 0
    for offset in range {
      let byte = bytes.u8(offset)
      let word = isSigned ? UInt32(bitPattern: Int32(Int8(bitPattern: byte))) : UInt32(byte)
      hash = (hash << 5 | hash >> 27) ^ word
    }
    return hash
  }

  /// Of a name whose hash is given and its value, which takes `range` with its padding.
  public static func value(_ name: UInt32, _ bytes: RawSpan, _ range: Range<Int>) -> UInt32 {
    var hash = name
    var offset = range.lowerBound
    while offset + 4 <= range.upperBound {
      hash = word(hash, bytes.le32(offset))
      offset += 4
    }
    return hash
  }

  /// Of a name whose hash is given and a value in an inode, which has a hash of its own.
  public static func word(_ hash: UInt32, _ word: UInt32) -> UInt32 {
    (hash << 16 | hash >> 16) ^ word
  }
}
