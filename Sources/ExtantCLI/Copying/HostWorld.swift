import CFiles
import ExtantBase
import Glibc
import SystemPackage

/// The host's own tree.
final class HostWorld: World {
  let hasStreams = true
  let directoriesHaveOneName = false

  func name(_ path: String) -> String { PathText.shown(path) }

  /// An errno as the failure of a path.
  private static func failure(_ path: String) -> CommandFailure {
    CommandFailure("\(PathText.shown(path)): \(Errno(rawValue: Glibc.errno))")
  }

  private static func check(_ result: Int32, _ path: String) throws {
    guard result == 0 else { throw failure(path) }
  }

  func facts(_ path: String, following: Bool) throws -> NodeFacts? {
    var status = stat()
    let result =
      unsafe following
      ? stat(PathText.c(path), &status) : lstat(PathText.c(path), &status)
    if result != 0 {
      if Glibc.errno == ENOENT { return nil }
      throw Self.failure(path)
    }
    guard let kind = FileKind(mode: UInt16(truncatingIfNeeded: status.st_mode)) else {
      throw CommandFailure("\(name(path)): is of no known kind")
    }
    func time(_ time: timespec) -> Timestamp {
      Timestamp(seconds: Int64(time.tv_sec), nanoseconds: UInt32(time.tv_nsec))
    }
    // gnu_dev_major and gnu_dev_minor.
    let device = UInt64(status.st_rdev)
    let major = (device >> 8) & 0xfff | (device >> 32) & ~0xfff
    let minor = device & 0xff | (device >> 12) & ~0xff
    return NodeFacts(
      kind: kind, mode: UInt16(status.st_mode & 0o7777), uid: status.st_uid, gid: status.st_gid,
      size: UInt64(max(0, status.st_size)),
      device: (UInt32(truncatingIfNeeded: major), UInt32(truncatingIfNeeded: minor)),
      accessTime: time(status.st_atim), modificationTime: time(status.st_mtim),
      links: UInt32(truncatingIfNeeded: status.st_nlink),
      identity: UInt64(status.st_ino) ^ UInt64(status.st_dev) << 48)
  }

  func names(_ path: String) throws -> [String] {
    guard let directory = unsafe opendir(PathText.c(path)) else { throw Self.failure(path) }
    defer { unsafe closedir(directory) }
    var names: [String] = []
    while true {
      Glibc.errno = 0
      guard let entry = unsafe readdir(directory) else {
        guard Glibc.errno == 0 else { throw Self.failure(path) }
        return names.sorted()
      }
      let name = unsafe withUnsafeBytes(of: &entry.pointee.d_name) { bytes in
        unsafe PathText.text(Array(bytes.prefix { $0 != 0 }))
      }
      if name != "." && name != ".." { names.append(name) }
    }
  }

  func target(_ path: String) throws -> [UInt8] {
    var bytes = [CChar](repeating: 0, count: Int(PATH_MAX))
    let count = unsafe readlink(PathText.c(path), &bytes, bytes.count)
    guard count >= 0 else { throw Self.failure(path) }
    return bytes.prefix(count).map { UInt8(bitPattern: $0) }
  }

  func attributes(_ path: String) throws -> [(name: [UInt8], value: [UInt8])] {
    var names = [UInt8](repeating: 0, count: 65536)
    let count = unsafe csys_xattr_list(PathText.c(path), &names, names.count)
    if count == -Int(EOPNOTSUPP) { return [] }
    guard count >= 0 else {
      throw CommandFailure("\(name(path)): \(Errno(rawValue: Int32(-count)))")
    }
    var result: [(name: [UInt8], value: [UInt8])] = []
    for attribute in names.prefix(count).split(separator: 0).map(Array.init) {
      var value = [UInt8](repeating: 0, count: 65536)
      let size = unsafe csys_xattr_get(PathText.c(path), Self.c(attribute), &value, value.count)
      // Taken away meanwhile.
      if size == -Int(ENODATA) { continue }
      guard size >= 0 else {
        throw CommandFailure(
          "\(name(path)): attribute \(NameText.shell(attribute)): \(Errno(rawValue: Int32(-size)))")
      }
      result.append((attribute, Array(value.prefix(size))))
    }
    return result
  }

