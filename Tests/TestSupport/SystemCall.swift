import CTestSupport

/// A system call that failed, by its errno.
public struct SystemFailure: Error, Equatable, Sendable, CustomStringConvertible {
  public var errno: Int32
  public var what: String

  public init(_ errno: Int32, _ what: String) {
    self.errno = errno
    self.what = what
  }

  public var description: String { "\(what): \(ErrorName.of(errno))" }
}

/// The names of the errnos that filesystems give, for messages.
public enum ErrorName {
  public static func of(_ errno: Int32) -> String { names[errno] ?? "errno \(errno)" }

  private static let names: [Int32: String] = [
    0: "OK", 1: "EPERM", 2: "ENOENT", 5: "EIO", 6: "ENXIO", 7: "E2BIG", 9: "EBADF", 11: "EAGAIN",
    12: "ENOMEM", 13: "EACCES", 14: "EFAULT", 16: "EBUSY", 17: "EEXIST", 18: "EXDEV",
    19: "ENODEV", 20: "ENOTDIR", 21: "EISDIR", 22: "EINVAL", 25: "ENOTTY", 26: "ETXTBSY",
    27: "EFBIG", 28: "ENOSPC", 29: "ESPIPE", 30: "EROFS", 31: "EMLINK", 34: "ERANGE",
    35: "EDEADLK", 36: "ENAMETOOLONG", 37: "ENOLCK", 38: "ENOSYS", 39: "ENOTEMPTY", 40: "ELOOP",
    61: "ENODATA", 75: "EOVERFLOW", 95: "EOPNOTSUPP", 107: "ENOTCONN", 116: "ESTALE",
    117: "EUCLEAN", 122: "EDQUOT",
  ]
}

/// What stat(2) tells, as values.
public struct Status: Equatable, Sendable {
  public struct Time: Equatable, Sendable {
    public var seconds: Int64
    public var nanoseconds: Int64

    public init(seconds: Int64, nanoseconds: Int64) {
      self.seconds = seconds
      self.nanoseconds = nanoseconds
    }
  }

  public var inode: UInt64
  /// All sixteen bits.
  public var mode: UInt32
  public var links: UInt32
  public var uid: UInt32
  public var gid: UInt32
  public var size: UInt64
  /// In units of 512 bytes.
  public var blocks: UInt64
  public var device: (major: UInt32, minor: UInt32) { (deviceMajor, deviceMinor) }
  public var deviceMajor: UInt32
  public var deviceMinor: UInt32
  public var accessTime: Time
  public var modificationTime: Time
  public var changeTime: Time

  public var isDirectory: Bool { mode & 0xF000 == 0x4000 }
  public var isRegular: Bool { mode & 0xF000 == 0x8000 }
  public var isSymbolicLink: Bool { mode & 0xF000 == 0xA000 }
  public var isDevice: Bool { mode & 0xF000 == 0x2000 || mode & 0xF000 == 0x6000 }

  init(_ raw: ts_status) {
    inode = raw.inode
    mode = raw.mode
    links = raw.links
    uid = raw.uid
    gid = raw.gid
    size = raw.size
    blocks = raw.blocks
    deviceMajor = raw.device_major
    deviceMinor = raw.device_minor
    accessTime = Time(raw.access)
    modificationTime = Time(raw.modification)
    changeTime = Time(raw.change)
  }
}

extension Status.Time {
  init(_ raw: ts_time) { self.init(seconds: raw.seconds, nanoseconds: raw.nanoseconds) }
  var raw: ts_time { ts_time(seconds: seconds, nanoseconds: nanoseconds) }
}

/// The system calls that tests make on mounts. Each throws the errno it met.
public enum System {
  static func check(_ result: Int64, _ what: @autoclosure () -> String) throws(SystemFailure)
    -> Int64
  {
    guard result >= 0 else { throw SystemFailure(Int32(truncatingIfNeeded: -result), what()) }
    return result
  }

  public static func status(_ path: String) throws(SystemFailure) -> Status {
    var raw = ts_status()
    _ = try check(unsafe ts_lstat(path, &raw), "stat \(path)")
    return Status(raw)
  }

