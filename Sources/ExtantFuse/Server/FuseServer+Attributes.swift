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
            of: try InodeNumber(fuse: inode), unsafe status.pointee, fields, by: request.caller))
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
    of inode: InodeNumber, _ status: stat, _ fields: Int32, by caller: Caller
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
      if Privileges.requestKillsSuid { change.dropsPrivileges = true }
    }
    let changesOwner = change.uid != nil || change.gid != nil
    if changesOwner, change.mode == nil, try engine.attributes(of: inode).kind != .directory {
      change.dropsPrivileges = true
    }
    privileges.forget(inode)
    let attributes = try engine.setAttributes(change, of: inode, by: caller)
    if change.size != nil {
      try privileges.dropAfterChange(of: inode, engine, killsSuid: false)
    } else if changesOwner, attributes.kind != .directory {
      try privileges.dropCapability(of: inode, engine)
    }
    return attributes
  }
}