  private static func c(_ bytes: [UInt8]) -> [CChar] {
    bytes.map { CChar(bitPattern: $0) } + [0]
  }

  func reader(_ path: String) throws -> any WorldReader {
    HostFile(path: path, try open(path, .readOnly))
  }

  func writer(_ path: String, mode: UInt16) throws -> any WorldWriter {
    HostFile(
      path: path,
      try open(
        path, .writeOnly, [.create, .truncate],
        FilePermissions(rawValue: mode_t(mode & 0o777))))
  }

  private func open(
    _ path: String, _ mode: FileDescriptor.AccessMode,
    _ options: FileDescriptor.OpenOptions = [], _ permissions: FilePermissions? = nil
  ) throws -> FileDescriptor {
    do {
      return try FileDescriptor.open(
        FilePath(platformString: PathText.c(path)), mode, options: options.union(.closeOnExec),
        permissions: permissions)
    } catch { throw CommandFailure("\(name(path)): \(error)") }
  }

  func makeDirectory(_ path: String, mode: UInt16) throws {
    try Self.check(unsafe mkdir(PathText.c(path), mode_t(mode & 0o777)), path)
  }

  func makeLink(_ path: String, target: [UInt8]) throws {
    let text = (target + [0]).map { CChar(bitPattern: $0) }
    try Self.check(unsafe symlink(text, PathText.c(path)), path)
  }

  func makeNode(_ path: String, _ facts: NodeFacts) throws {
    // gnu_dev_makedev.
    let (major, minor) = (UInt64(facts.device.major), UInt64(facts.device.minor))
    let device =
      (major & 0xfff) << 8 | (major & ~0xfff) << 32 | minor & 0xff | (minor & ~0xff) << 12
    let mode = mode_t(facts.kind.rawValue | facts.mode & 0o777)
    try Self.check(unsafe mknod(PathText.c(path), mode, dev_t(device)), path)
  }

  func makeHardLink(_ path: String, to existing: String) throws {
    try Self.check(unsafe Glibc.link(PathText.c(existing), PathText.c(path)), path)
  }

  func remove(_ path: String) throws { try Self.check(unsafe unlink(PathText.c(path)), path) }

  func setOwner(_ path: String, uid: UInt32, gid: UInt32) throws -> Bool {
    if unsafe lchown(PathText.c(path), uid, gid) == 0 { return true }
    // As cp(1): who may not give files away keeps the group where that may be, and goes on.
    guard Glibc.errno == EPERM, geteuid() != 0 else { throw Self.failure(path) }
    _ = unsafe lchown(PathText.c(path), uid_t.max, gid)
    return false
  }

  func setMode(_ path: String, _ mode: UInt16) throws {
    try Self.check(unsafe chmod(PathText.c(path), mode_t(mode)), path)
  }

  func setTimes(_ path: String, access: Timestamp, modification: Timestamp) throws {
    let times = [access, modification].map {
      timespec(tv_sec: Int($0.seconds), tv_nsec: Int($0.nanoseconds))
    }
    try Self.check(unsafe utimensat(AT_FDCWD, PathText.c(path), times, AT_SYMLINK_NOFOLLOW), path)
  }

  func setAttribute(_ path: String, _ name: [UInt8], _ value: [UInt8]) throws -> Errno? {
    let result = unsafe csys_xattr_set(PathText.c(path), Self.c(name), value, value.count)
    return result == 0 ? nil : Errno(rawValue: Int32(-result))
  }

