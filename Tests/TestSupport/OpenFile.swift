import CTestSupport

/// An open file descriptor, closed with its last reference.
public final class OpenFile: Sendable {
  public struct Flags: OptionSet, Sendable {
    public var rawValue: Int32
    public init(rawValue: Int32) { self.rawValue = rawValue }
    public static let write = Self(rawValue: 1)
    public static let create = Self(rawValue: 2)
    public static let truncate = Self(rawValue: 4)
    public static let exclusive = Self(rawValue: 8)
    public static let append = Self(rawValue: 16)
    public static let directory = Self(rawValue: 32)
  }

  public let path: String
  public let descriptor: Int32

  public init(_ path: String, _ flags: Flags = [], mode: UInt32 = 0o644) throws(SystemFailure) {
    self.path = path
    let result = try System.check(unsafe ts_open(path, flags.rawValue, mode), "open \(path)")
    descriptor = Int32(truncatingIfNeeded: result)
  }

  /// Opens a file handle (`System.handle`) of the mount that `mount` is on, to read.
  public init(handle: [UInt8], on mount: OpenFile) throws(SystemFailure) {
    path = mount.path + " by handle"
    let result = unsafe handle.withUnsafeBytes {
      unsafe ts_open_handle(mount.descriptor, $0.baseAddress, $0.count)
    }
    descriptor = Int32(truncatingIfNeeded: try System.check(result, "open_by_handle_at"))
  }

  deinit { ts_close(descriptor) }

  public func status() throws(SystemFailure) -> Status {
    var raw = ts_status()
    _ = try System.check(unsafe ts_fstat(descriptor, &raw), "fstat \(path)")
    return Status(raw)
  }

  /// As `status`, but a filesystem that caches attributes is made to ask.
  public func statusNow() throws(SystemFailure) -> Status {
    var raw = ts_status()
    _ = try System.check(unsafe ts_fstat_now(descriptor, &raw), "statx \(path)")
    return Status(raw)
  }

  /// At most `count` bytes; fewer at the end of the file.
  public func read(_ count: Int, at offset: Int64) throws(SystemFailure) -> [UInt8] {
    try unsafe fill(count, "pread") { unsafe ts_pread(self.descriptor, $0, $1, offset) }
  }

  public func readMapped(_ count: Int, at offset: Int64) throws(SystemFailure) -> [UInt8] {
    try unsafe fill(count, "mapped read") { unsafe ts_mmap_read(self.descriptor, $0, $1, offset) }
  }

  private func fill(
    _ count: Int, _ what: String, _ call: (UnsafeMutableRawPointer?, Int) -> Int64
  ) throws(SystemFailure) -> [UInt8] {
    var bytes = [UInt8](repeating: 0, count: count)
    let result = unsafe bytes.withUnsafeMutableBytes { unsafe call($0.baseAddress, $0.count) }
    let done = Int(try System.check(result, "\(what) \(path)"))
    if done < count { bytes.removeLast(count - done) }
    return bytes
  }

  @discardableResult
  public func write(_ bytes: [UInt8], at offset: Int64) throws(SystemFailure) -> Int {
    let done = unsafe bytes.withUnsafeBytes {
      unsafe ts_pwrite(descriptor, $0.baseAddress, $0.count, offset)
    }
    return Int(try System.check(done, "pwrite \(path)"))
  }

  public func writeAll(_ bytes: [UInt8], at offset: Int64) throws(SystemFailure) {
    var done = 0
    while done < bytes.count {
      done += try write(
        done == 0 ? bytes : [UInt8](bytes.dropFirst(done)), at: offset + Int64(done))
    }
  }

  @discardableResult
  public func append(_ bytes: [UInt8]) throws(SystemFailure) -> Int {
    let done = unsafe bytes.withUnsafeBytes {
      unsafe ts_append(descriptor, $0.baseAddress, $0.count)
    }
    return Int(try System.check(done, "write \(path)"))
  }

  @discardableResult
  public func writeMapped(_ bytes: [UInt8], at offset: Int64) throws(SystemFailure) -> Int {
    let done = unsafe bytes.withUnsafeBytes {
      unsafe ts_mmap_write(descriptor, $0.baseAddress, $0.count, offset)
    }
    return Int(try System.check(done, "mapped write \(path)"))
  }

  /// Runs `body` while the first page is mapped, which `poke` (a byte, and where in the page) dirties.
  public func whileMapped<R>(
    _ body: (_ poke: (UInt8, Int) -> Void) throws(SystemFailure) -> R
  ) throws(SystemFailure) -> R {
    guard let page = unsafe ts_map_page(descriptor) else {
      throw SystemFailure(12, "mmap \(path)")
    }
    defer { unsafe ts_unmap_page(page) }
    return try body { (byte, offset) in unsafe ts_poke(page, offset, byte) }
  }

