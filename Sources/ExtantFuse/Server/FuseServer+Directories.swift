import CFuse3
import Extant
import ExtantBase
import Glibc
import SystemPackage

/// Reading directories. They are never opened (ENOSYS once, for all): a cookie says all there is to
/// know, and the kernel keeps what it has read until the directory changes.
extension FuseServer {
  static func addDirectories(_ operations: inout fuse_lowlevel_ops) {
    unsafe operations.opendir = { raw, _, _ in
      unsafe Request(raw, "opendir").reply(error: ENOSYS)
    }
    unsafe operations.readdir = { raw, inode, size, offset, _ in
      let request = unsafe Request(raw, "readdir")
      request.serve { (server) throws(FileSystemError) in
        try server.readDirectory(request, try InodeNumber(fuse: inode), room: size, from: offset)
      }
    }
    unsafe operations.readdirplus = { raw, inode, size, offset, _ in
      let request = unsafe Request(raw, "readdirplus")
      request.serve { (server) throws(FileSystemError) in
        try server.readDirectoryPlus(
          request, try InodeNumber(fuse: inode), room: size, from: offset)
      }
    }
    unsafe operations.fsyncdir = { raw, inode, _, _ in
      let request = unsafe Request(raw, "fsyncdir")
      request.serve { (server) throws(FileSystemError) in
        try server.engine.sync(try InodeNumber(fuse: inode))
        request.replyDone()
      }
    }
  }

  /// The entries from `offset` on that fit into `room` bytes, each of `size(name)`.
  private func entries(
    of directory: InodeNumber, from offset: off_t, room: Int, size: (DirectoryEntry) -> Int
  ) throws(FileSystemError) -> [DirectoryEntry] {
    guard let cookie = UInt64(exactly: offset) else { throw .refused(.invalidArgument) }
    var result: [DirectoryEntry] = []
    var left = room
    try engine.readDirectory(directory, from: cookie) { entry in
      left -= size(entry)
      guard left >= 0 else { return false }
      result.append(entry)
      return true
    }
    return result
  }

  private func readDirectory(
    _ request: Request, _ directory: InodeNumber, room: Int, from offset: off_t
  ) throws(FileSystemError) {
    let entries = try entries(of: directory, from: offset, room: room) {
      DirectoryReply.size(of: $0, withAttributes: false)
    }
    var reply = try DirectoryReply(request, room: room)
    for entry in entries { reply.add(entry) }
    _ = reply.send()
  }

  private func readDirectoryPlus(
    _ request: Request, _ directory: InodeNumber, room: Int, from offset: off_t
  ) throws(FileSystemError) {
    let entries = try entries(of: directory, from: offset, room: room) {
      DirectoryReply.size(of: $0, withAttributes: true)
    }
    var reply = try DirectoryReply(request, room: room)
    var retained: [InodeNumber] = []
    for entry in entries {
      let attributes = retain(entry, in: directory)
      if let attributes { retained.append(attributes.inode) }
      reply.add(entry, attributes)
    }
    if !reply.send() { for inode in retained { engine.forget(inode, count: 1) } }
  }

  /// The attributes of an entry, retained for the kernel. Nil, and the kernel will look it up itself,
  /// for `.` and `..` and for what cannot be had: one bad inode does not hide the others.
  private func retain(_ entry: DirectoryEntry, in directory: InodeNumber) -> Attributes? {
    guard let name = try? FileName(entry.name), !name.isDotOrDotDot else { return nil }
    return try? engine.lookup(name, in: directory, retaining: true)
  }
}

/// The answer to readdir or readdirplus while it is built.
@safe struct DirectoryReply: ~Copyable {
  private let request: Request
  private let scratch: Scratch
  private let room: Int
  private var used = 0

  init(_ request: Request, room: Int) throws(FileSystemError) {
    self.request = request
    self.room = room
    scratch = try Scratch(room)
  }

  /// In bytes. Headers and padding as fuse_add_direntry(3) lays them out.
  static func size(of entry: DirectoryEntry, withAttributes: Bool) -> Int {
    let header = withAttributes ? 152 : 24
    return (header + entry.name.count + 7) / 8 * 8
  }

  mutating func add(_ entry: DirectoryEntry) {
    var status = Self.status(of: entry)
    let request = request
    unsafe append(entry) { name, place, left in
      unsafe fuse_add_direntry(
        request.raw, place, left, name, &status, off_t(truncatingIfNeeded: entry.nextCookie))
    }
  }

  mutating func add(_ entry: DirectoryEntry, _ attributes: Attributes?) {
    var parameters = attributes?.entry ?? fuse_entry_param()
    if attributes == nil { parameters.attr = Self.status(of: entry) }
    let request = request
    unsafe append(entry) { name, place, left in
      unsafe fuse_add_direntry_plus(
        request.raw, place, left, name, &parameters, off_t(truncatingIfNeeded: entry.nextCookie))
    }
  }

  private static func status(of entry: DirectoryEntry) -> stat {
    var status = stat()
    status.st_ino = UInt(entry.inode.rawValue)
    status.st_mode = UInt32(entry.kind?.rawValue ?? 0)
    return status
  }

  private mutating func append(
    _ entry: DirectoryEntry,
    _ add: (UnsafePointer<CChar>, UnsafeMutablePointer<CChar>, Int) -> Int
  ) {
    let left = room - used
    var added = 0
    unsafe scratch.withBaseAddress { base in
      unsafe (entry.name + [0]).withUnsafeBytes { name in
        guard let name = unsafe name.bindMemory(to: CChar.self).baseAddress else { return }
        let place = unsafe (base + used).assumingMemoryBound(to: CChar.self)
        added = unsafe add(name, place, left)
      }
    }
    // More than was left means that nothing was written; `entries` has counted, so it fits.
    if added <= left { used += added }
  }

  /// Whether the kernel took it.
  consuming func send() -> Bool {
    var result: Int32 = 0
    unsafe scratch.withBaseAddress { base in
      result = unsafe fuse_reply_buf(
        request.raw, base.assumingMemoryBound(to: CChar.self), used)
    }
    return result == 0
  }
}