  func removeAttribute(_ path: String, _ name: [UInt8]) throws {
    let result = unsafe csys_xattr_remove(PathText.c(path), Self.c(name))
    guard [0, -Int(ENODATA), -Int(EOPNOTSUPP)].contains(result) else {
      throw CommandFailure(
        "\(self.name(path)): attribute \(NameText.shell(name)): \(Errno(rawValue: Int32(-result)))")
    }
  }
}

private final class HostFile: WorldReader, WorldWriter {
  private let path: String
  private let descriptor: FileDescriptor
  /// A pipe or device: read and written in order, without holes or a size.
  private let isStream: Bool
  /// Of a stream that is written: where it is.
  private var position: UInt64 = 0

  init(path: String, _ descriptor: FileDescriptor) {
    self.path = path
    self.descriptor = descriptor
    var status = stat()
    isStream =
      unsafe fstat(descriptor.rawValue, &status) == 0 && status.st_mode & S_IFMT != S_IFREG
  }

  deinit { try? descriptor.close() }

  private func failure(_ error: any Error) -> CommandFailure {
    CommandFailure("\(PathText.shown(path)): \(error)")
  }

  func data(from offset: UInt64) throws -> Range<UInt64>? {
    if isStream { return offset..<UInt64(Int64.max) }
    func seek(_ offset: Int64, _ whence: Int32) throws -> Int64? {
      let found = lseek(descriptor.rawValue, Int(offset), whence)
      if found >= 0 { return Int64(found) }
      if Glibc.errno == ENXIO { return nil }
      // Files that cannot say, as those of /proc, are data until a read ends.
      if Glibc.errno == EINVAL { return whence == 3 ? offset : .max }
      throw failure(Errno(rawValue: Glibc.errno))
    }
    // SEEK_DATA and SEEK_HOLE.
    guard let start = try seek(Int64(offset), 3), let end = try seek(start, 4) else { return nil }
    return UInt64(start)..<UInt64(end)
  }

  func read(_ count: Int, at offset: UInt64) throws -> [UInt8] {
    var bytes = [UInt8](repeating: 0, count: count)
    var done = 0
    do {
      while done < count {
        let piece = try unsafe bytes.withUnsafeMutableBytes { bytes in
          let rest = unsafe UnsafeMutableRawBufferPointer(rebasing: bytes[done...])
          return isStream
            ? try unsafe readStream(rest)
            : try unsafe descriptor.read(
              fromAbsoluteOffset: Int64(offset) + Int64(done), into: rest)
        }
        if piece == 0 { break }
        done += piece
      }
    } catch let error as Interruption {
      throw error
    } catch { throw failure(error) }
    bytes.removeLast(count - done)
    return bytes
  }

  /// A read that may wait for ever, but not past Ctrl-C.
  private func readStream(_ bytes: UnsafeMutableRawBufferPointer) throws -> Int {
    while true {
      do {
        return try unsafe descriptor.read(into: bytes, retryOnInterrupt: false)
      } catch Errno.interrupted { try Interruption.check() }
    }
  }

  /// Zeros for a hole, where a stream is written.
  private func fill(to offset: UInt64) throws {
    while position < offset {
      let count = min(offset - position, 1 << 20)
      try descriptor.writeAll([UInt8](repeating: 0, count: Int(count)))
      position += count
    }
  }

  func write(_ bytes: [UInt8], at offset: UInt64) throws {
    do {
      guard isStream else {
        _ = try descriptor.writeAll(toAbsoluteOffset: Int64(offset), bytes)
        return
      }
      try fill(to: offset)
      position += UInt64(try descriptor.writeAll(bytes))
    } catch { throw failure(error) }
  }

  func finish(size: UInt64) throws {
    if isStream {
      do { return try fill(to: size) } catch { throw failure(error) }
    }
    guard ftruncate(descriptor.rawValue, Int(size)) == 0 else {
      throw failure(Errno(rawValue: Glibc.errno))
    }
  }
}