  /// Writes `count` bytes of `letter` past the kernel's cache; `count` and `offset` are multiples of
  /// 4,096.
  public func writeDirect(_ letter: UInt8, _ count: Int, at offset: Int64) throws(SystemFailure) {
    _ = try System.check(
      ts_pwrite_direct(descriptor, letter, count, offset), "direct pwrite \(path)")
  }

  /// The same by io_submit(2); returns when it is done.
  public func writeDirectAsynchronously(
    _ letter: UInt8, _ count: Int, at offset: Int64
  ) throws(SystemFailure) {
    _ = try System.check(
      ts_aio_write_direct(descriptor, letter, count, offset), "io_submit \(path)")
  }

  /// fcntl(F_SETFL): lets O_APPEND go, or sets it.
  public func setAppends(_ appends: Bool) throws(SystemFailure) {
    _ = try System.check(ts_set_append(descriptor, appends ? 1 : 0), "fcntl \(path)")
  }

  public func truncate(to size: Int64) throws(SystemFailure) {
    _ = try System.check(ts_ftruncate(descriptor, size), "ftruncate \(path)")
  }

  public func fallocate(mode: Int32, offset: Int64, length: Int64) throws(SystemFailure) {
    _ = try System.check(ts_fallocate(descriptor, mode, offset, length), "fallocate \(path)")
  }

  public func seekData(from offset: Int64) throws(SystemFailure) -> Int64 {
    try System.check(ts_lseek(descriptor, offset, TS_SEEK_DATA), "SEEK_DATA \(path)")
  }

  public func seekHole(from offset: Int64) throws(SystemFailure) -> Int64 {
    try System.check(ts_lseek(descriptor, offset, TS_SEEK_HOLE), "SEEK_HOLE \(path)")
  }

  /// The ranges that SEEK_DATA and SEEK_HOLE call data, up to the end of the file.
  public func dataRanges() throws(SystemFailure) -> [Range<Int64>] {
    var ranges: [Range<Int64>] = []
    var place: Int64 = 0
    while true {
      do throws(SystemFailure) {
        let start = try seekData(from: place)
        var end = try seekHole(from: start)
        // The kernel's ext4 may call a cached page of an unwritten extent data once and a hole the
        // next moment.
        if end <= start { end = (start / 4096 + 1) * 4096 }
        ranges.append(start..<end)
        place = end
      } catch {
        guard error.errno == 6 else { throw error }
        return ranges
      }
    }
  }

  public func copyRange(
    from offset: Int64, to target: OpenFile, at place: Int64, count: Int
  ) throws(SystemFailure) -> Int {
    let done = ts_copy_file_range(descriptor, offset, target.descriptor, place, count)
    return Int(try System.check(done, "copy_file_range \(path)"))
  }

  public func sync() throws(SystemFailure) {
    _ = try System.check(ts_fsync(descriptor), "fsync \(path)")
  }

  public func syncData() throws(SystemFailure) {
    _ = try System.check(ts_fdatasync(descriptor), "fdatasync \(path)")
  }

  public func syncFileSystem() throws(SystemFailure) {
    _ = try System.check(ts_syncfs(descriptor), "syncfs \(path)")
  }

  /// Drops the file's clean pages from the kernel's cache.
  public func dropCache() throws(SystemFailure) {
    _ = try System.check(ts_drop_cache(descriptor), "fadvise \(path)")
  }

  public func flags() throws(SystemFailure) -> UInt32 {
    UInt32(truncatingIfNeeded: try System.check(ts_get_flags(descriptor), "getflags \(path)"))
  }

  public func setFlags(_ flags: UInt32) throws(SystemFailure) {
    _ = try System.check(ts_set_flags(descriptor, flags), "setflags \(path)")
  }

  /// An ioctl whose argument is a structure, given and taken back as bytes.
  @discardableResult
  public func control(_ request: UInt64, _ argument: inout [UInt8]) throws(SystemFailure) -> Int {
    let result = unsafe argument.withUnsafeMutableBytes {
      unsafe ts_ioctl(descriptor, request, $0.baseAddress)
    }
    return Int(try System.check(result, "ioctl \(path)"))
  }

  /// XFS_IOC_GOINGDOWN: 0 flushes first, 2 drops everything that is not on the device.
  public func shutDown(_ how: UInt32) throws(SystemFailure) {
    _ = try System.check(ts_shut_down(descriptor, how), "shutdown \(path)")
  }
}
