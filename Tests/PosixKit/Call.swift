/// A number that is written in octal.
public struct Mode: Equatable, Sendable, ExpressibleByIntegerLiteral, CustomStringConvertible {
  public var bits: UInt32
  public init(_ bits: UInt32) { self.bits = bits }
  public init(integerLiteral bits: UInt32) { self.bits = bits }
  public var description: String { "0" + String(bits, radix: 8) }

  public static func | (a: Mode, b: Mode) -> Mode { Mode(a.bits | b.bits) }

  public static let fifo = Mode(0o010000)
  public static let character = Mode(0o020000)
  public static let block = Mode(0o060000)
  public static let socket = Mode(0o140000)
  public static let regular = Mode(0o100000)
}

/// A time to set, in seconds and nanoseconds; two of its nanoseconds have a meaning of their own.
public struct SetTime: Equatable, Sendable, CustomStringConvertible {
  public var seconds: Int64
  public var nanoseconds: Int64
  public init(_ seconds: Int64, _ nanoseconds: Int64 = 0) {
    self.seconds = seconds
    self.nanoseconds = nanoseconds
  }
  /// UTIME_NOW.
  public static let now = SetTime(0, (1 << 30) - 1)
  /// UTIME_OMIT.
  public static let omit = SetTime(0, (1 << 30) - 2)

  public var description: String {
    self == .now ? "now" : self == .omit ? "omit" : "\(seconds).\(nanoseconds)"
  }
}

/// One question to a filesystem. Paths are relative to the directory of the case; small integers
/// are the case's own names for its descriptors.
public enum Call: Equatable, Sendable {
  // Descriptors.
  case open(Int, String, OpenFlags = .read, Mode = 0o644)
  case close(Int)
  case read(Int, Int)
  case pread(Int, Int, at: Int64)
  /// At the descriptor's place.
  case write(Int, Int, fill: UInt8 = 1)
  case pwrite(Int, Int, at: Int64, fill: UInt8 = 1)
  case readMapped(Int, Int, at: Int64)
  case writeMapped(Int, Int, at: Int64, fill: UInt8 = 1)
  /// Through a mapping, then msync; its answer is msync's.
  case writeMappedSync(Int, Int, at: Int64, fill: UInt8 = 1)
  case map(Int, writable: Bool, shared: Bool)
  case readDirect(Int, Int, at: Int64)
  case writeDirect(Int, Int, at: Int64, fill: UInt8 = 1)
  case seek(Int, Int64, Whence)
  case ftruncate(Int, Int64)
  case fallocate(Int, FallocateFlags, Int64, Int64)
  case copyRange(Int, at: Int64, to: Int, place: Int64, Int)
  case sendfile(Int, to: Int, Int)
  case fsync(Int)
  case fdatasync(Int)
  case syncfs(Int)
  case dropPages(Int)
  case fstat(Int)
  case fchmod(Int, Mode)
  case fchown(Int, UInt32, UInt32)
  case futimes(Int, SetTime, SetTime)
  case fsetAttribute(Int, String, Int)
  case linkDescriptor(Int, String)
  case getDescriptorFlags(Int)
  case setDescriptorFlags(Int, OpenFlags)
  // Names.
  case create(String, Mode = 0o644)
  case mkdir(String, Mode = 0o755)
  case rmdir(String)
  case unlink(String)
  case link(String, String, follow: Bool = false)
  case symlink(String, String)
  case readlink(String)
  case rename(String, String, RenameFlags = [])
  case mknod(String, Mode, UInt32 = 0, UInt32 = 0)
  case bind(String)
  case list(String)
  case walk(String, Walk, pause: Int, count: Int, kept: Int)
  case many(Many, String, Int, target: String = "")
  // Attributes.
  case chmod(String, Mode)
  case chown(String, UInt32, UInt32)
  case lchown(String, UInt32, UInt32)
  case utimes(String, SetTime, SetTime, follow: Bool = true)
  case truncate(String, Int64)
  case access(String, Access, effective: Bool = false)
  case umask(Mode)
  case lstat(String)
  case statfs(String)
  case setAttribute(String, String, [UInt8], AttributeFlags = [])
  /// A value of so many bytes.
  case setLongAttribute(String, String, Int)
  case attribute(String, String)
  case attributeSize(String, String)
  case attributeNames(String)
  case removeAttribute(String, String)
  case setAccessList(String, AccessList, isDefault: Bool = false)
  case inodeFlags(String)
  case setInodeFlags(String, InodeBits)
  case setProject(String, UInt32)
  case execute(String)
  // Handles and locks.
  case handle(Int, String)
  case openHandle(Int, handle: Int, OpenFlags)
  case dropCaches
  case flock(Int, Lock)
  case flockInChild(Int, Lock)
  case lock(Int, Lock, Int64, Int64, ofd: Bool = false)
  case lockHolder(Int, Lock, Int64, Int64, ofd: Bool = false)
  case lockInChild(Int, Lock, Int64, Int64, ofd: Bool = false)
  /// Writes to a new file until there is no room, and leaves it there.
  case fillDisk(String)
  case pause
}

/// Flags, written as the number that the kernel takes.
public protocol Bits: OptionSet, Equatable, Sendable, CustomStringConvertible
where RawValue: BinaryInteger {}

extension Bits {
  public var description: String { "0x" + String(rawValue, radix: 16) }
}

