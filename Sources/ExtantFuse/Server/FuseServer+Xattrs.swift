import CFuseTransport
import CFuse3
import Extant
import ExtantBase

/// Extended attributes, POSIX ACLs among them. Which names a caller may see or change, the kernel has
/// checked, but for `trusted.` in lists.
extension FuseServer {
  static func addExtendedAttributes(_ operations: inout fuse_lowlevel_ops) {
    unsafe operations.getxattr = { raw, inode, name, room in
      let request = unsafe Request(raw, "getxattr")
      request.serve { (server) throws(FileSystemError) in
        guard let name = unsafe name else { throw .refused(.invalidArgument) }
        let value = try server.engine.extendedAttribute(
          unsafe text(of: name), of: try InodeNumber(fuse: inode))
        try request.reply(attributeBytes: value, room: room)
      }
    }
    unsafe operations.listxattr = { raw, inode, room in
      let request = unsafe Request(raw, "listxattr")
      request.serve { (server) throws(FileSystemError) in
        let names = try server.engine.extendedAttributeNames(of: try InodeNumber(fuse: inode))
        let seesTrusted = request.caller.uid == 0
        let visible = names.filter { seesTrusted || !$0.starts(with: "trusted.".utf8) }
        try request.reply(attributeBytes: visible.flatMap { $0 + [0] }, room: room)
      }
    }
    unsafe operations.setxattr = { raw, inode, name, value, count, flags in
      let request = unsafe Request(raw, "setxattr")
      request.serve { (server) throws(FileSystemError) in
        guard let name = unsafe name else { throw .refused(.invalidArgument) }
        let inode = try InodeNumber(fuse: inode)
        let value = unsafe [UInt8](UnsafeRawBufferPointer(start: value, count: count))
        try server.engine.setExtendedAttribute(
          unsafe text(of: name), value, of: inode,
          ExtendedAttributeFlags(rawValue: UInt32(bitPattern: flags)), by: request.caller,
          dropsSetGroupID: csys_fuse_acl_kills_sgid() != 0)
        server.privileges.forget(inode)
        // The kernel asks anew for the change time alone; an attribute block counts, too.
        server.invalidateAttributes(of: inode)
        request.replyDone()
      }
    }
    unsafe operations.removexattr = { raw, inode, name in
      let request = unsafe Request(raw, "removexattr")
      request.serve { (server) throws(FileSystemError) in
        guard let name = unsafe name else { throw .refused(.invalidArgument) }
        let inode = try InodeNumber(fuse: inode)
        let attribute = unsafe text(of: name)
        try server.engine.removeExtendedAttribute(attribute, of: inode, by: request.caller)
        if attribute == Array("security.capability".utf8) {
          server.privileges.noteRemovalOfCapability(of: inode, request.process)
        }
        server.invalidateAttributes(of: inode)
        request.replyDone()
      }
    }
  }
}
