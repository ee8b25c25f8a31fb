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
    change.loses = try loss(of: inode, by: request, change)
    // Also where it fails: what was changed before that counts.
    defer { privileges.forget(inode) }
    return try engine.setAttributes(change, of: inode, by: request.caller)
  }

  /// A change of the size is a write. One of the owner costs set-user-ID whoever makes it.
  ///
  /// A change of nothing at all is either chown(2) with -1 twice, which costs it, too, or what the
  /// kernel sends ahead of a write to a file with privileges. The owner's costs the same both ways;
  /// of others' the write may, and will, but not chown(2), nor root's write.
  private func loss(
    of inode: InodeNumber, by request: Request, _ change: AttributeChange
  ) throws(FileSystemError) -> PrivilegeLoss {
    if change.size != nil, !Privileges.requestKillsSuid { return .capability }
    let changesNothing = change == AttributeChange()
    let changesOwner = change.uid != nil || change.gid != nil
    guard change.size != nil || changesOwner && change.mode == nil || changesNothing else {
      return []
    }
    let attributes = try engine.attributes(of: inode)
    let caller = request.caller.uid
    if changesNothing, caller == 0 ? attributes.kind == .regular : caller != attributes.uid {
      return []
    }
    return Self.loss(of: attributes, by: request)
  }
}
