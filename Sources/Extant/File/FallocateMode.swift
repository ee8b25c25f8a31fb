import ExtantBase

import struct SystemPackage.Errno

/// The mode bits of fallocate(2).
public struct FallocateMode: OptionSet, Sendable, Hashable {
  public let rawValue: Int32
  public init(rawValue: Int32) { self.rawValue = rawValue }

  public static let keepSize = FallocateMode(rawValue: 0x01)
  public static let punchHole = FallocateMode(rawValue: 0x02)
  public static let collapseRange = FallocateMode(rawValue: 0x08)
  public static let zeroRange = FallocateMode(rawValue: 0x10)
  public static let insertRange = FallocateMode(rawValue: 0x20)
  public static let unshareRange = FallocateMode(rawValue: 0x40)
  public static let writeZeroes = FallocateMode(rawValue: 0x80)

  /// The modes that exclude one another.
  private static let exclusive: FallocateMode = [
    .punchHole, .collapseRange, .zeroRange, .insertRange, .unshareRange, .writeZeroes,
  ]

  /// What a valid mode asks for.
  enum Request {
    case allocate, punchHole, zeroRange, writeZeroes, collapseRange, insertRange, unshareRange
  }

  /// The request behind the bits, as the VFS reads them; EOPNOTSUPP for a combination it has not.
  func request() throws(FileSystemError) -> Request {
    let refusal = FileSystemError.refused(.notSupportedOnSocket)
    let keepSize = contains(.keepSize)
    guard subtracting([Self.exclusive, .keepSize]).isEmpty else { throw refusal }
    switch intersection(Self.exclusive) {
    case []: return .allocate
    case .punchHole where keepSize: return .punchHole
    case .zeroRange: return .zeroRange
    case .writeZeroes where !keepSize: return .writeZeroes
    case .collapseRange where !keepSize: return .collapseRange
    case .insertRange where !keepSize: return .insertRange
    case .unshareRange: return .unshareRange
    default: throw refusal
    }
  }
}