  /// The mode that execve(2) would go by: what the kernel has cached, whatever the filesystem says.
  public static func cachedMode(_ path: String) throws(SystemFailure) -> UInt32 {
    UInt32(truncatingIfNeeded: try check(unsafe ts_cached_mode(path), "statx \(path)"))
  }

  public static func exists(_ path: String) -> Bool { (try? status(path)) != nil }

  /// name_to_handle_at(2): what opens the file again, whatever becomes of its name. In it come the
  /// length of the handle, its type (32 bits each), and the handle.
  public static func handle(_ path: String) throws(SystemFailure) -> [UInt8] {
    var bytes = [UInt8](repeating: 0, count: 136)
    let count = unsafe bytes.withUnsafeMutableBytes {
      unsafe ts_handle(path, $0.baseAddress, $0.count)
    }
    return Array(bytes.prefix(Int(try check(count, "name_to_handle_at \(path)"))))
  }

  /// Lets the kernel forget the inodes and names that nobody uses.
  public static func dropInodes() throws(SystemFailure) {
    _ = try check(ts_drop_inodes(), "drop_caches")
  }

  public static func makeDirectory(_ path: String, mode: UInt32 = 0o755) throws(SystemFailure) {
    _ = try check(unsafe ts_mkdir(path, mode), "mkdir \(path)")
  }

  public static func removeDirectory(_ path: String) throws(SystemFailure) {
    _ = try check(unsafe ts_rmdir(path), "rmdir \(path)")
  }

  public static func unlink(_ path: String) throws(SystemFailure) {
    _ = try check(unsafe ts_unlink(path), "unlink \(path)")
  }

  public static func link(_ old: String, _ new: String) throws(SystemFailure) {
    _ = try check(unsafe ts_link(old, new), "link \(old) \(new)")
  }

  public static func symbolicLink(_ target: String, at path: String) throws(SystemFailure) {
    _ = try check(unsafe ts_symlink(target, path), "symlink \(path)")
  }

  public static func readSymbolicLink(_ path: String) throws(SystemFailure) -> [UInt8] {
    var bytes = [UInt8](repeating: 0, count: 4097)
    let count = try check(
      unsafe bytes.withUnsafeMutableBytes { unsafe ts_readlink(path, $0.baseAddress, $0.count) },
      "readlink \(path)")
    return [UInt8](bytes.prefix(Int(count)))
  }

  public struct RenameFlags: OptionSet, Sendable {
    public var rawValue: UInt32
    public init(rawValue: UInt32) { self.rawValue = rawValue }
    public static let noReplace = Self(rawValue: 1)
    public static let exchange = Self(rawValue: 2)
    public static let whiteout = Self(rawValue: 4)
  }

  public static func rename(
    _ old: String, _ new: String, _ flags: RenameFlags = []
  ) throws(SystemFailure) {
    _ = try check(unsafe ts_rename(old, new, flags.rawValue), "rename \(old) \(new)")
  }

  public static func makeNode(
    _ path: String, mode: UInt32, major: UInt32 = 0, minor: UInt32 = 0
  ) throws(SystemFailure) {
    _ = try check(unsafe ts_mknod(path, mode, major, minor), "mknod \(path)")
  }

  public static func changeMode(_ path: String, _ mode: UInt32) throws(SystemFailure) {
    _ = try check(unsafe ts_chmod(path, mode), "chmod \(path)")
  }

  public static func changeOwner(
    _ path: String, uid: UInt32, gid: UInt32
  ) throws(SystemFailure) {
    _ = try check(unsafe ts_lchown(path, uid, gid), "chown \(path)")
  }

  public static func setTimes(
    _ path: String, access: Status.Time, modification: Status.Time
  ) throws(SystemFailure) {
    _ = try check(unsafe ts_utimens(path, access.raw, modification.raw), "utimens \(path)")
  }

