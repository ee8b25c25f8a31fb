import CFuseTransport
import CFuse3
import Extant
import ExtantBase
import SystemPackage

extension Request {
  /// 0 is success without more to say.
  func reply(error: Int32) { _ = unsafe fuse_reply_err(raw, error) }

  func replyDone() { reply(error: 0) }

  func replyNone() { unsafe fuse_reply_none(raw) }

  func reply(attributes: Attributes) {
    var status = attributes.status
    _ = unsafe fuse_reply_attr(raw, &status, FuseServer.timeout)
  }

  /// Answers with an inode that the engine has retained once for the kernel.
  func reply(entry attributes: Attributes) {
    var entry = attributes.entry
    if unsafe fuse_reply_entry(raw, &entry) != 0 {
      server.engine.forget(attributes.inode, count: 1)
    }
  }

  /// "There is no such name", for the kernel to remember.
  func replyNoEntry() {
    var entry = fuse_entry_param()
    entry.entry_timeout = FuseServer.timeout
    _ = unsafe fuse_reply_entry(raw, &entry)
  }

  /// Answers create: as `reply(entry:)` and `reply(open:)` in one.
  func reply(entry attributes: Attributes, open file: OpenFile, _ info: FileInfo) {
    var entry = attributes.entry
    info.install(file)
    if unsafe fuse_reply_create(raw, &entry, info.raw) != 0 {
      server.engine.forget(attributes.inode, count: 1)
      info.release()?.close()
    }
  }

  func reply(open file: OpenFile, _ info: FileInfo) {
    info.install(file)
    if unsafe fuse_reply_open(raw, info.raw) != 0 { info.release()?.close() }
  }

  func reply(written count: Int) { _ = unsafe fuse_reply_write(raw, count) }

  func reply(offset: UInt64) { _ = unsafe fuse_reply_lseek(raw, off_t(clamping: offset)) }

  func reply(link target: [UInt8]) {
    unsafe (target + [0]).withUnsafeBytes { bytes in
      let text = unsafe bytes.bindMemory(to: CChar.self)
      _ = unsafe fuse_reply_readlink(raw, text.baseAddress)
    }
  }

  func reply(bytes: [UInt8]) {
    unsafe bytes.withUnsafeBytes { bytes in
      let text = unsafe bytes.bindMemory(to: CChar.self)
      _ = unsafe fuse_reply_buf(raw, text.baseAddress, text.count)
    }
  }

  /// Lets `fill` put at most `count` bytes into this thread's buffer and answers with as many as
  /// it says.
  func replyData(
    upTo count: Int, _ fill: (inout MutableRawSpan) throws(FileSystemError) -> Int
  ) throws(FileSystemError) {
    let scratch = try Scratch(count)
    var bytes = scratch.bytes
    let filled = try fill(&bytes)
    unsafe scratch.withBaseAddress { base in
      _ = unsafe fuse_reply_buf(raw, base.assumingMemoryBound(to: CChar.self), min(filled, count))
    }
  }

  /// Answers getxattr and listxattr: the size alone where the caller offers no room.
  func reply(attributeBytes value: [UInt8], room: Int) throws(FileSystemError) {
    if room == 0 {
      _ = unsafe fuse_reply_xattr(raw, value.count)
    } else if value.count > room {
      throw .refused(.outOfRange)
    } else {
      reply(bytes: value)
    }
  }

  func reply(ioctl output: [UInt8]) {
    unsafe output.withUnsafeBytes { bytes in
      _ = unsafe fuse_reply_ioctl(raw, 0, bytes.baseAddress, bytes.count)
    }
  }

  func reply(_ statistics: Statistics) {
    var status = statvfs()
    status.f_bsize = UInt(statistics.blockSize)
    status.f_frsize = UInt(statistics.blockSize)
    status.f_blocks = UInt(statistics.blocks)
    status.f_bfree = UInt(statistics.freeBlocks)
    status.f_bavail = UInt(statistics.availableBlocks)
    status.f_files = UInt(statistics.inodes)
    status.f_ffree = UInt(statistics.freeInodes)
    status.f_favail = UInt(statistics.freeInodes)
    status.f_namemax = UInt(FileName.maximumLength)
    _ = unsafe fuse_reply_statfs(raw, &status)
  }
}

/// Memory of the calling thread for one answer; the next one on the thread uses it again.
@safe struct Scratch: ~Copyable {
  private let base: UnsafeMutableRawPointer
  private let count: Int

  init(_ count: Int) throws(FileSystemError) {
    guard let base = unsafe csys_thread_scratch(max(count, 1)) else {
      throw .refused(.noMemory)
    }
    unsafe self.base = base
    self.count = count
  }

  var bytes: MutableRawSpan {
    @_lifetime(borrow self)
    get {
      let span = unsafe UnsafeMutableRawBufferPointer(start: base, count: count).mutableBytes
      return unsafe _overrideLifetime(span, borrowing: self)
    }
  }

  borrowing func withBaseAddress(_ body: (UnsafeMutableRawPointer) -> Void) { unsafe body(base) }
}

extension Attributes {
  var status: stat {
    var status = stat()
    status.st_ino = UInt(inode.rawValue)
    status.st_mode = UInt32(kind.rawValue | (mode & 0o7777))
    status.st_nlink = UInt(linkCount)
    status.st_uid = uid
    status.st_gid = gid
    status.st_rdev = extant_makedev(device.major, device.minor)
    status.st_size = Int(clamping: size)
    status.st_blocks = Int(clamping: blocks512)
    status.st_atim = accessTime.timespec
    status.st_mtim = modificationTime.timespec
    status.st_ctim = changeTime.timespec
    return status
  }

  var entry: fuse_entry_param {
    var entry = fuse_entry_param()
    entry.ino = inode.fuse
    entry.generation = UInt64(generation)
    entry.attr = status
    entry.attr_timeout = FuseServer.timeout
    entry.entry_timeout = FuseServer.timeout
    return entry
  }
}

extension Timestamp {
  var timespec: timespec { CFuse3.timespec(tv_sec: Int(seconds), tv_nsec: Int(nanoseconds)) }

  init(_ time: timespec) {
    self.init(
      seconds: Int64(time.tv_sec), nanoseconds: UInt32(clamping: max(0, time.tv_nsec)))
  }
}