public struct OpenFlags: Bits {
  public var rawValue: Int32
  public init(rawValue: Int32) { self.rawValue = rawValue }
  public static let read: Self = []
  public static let writeOnly = Self(rawValue: 1)
  public static let readWrite = Self(rawValue: 2)
  public static let create = Self(rawValue: 0o100)
  public static let exclusive = Self(rawValue: 0o200)
  public static let truncate = Self(rawValue: 0o1000)
  public static let append = Self(rawValue: 0o2000)
  public static let nonBlocking = Self(rawValue: 0o4000)
  public static let dataSync = Self(rawValue: 0o10000)
  public static let direct = Self(rawValue: 0o40000)
  public static let directory = Self(rawValue: 0o200000)
  public static let noFollow = Self(rawValue: 0o400000)
  public static let noAccessTime = Self(rawValue: 0o1000000)
  public static let path = Self(rawValue: 0o10000000)
  public static let temporary = Self(rawValue: 0o20200000)
  public static let sync = Self(rawValue: 0o4010000)
}

public struct RenameFlags: Bits {
  public var rawValue: UInt32
  public init(rawValue: UInt32) { self.rawValue = rawValue }
  public static let noReplace = Self(rawValue: 1)
  public static let exchange = Self(rawValue: 2)
  public static let whiteout = Self(rawValue: 4)
}

public struct FallocateFlags: Bits {
  public var rawValue: Int32
  public init(rawValue: Int32) { self.rawValue = rawValue }
  public static let keepSize = Self(rawValue: 1)
  public static let punchHole = Self(rawValue: 2)
  public static let collapse = Self(rawValue: 8)
  public static let zero = Self(rawValue: 16)
  public static let insert = Self(rawValue: 32)
  public static let unshare = Self(rawValue: 64)
}

public struct AttributeFlags: Bits {
  public var rawValue: Int32
  public init(rawValue: Int32) { self.rawValue = rawValue }
  public static let create = Self(rawValue: 1)
  public static let replace = Self(rawValue: 2)
}

public struct Access: Bits {
  public var rawValue: Int32
  public init(rawValue: Int32) { self.rawValue = rawValue }
  public static let exists: Self = []
  public static let execute = Self(rawValue: 1)
  public static let write = Self(rawValue: 2)
  public static let read = Self(rawValue: 4)
}

/// FS_IOC_SETFLAGS's bits.
public struct InodeBits: Bits {
  public var rawValue: UInt32
  public init(rawValue: UInt32) { self.rawValue = rawValue }
  public static let secureRemove = Self(rawValue: 1)
  public static let undelete = Self(rawValue: 2)
  public static let compress = Self(rawValue: 4)
  public static let sync = Self(rawValue: 8)
  public static let immutable = Self(rawValue: 0x10)
  public static let append = Self(rawValue: 0x20)
  public static let noDump = Self(rawValue: 0x40)
  public static let noAccessTime = Self(rawValue: 0x80)
  public static let journalData = Self(rawValue: 0x4000)
  public static let noTail = Self(rawValue: 0x8000)
  public static let directorySync = Self(rawValue: 0x10000)
  public static let top = Self(rawValue: 0x20000)
  public static let extents = Self(rawValue: 0x80000)
  public static let dax = Self(rawValue: 0x200_0000)
  public static let projectInherit = Self(rawValue: 0x2000_0000)
  public static let casefold = Self(rawValue: 0x4000_0000)
}

public enum Whence: Int32, Sendable { case start, current, end, data, hole }
public enum Lock: Int32, Sendable { case shared, exclusive, unlock }
public enum Walk: UInt32, Sendable { case plain, unlinking, creating, rewinding, seeking }
public enum Many: UInt32, Sendable { case files, directories, links }

/// A POSIX access control list, as system.posix_acl_* carries it.
public struct AccessList: Equatable, Sendable, CustomStringConvertible {
  public struct Entry: Equatable, Sendable {
    var tag: UInt16
    var permissions: UInt16
    var id: UInt32

    public static func userObject(_ bits: UInt16) -> Self {
      .init(tag: 1, permissions: bits, id: .max)
    }
    public static func user(_ id: UInt32, _ bits: UInt16) -> Self {
      .init(tag: 2, permissions: bits, id: id)
    }
    public static func groupObject(_ bits: UInt16) -> Self {
      .init(tag: 4, permissions: bits, id: .max)
    }
    public static func group(_ id: UInt32, _ bits: UInt16) -> Self {
      .init(tag: 8, permissions: bits, id: id)
    }
    public static func mask(_ bits: UInt16) -> Self {
      .init(tag: 0x10, permissions: bits, id: .max)
    }
    public static func other(_ bits: UInt16) -> Self {
      .init(tag: 0x20, permissions: bits, id: .max)
    }
  }

  public var entries: [Entry]
  public init(_ entries: Entry...) { self.entries = entries }
  public init(_ entries: [Entry]) { self.entries = entries }

  public var bytes: [UInt8] {
    entries.reduce(into: [2, 0, 0, 0]) { bytes, entry in
      for shift in [0, 8] { bytes.append(UInt8(truncatingIfNeeded: entry.tag >> UInt16(shift))) }
      for shift in [0, 8] {
        bytes.append(UInt8(truncatingIfNeeded: entry.permissions >> UInt16(shift)))
      }
      for shift in [0, 8, 16, 24] {
        bytes.append(UInt8(truncatingIfNeeded: entry.id >> UInt32(shift)))
      }
    }
  }

  public var description: String {
    let names: [UInt16: String] = [1: "u:", 2: "u:", 4: "g:", 8: "g:", 0x10: "m:", 0x20: "o:"]
    return entries.map { entry in
      let id = entry.id == .max ? "" : String(entry.id)
      return (names[entry.tag] ?? "?") + id + ":" + String(entry.permissions, radix: 8)
    }.joined(separator: ",")
  }
}
