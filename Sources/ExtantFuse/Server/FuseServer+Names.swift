import CFuse3
import Ext4Format
import Extant
import ExtantBase
import SystemPackage

/// Names: lookup and forget, and what makes, moves and removes them.
extension FuseServer {
  static func addNames(_ operations: inout fuse_lowlevel_ops) {
    unsafe operations.lookup = { raw, parent, name in
      let request = unsafe Request(raw, "lookup")
      request.serve { (server) throws(FileSystemError) in
        let name = unsafe try FileName(name)
        try server.lookup(request, name, try InodeNumber(fuse: parent))
      }
    }
    unsafe operations.forget = { raw, inode, count in
      let request = unsafe Request(raw, "forget")
      request.server.forget(inode, count)
      request.replyNone()
    }
    unsafe operations.forget_multi = { raw, count, list in
      let request = unsafe Request(raw, "forget_multi")
      let server = request.server
      let batch = unsafe UnsafeBufferPointer(start: list, count: count)
      for index in batch.indices {
        unsafe server.forget(batch[index].ino, batch[index].nlookup)
      }
      request.replyNone()
    }
    unsafe operations.readlink = { raw, inode in
      let request = unsafe Request(raw, "readlink")
      request.serve { (server) throws(FileSystemError) in
        let target = try server.engine.readSymbolicLink(try InodeNumber(fuse: inode))
        request.reply(link: target)
      }
    }
    unsafe operations.mknod = { raw, parent, name, mode, device in
      let request = unsafe Request(raw, "mknod")
      request.serve { (server) throws(FileSystemError) in
        let name = unsafe try FileName(name)
        let parent = try InodeNumber(fuse: parent)
        try server.findingRoom { () throws(FileSystemError) in
          try server.makeNode(request, name, parent, mode, device)
        }
      }
    }
    unsafe operations.mkdir = { raw, parent, name, mode in
      let request = unsafe Request(raw, "mkdir")
      request.serve { (server) throws(FileSystemError) in
        let name = unsafe try FileName(name)
        let parent = try InodeNumber(fuse: parent)
        let made = try server.findingRoom { () throws(FileSystemError) in
          try server.engine.makeDirectory(
            name, in: parent, mode: UInt16(truncatingIfNeeded: mode & 0o7777),
            by: request.caller, retaining: true)
        }
        request.reply(entry: made)
      }
    }
    unsafe operations.symlink = { raw, target, parent, name in
      let request = unsafe Request(raw, "symlink")
      request.serve { (server) throws(FileSystemError) in
        let name = unsafe try FileName(name)
        guard let target = unsafe target else { throw .refused(.invalidArgument) }
        let parent = try InodeNumber(fuse: parent)
        let bytes = unsafe text(of: target)
        let made = try server.findingRoom { () throws(FileSystemError) in
          try server.engine.makeSymbolicLink(
            name, in: parent, target: bytes, by: request.caller, retaining: true)
        }
        request.reply(entry: made)
      }
    }
    unsafe operations.link = { raw, inode, parent, name in
      let request = unsafe Request(raw, "link")
      request.serve { (server) throws(FileSystemError) in
        let name = unsafe try FileName(name)
        request.reply(
          entry: try server.engine.link(
            try InodeNumber(fuse: inode), as: name, in: try InodeNumber(fuse: parent),
            by: request.caller, retaining: true))
      }
    }
    unsafe operations.unlink = { raw, parent, name in
      let request = unsafe Request(raw, "unlink")
      request.serve { (server) throws(FileSystemError) in
        let name = unsafe try FileName(name)
        try server.engine.unlink(name, in: try InodeNumber(fuse: parent))
        request.replyDone()
      }
    }
    unsafe operations.rmdir = { raw, parent, name in
      let request = unsafe Request(raw, "rmdir")
      request.serve { (server) throws(FileSystemError) in
        let name = unsafe try FileName(name)
        try server.engine.removeDirectory(name, in: try InodeNumber(fuse: parent))
        request.replyDone()
      }
    }
    unsafe operations.rename = { raw, parent, name, newParent, newName, flags in
      let request = unsafe Request(raw, "rename")
      request.serve { (server) throws(FileSystemError) in
        let name = unsafe try FileName(name)
        let newName = unsafe try FileName(newName)
        try server.engine.rename(
          name, in: try InodeNumber(fuse: parent), to: newName,
          in: try InodeNumber(fuse: newParent), RenameFlags(rawValue: flags), by: request.caller)
        request.replyDone()
      }
    }
  }

  private func lookup(
    _ request: Request, _ name: FileName, _ parent: InodeNumber
  ) throws(FileSystemError) {
    let attributes: Attributes
    do throws(FileSystemError) {
      // Asked of any kind of inode that is known by a file handle alone (FUSE_CAP_EXPORT_SUPPORT).
      attributes =
        name.bytes == [UInt8(ascii: ".")]
        ? try engine.retain(parent) : try engine.lookup(name, in: parent, retaining: true)
    } catch {
      guard error == .refused(.noSuchFileOrDirectory) else { throw error }
      return request.replyNoEntry()
    }
    request.reply(entry: attributes)
  }

  private func forget(_ inode: fuse_ino_t, _ count: UInt64) {
    guard let inode = try? InodeNumber(fuse: inode), inode != .root else { return }
    privileges.forget(inode)
    engine.forget(inode, count: count)
  }

  private func makeNode(
    _ request: Request, _ name: FileName, _ parent: InodeNumber, _ mode: mode_t, _ device: dev_t
  ) throws(FileSystemError) {
    let bits = UInt16(truncatingIfNeeded: mode)
    guard let kind = FileKind(mode: bits) else { throw .refused(.invalidArgument) }
    let attributes: Attributes
    if kind == .regular {
      attributes = try engine.createFile(
        name, in: parent, mode: bits & 0o7777, by: request.caller, retaining: true)
    } else {
      attributes = try engine.makeNode(
        name, in: parent, kind: kind, mode: bits & 0o7777,
        device: DeviceNumber(major: extant_major(device), minor: extant_minor(device)),
        by: request.caller, retaining: true)
    }
    request.reply(entry: attributes)
  }
}
