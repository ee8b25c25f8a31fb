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

  private func readDirectory(
    _ request: Request, _ directory: InodeNumber, room: Int, from offset: off_t
  ) throws(FileSystemError) {
    guard let cookie = UInt64(exactly: offset) else { throw .refused(.invalidArgument) }
    var reply = try DirectoryReply(request, room: room)
    var entries: [DirectoryEntry] = []
    var left = room
    try engine.readDirectory(directory, from: cookie) { entry in
      left -= DirectoryReply.size(of: entry, withAttributes: false)
      if left >= 0 { entries.append(entry) }
      return left >= 0
    }
    for entry in entries { reply.add(entry) }
    _ = reply.send()
  }

  private func readDirectoryPlus(
    _ request: Request, _ directory: InodeNumber, room: Int, from offset: off_t
  ) throws(FileSystemError) {
    guard let cookie = UInt64(exactly: offset) else { throw .refused(.invalidArgument) }
    var reply = try DirectoryReply(request, room: room)
    var left = room
    let entries = try engine.readDirectoryRetaining(directory, from: cookie) { entry in
      left -= DirectoryReply.size(of: entry, withAttributes: true)
      return left >= 0
    }
    // Without attributes the kernel looks the entry up itself.
    for (entry, attributes) in entries { reply.add(entry, attributes) }
    if !reply.send() {
      for (_, attributes) in entries {
        if let attributes { engine.forget(attributes.inode) }
      }
    }
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
