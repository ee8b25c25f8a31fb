/// One step of a torture run, as a value: the same value means the same to every participant.
///
/// A value says nothing of the state it meets, so that any subset of a run's operations is itself
/// a run. That is what makes shrinking a failure possible.
public enum Operation: Equatable, Sendable {
  // Descriptors that stay open over other operations, unlinked files included.
  case open(slot: Int, path: String, writable: Bool)
  case close(slot: Int)

  // Data.
  case write(FileReference, offset: Int64, count: Int, fill: UInt64)
  case append(path: String, count: Int, fill: UInt64)
  case read(FileReference, offset: Int64, count: Int)
  case writeMapped(FileReference, offset: Int64, count: Int, fill: UInt64)
  case readMapped(FileReference, offset: Int64, count: Int)
  case copy(FileReference, from: Int64, to: FileReference, at: Int64, count: Int)
  case truncate(FileReference, size: Int64)
  case fallocate(FileReference, mode: FallocateMode, offset: Int64, length: Int64)
  case seek(FileReference, offset: Int64, hole: Bool)
  /// Everything to the device, then what is mapped where, and the size and blocks.
  case map(FileReference)
  case sync(FileReference, dataOnly: Bool)

  // Names.
  case create(path: String, mode: UInt32)
  case makeDirectory(path: String, mode: UInt32)
  case removeDirectory(path: String)
  case unlink(path: String)
  case link(path: String, to: String)
  case rename(path: String, to: String, flags: UInt32)
  case symbolicLink(target: Int, path: String)
  case readSymbolicLink(path: String)
  case makeNode(path: String, mode: UInt32, major: UInt32, minor: UInt32)
  case list(path: String)
  /// Many names at once, so that directories get an index.
  case createMany(directory: String, first: Int, count: Int, nameLength: Int)
  case unlinkMany(directory: String, first: Int, count: Int, step: Int, nameLength: Int)

  // Attributes.
  case status(path: String)
  case changeMode(path: String, mode: UInt32)
  case changeOwner(path: String, uid: UInt32, gid: UInt32)
  case setTimes(path: String, access: Int64, modification: Int64, nanoseconds: Int64)
  case setAttribute(path: String, name: String, count: Int, fill: UInt64, flags: Int32)
  case attribute(path: String, name: String)
  case attributeNames(path: String)
  case removeAttribute(path: String, name: String)

  /// Unmount, e2fsck -fn, mount again. Slots are closed.
  case remount
}

extension Operation {
  /// Whether it asks for blocks for data. (An attribute that does not fit is ENOSPC as well.)
  var allocates: Bool {
    switch self {
    case .write, .append, .writeMapped, .copy, .fallocate: true
    default: false
    }
  }
}

/// A file by its name, or by a slot that an earlier operation opened.
public enum FileReference: Equatable, Sendable, CustomStringConvertible {
  case path(String)
  case slot(Int)

  public var description: String {
    switch self {
    case .path(let path): path
    case .slot(let slot): "slot \(slot)"
    }
  }
}

/// The bits of fallocate(2).
public struct FallocateMode: OptionSet, Sendable, CustomStringConvertible {
  public var rawValue: Int32
  public init(rawValue: Int32) { self.rawValue = rawValue }

  public static let keepSize = Self(rawValue: 0x01)
  public static let punchHole = Self(rawValue: 0x02)
  public static let noHideStale = Self(rawValue: 0x04)
  public static let collapseRange = Self(rawValue: 0x08)
  public static let zeroRange = Self(rawValue: 0x10)
  public static let insertRange = Self(rawValue: 0x20)
  public static let unshareRange = Self(rawValue: 0x40)
  public static let writeZeroes = Self(rawValue: 0x80)

  public var description: String {
    let names: [(Self, String)] = [
      (.keepSize, "keep-size"), (.punchHole, "punch"), (.noHideStale, "no-hide-stale"),
      (.collapseRange, "collapse"), (.zeroRange, "zero"), (.insertRange, "insert"),
      (.unshareRange, "unshare"), (.writeZeroes, "write-zeroes"),
    ]
    let set = names.filter { contains($0.0) }.map(\.1)
    return set.isEmpty ? "allocate" : set.joined(separator: "+")
  }
}

/// The bytes that an operation writes, from its own number: every write is told from every other.
public enum Fill {
  public static func bytes(_ fill: UInt64, _ count: Int) -> [UInt8] {
    var state = fill | 1
    return (0..<count).map { _ in
      state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
      // Never 0, so that a hole is told from data.
      return UInt8(truncatingIfNeeded: state >> 56) | 1
    }
  }

  /// A name of `length` bytes for the number `index`.
  public static func name(_ index: Int, _ length: Int) -> String {
    let start = "n\(index)-"
    guard start.utf8.count < length else { return start }
    return start + String(repeating: "x", count: length - start.utf8.count)
  }

  public static func target(_ length: Int) -> String {
    String(repeating: "t/", count: length / 2) + (length % 2 == 1 ? "u" : "")
  }
}
