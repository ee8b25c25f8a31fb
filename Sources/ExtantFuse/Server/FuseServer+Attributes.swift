import CFuse3
import Extant
import ExtantBase

/// getattr, setattr, statfs.
extension FuseServer {
  static func addAttributes(_ operations: inout fuse_lowlevel_ops) {
    unsafe operations.getattr = { raw, inode, _ in
      let request = unsafe Request(raw, "getattr")
      request.serve { (server) throws(FileSystemError) in
        request.reply(attributes: try server.engine.attributes(of: try InodeNumber(fuse: inode)))
      }
    }
    unsafe operations.setattr = { raw, inode, status, fields, _ in
      let request = unsafe Request(raw, "setattr")
      request.serve { (server) throws(FileSystemError) in
        guard let status = unsafe status else { throw .refused(.invalidArgument) }
        request.reply(
          attributes: try server.setAttributes(
            request, of: try InodeNumber(fuse: inode), unsafe status.pointee, fields))
      }
    }
    unsafe operations.statfs = { raw, _ in
      let request = unsafe Request(raw, "statfs")
      request.serve { (server) throws(FileSystemError) in
        request.reply(server.engine.statistics())
      }
    }
  }

  private func setAttributes(
    _ request: Request, of inode: InodeNumber, _ status: stat, _ fields: Int32
  ) throws(FileSystemError) -> Attributes {
    var change = AttributeChange()
    if fields & FUSE_SET_ATTR_MODE != 0 {
      change.mode = UInt16(truncatingIfNeeded: status.st_mode & 0o7777)
    }
    if fields & FUSE_SET_ATTR_UID != 0 { change.uid = status.st_uid }
    if fields & FUSE_SET_ATTR_GID != 0 { change.gid = status.st_gid }
    if fields & FUSE_SET_ATTR_ATIME_NOW != 0 {
      change.accessTime = .now
    } else if fields & FUSE_SET_ATTR_ATIME != 0 {
      change.accessTime = .at(Timestamp(status.st_atim))
    }
    if fields & FUSE_SET_ATTR_MTIME_NOW != 0 {
      change.modificationTime = .now
    } else if fields & FUSE_SET_ATTR_MTIME != 0 {
      change.modificationTime = .at(Timestamp(status.st_mtim))
    }
    if fields & FUSE_SET_ATTR_SIZE != 0 {
      guard let size = UInt64(exactly: status.st_size) else { throw .refused(.invalidArgument) }
      change.size = size
    }
    if change == AttributeChange() {
      guard let loss = try lossOfNothing(of: inode, by: request) else {
        return try engine.attributes(of: inode)
      }
      change.loses = loss
    } else {
      change.loses = try loss(of: inode, by: request, change)
    }
    // Also where it fails: what was changed before that counts.
    defer { privileges.forget(inode) }
    return try engine.setAttributes(change, of: inode, by: request.caller)
  }

  /// A change of the size is a write. One of the owner costs set-user-ID whoever makes it.
  private func loss(
    of inode: InodeNumber, by request: Request, _ change: AttributeChange
  ) throws(FileSystemError) -> PrivilegeLoss {
    if change.size != nil, !Privileges.requestKillsSuid { return .capability }
    let changesOwner = change.uid != nil || change.gid != nil
    guard change.size != nil || changesOwner && change.mode == nil else { return [] }
    return Self.loss(of: try engine.attributes(of: inode), by: request)
  }

  /// A change of nothing at all is chown(2) with -1 twice, or what the kernel sends ahead of a write
  /// to a regular file with privileges. Nothing in the request tells one from the other, but who is
  /// asking does in most cases:
  ///
  /// - Where nobody has the file open to write, it is chown(2).
  /// - The owner's costs set-user-ID both ways.
  /// - Root's write costs the capability alone, which the kernel has removed by a request of its own
  ///   then; without such a one it is a chown(2), which costs set-user-ID, too.
  /// - Others' chown(2) is refused where it would cost something, their write is not and sees to the
  ///   loss itself: nil, for nothing is to be done.
  private func lossOfNothing(
    of inode: InodeNumber, by request: Request
  ) throws(FileSystemError) -> PrivilegeLoss? {
    let attributes = try engine.attributes(of: inode)
    guard attributes.kind != .directory else { return [] }
    let mayBeWrite = attributes.kind == .regular && gates.hasWriters(inode)
    let caller = request.caller.uid
    let loss = Self.loss(of: attributes, by: request)
    if caller == attributes.uid { return loss }
    if caller == 0 {
      let isPerhapsWrite =
        privileges.hasRemovedCapability(of: inode, request.process) && mayBeWrite
      return isPerhapsWrite ? [] : loss
    }
    guard loss.remaining(of: attributes.mode) != attributes.mode else { return [] }
    guard mayBeWrite else { throw .refused(.notPermitted) }
    return nil
  }
}
