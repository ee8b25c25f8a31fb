/// The number of a block on the device, in blocks of the filesystem's block size.
///
/// Addresses with the top bit set are *virtual*: names for delayed-allocation blocks that live in
/// the cache and have no home on the device yet. They never reach the disk.
public struct BlockAddress: Hashable, Comparable, Sendable, CustomStringConvertible {
  public var rawValue: UInt64

  @inlinable public init(_ rawValue: UInt64) { self.rawValue = rawValue }

  /// The first address of the virtual range.
  public static let firstVirtual = BlockAddress(1 << 63)

  @inlinable public var isVirtual: Bool { rawValue >> 63 != 0 }

  @inlinable public static func < (a: Self, b: Self) -> Bool { a.rawValue < b.rawValue }

  /// Wraps instead of trapping: a sum that came from a disk is checked where it is used.
  @inlinable public static func + (a: Self, distance: UInt64) -> Self {
    Self(a.rawValue &+ distance)
  }

  @inlinable public static func - (a: Self, b: Self) -> Int64 {
    Int64(truncatingIfNeeded: a.rawValue &- b.rawValue)
  }

  public var description: String {
    isVirtual ? "virtual \(rawValue & ~(1 << 63))" : "block \(rawValue)"
  }
}

/// The number of a block inside a file: byte offset divided by the block size.
///
/// ext4 stores 32 bits; 64 are kept here so that the end of a range never overflows.
public struct LogicalBlock: Hashable, Comparable, Sendable, CustomStringConvertible {
  public var rawValue: UInt64

  @inlinable public init(_ rawValue: UInt64) { self.rawValue = rawValue }

  /// One past the largest logical block that an extent may map: `2^32 - 1`
  /// (ext4 keeps `0xffffffff` out of use, EXT_MAX_BLOCKS).
  public static let limit = LogicalBlock(0xffff_ffff)

  @inlinable public static func < (a: Self, b: Self) -> Bool { a.rawValue < b.rawValue }
  @inlinable public static func + (a: Self, distance: UInt64) -> Self {
    Self(a.rawValue &+ distance)
  }
  @inlinable public static func - (a: Self, b: Self) -> Int64 {
    Int64(truncatingIfNeeded: a.rawValue &- b.rawValue)
  }

  public var description: String { "logical block \(rawValue)" }
}

/// The number of an inode; the first is 1, the root directory is 2.
public struct InodeNumber: Hashable, Comparable, Sendable, CustomStringConvertible {
  public var rawValue: UInt32

  @inlinable public init(_ rawValue: UInt32) { self.rawValue = rawValue }

  public static let badBlocks = InodeNumber(1)
  public static let root = InodeNumber(2)
  public static let resize = InodeNumber(7)
  public static let journal = InodeNumber(8)

  @inlinable public static func < (a: Self, b: Self) -> Bool { a.rawValue < b.rawValue }

  public var description: String { "inode \(rawValue)" }
}

/// The number of a block group.
public struct GroupIndex: Hashable, Comparable, Sendable, CustomStringConvertible {
  public var rawValue: UInt32

  @inlinable public init(_ rawValue: UInt32) { self.rawValue = rawValue }

  @inlinable public static func < (a: Self, b: Self) -> Bool { a.rawValue < b.rawValue }

  public var description: String { "group \(rawValue)" }
}
