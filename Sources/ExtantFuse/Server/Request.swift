import CFuse3
import Extant
import ExtantBase
import Glibc
import SystemPackage

/// One request of the kernel, to be answered exactly once.
///
/// This file and `Request+Replies.swift` hold all pointers of libfuse that a request brings.
@safe struct Request: @unchecked Sendable {
  let raw: fuse_req_t
  /// For the log.
  let operation: StaticString

  init(_ raw: fuse_req_t?, _ operation: StaticString) {
    guard let raw = unsafe raw else { preconditionFailure("libfuse always passes a request") }
    unsafe self.raw = raw
    self.operation = operation
  }

  var server: FuseServer {
    guard let userdata = unsafe fuse_req_userdata(raw) else {
      preconditionFailure("the session was made with its server")
    }
    return unsafe Unmanaged<FuseServer>.fromOpaque(userdata).takeUnretainedValue()
  }

  /// Who asks. Not valid for writes that come from the kernel's page cache.
  var caller: Caller {
    guard let context = unsafe fuse_req_ctx(raw) else { return .superuser }
    return unsafe Caller(
      uid: context.pointee.uid, gid: context.pointee.gid,
      umask: UInt16(truncatingIfNeeded: context.pointee.umask & 0o7777))
  }

  /// Whether the caller is in the group, as root counts to be in any. Asks the system for the
  /// supplementary groups, so only while the caller waits.
  func isCaller(inGroup group: UInt32) -> Bool {
    if caller.uid == 0 || caller.gid == group { return true }
    var groups = [gid_t](repeating: 0, count: 64)
    while true {
      let room = groups.count
      let count = unsafe groups.withUnsafeMutableBufferPointer { buffer in
        unsafe fuse_req_getgroups(raw, Int32(buffer.count), buffer.baseAddress)
      }
      // What cannot be told counts as no member: less is kept.
      guard count > 0 else { return false }
      if Int(count) <= room { return groups.prefix(Int(count)).contains(group) }
      groups = [gid_t](repeating: 0, count: Int(count))
    }
  }

  var process: Int32 {
    guard let context = unsafe fuse_req_ctx(raw) else { return 0 }
    return unsafe context.pointee.pid
  }

  /// Runs `body`, which answers; what it throws instead becomes the answer.
  func serve(_ body: (FuseServer) throws(FileSystemError) -> Void) {
    let server = server
    if server.logsRequests { server.logger.debug("\(operation)") }
    do throws(FileSystemError) { try body(server) } catch { fail(error, server) }
  }

  func fail(_ error: FileSystemError, _ server: FuseServer) {
    if error.isFault { server.logger.error("\(operation): \(error)") }
    if server.logsRequests { server.logger.debug("\(operation): \(error.errno)") }
    reply(error: error.errno.rawValue)
  }
}

extension FileName {
  /// The name in a request.
  init(_ cString: UnsafePointer<CChar>?) throws(FileSystemError) {
    guard let cString = unsafe cString else { throw .refused(.invalidArgument) }
    try self.init(unsafe text(of: cString))
  }
}

/// The bytes up to the NUL, without it.
func text(of cString: UnsafePointer<CChar>) -> [UInt8] {
  let buffer = unsafe UnsafeRawBufferPointer(start: cString, count: strlen(cString))
  return unsafe [UInt8](buffer)
}

extension InodeNumber {
  /// FUSE calls the root 1, ext4 calls it 2; no other inode's number differs.
  init(fuse number: fuse_ino_t) throws(FileSystemError) {
    if number == FUSE_ROOT_ID {
      self = .root
    } else if let number = UInt32(exactly: number) {
      self.init(number)
    } else {
      throw .refused(Errno(rawValue: ESTALE))
    }
  }

  var fuse: fuse_ino_t { self == .root ? fuse_ino_t(FUSE_ROOT_ID) : fuse_ino_t(rawValue) }
}