  /// The names in a directory, sorted by their bytes, without "." and "..".
  public static func names(in path: String) throws(SystemFailure) -> [[UInt8]] {
    var buffer = [UInt8](repeating: 0, count: 1 << 16)
    while true {
      let count = unsafe buffer.withUnsafeMutableBytes {
        unsafe ts_read_directory(
          path, $0.baseAddress?.assumingMemoryBound(to: CChar.self), $0.count)
      }
      if count == -34 {
        buffer = [UInt8](repeating: 0, count: buffer.count * 4)
        continue
      }
      let used = Int(try check(count, "readdir \(path)"))
      return split(buffer, used).sorted { $0.lexicographicallyPrecedes($1) }
    }
  }

  private static func split(_ buffer: [UInt8], _ used: Int) -> [[UInt8]] {
    buffer.prefix(used).split(separator: 0).map { [UInt8]($0) }
  }

  public struct AttributeFlags: OptionSet, Sendable {
    public var rawValue: Int32
    public init(rawValue: Int32) { self.rawValue = rawValue }
    public static let create = Self(rawValue: 1)
    public static let replace = Self(rawValue: 2)
  }

  public static func setAttribute(
    _ path: String, _ name: String, _ value: [UInt8], _ flags: AttributeFlags = []
  ) throws(SystemFailure) {
    _ = try check(
      unsafe value.withUnsafeBytes {
        unsafe ts_set_xattr(path, name, $0.baseAddress, $0.count, flags.rawValue)
      }, "setxattr \(path) \(name)")
  }

  public static func attribute(_ path: String, _ name: String) throws(SystemFailure) -> [UInt8] {
    var bytes = [UInt8](repeating: 0, count: 65536)
    let count = try check(
      unsafe bytes.withUnsafeMutableBytes {
        unsafe ts_get_xattr(path, name, $0.baseAddress, $0.count)
      }, "getxattr \(path) \(name)")
    return [UInt8](bytes.prefix(Int(count)))
  }

  /// The names of a file's extended attributes, sorted.
  public static func attributeNames(_ path: String) throws(SystemFailure) -> [String] {
    var bytes = [UInt8](repeating: 0, count: 65536)
    let count = try check(
      unsafe bytes.withUnsafeMutableBytes {
        unsafe ts_list_xattr(path, $0.baseAddress?.assumingMemoryBound(to: CChar.self), $0.count)
      }, "listxattr \(path)")
    return split(bytes, Int(count)).map { String(decoding: $0, as: UTF8.self) }.sorted()
  }

  public static func removeAttribute(_ path: String, _ name: String) throws(SystemFailure) {
    _ = try check(unsafe ts_remove_xattr(path, name), "removexattr \(path) \(name)")
  }

  /// The whole file; for text and fixtures.
  public static func contents(_ path: String) throws(SystemFailure) -> [UInt8] {
    let file = try OpenFile(path)
    let size = Int(try file.status().size)
    var bytes: [UInt8] = []
    // Files of /proc say 0 and have more.
    while true {
      let piece = try file.read(max(1 << 16, size - bytes.count), at: Int64(bytes.count))
      if piece.isEmpty { return bytes }
      bytes += piece
    }
  }

  public static func write(_ bytes: [UInt8], to path: String) throws(SystemFailure) {
    let file = try OpenFile(path, [.write, .create, .truncate])
    try file.writeAll(bytes, at: 0)
  }

  /// The process's file mode creation mask.
  public static let umask: UInt32 = {
    let status = (try? contents("/proc/self/status")) ?? []
    for line in String(decoding: status, as: UTF8.self).split(separator: "\n") {
      let words = line.split(separator: "\t")
      if words.first == "Umask:", let mask = words.last { return UInt32(mask, radix: 8) ?? 0 }
    }
    return 0
  }()

  public static var isRoot: Bool { ts_is_root() != 0 }
  public static var processID: Int64 { ts_process_id() }
  public static func processLives(_ id: Int64) -> Bool { ts_process_lives(id) != 0 }
  public static var monotonicNanoseconds: UInt64 { ts_monotonic_nanoseconds() }
}
