import Ext4Format
import Extant
import ExtantBase
import SystemPackage
import TestSupport

extension EngineParticipant {
  func nameAnswer(_ operation: Operation) throws(FileSystemError) -> Answer {
    switch operation {
    case .create(let path, let mode):
      try open(path, .readWrite, create: UInt16(mode)).close()
    case .makeDirectory(let path, let mode):
      let (parent, name) = try missing(path)
      _ = try fileSystem.makeDirectory(name, in: parent, mode: UInt16(mode), by: caller)
    case .removeDirectory(let path):
      let (parent, name) = try place(path)
      try fileSystem.removeDirectory(name, in: parent)
    case .unlink(let path):
      let (parent, name) = try place(path)
      try fileSystem.unlink(name, in: parent)
    case .link(let path, let to):
      let inode = try node(path).inode
      let (parent, name) = try missing(to)
      _ = try fileSystem.link(inode, as: name, in: parent)
    case .rename(let path, let to, let flags):
      guard flags != 3 else { throw .refused(.invalidArgument) }
      // As the kernel: both directories, then the old name, then the new one.
      for path in [path, to] { try requireParent(path) }
      let (parent, name) = try place(path)
      _ = try fileSystem.lookup(name, in: parent)
      let (newParent, newName) = try place(to)
      try fileSystem.rename(
        name, in: parent, to: newName, in: newParent, RenameFlags(rawValue: flags))
    case .symbolicLink(let target, let path):
      let (parent, name) = try missing(path)
      _ = try fileSystem.makeSymbolicLink(
        name, in: parent, target: Array(Fill.target(target).utf8))
    case .readSymbolicLink(let path):
      return .bytes(try fileSystem.readSymbolicLink(try node(path).inode))
    case .makeNode(let path, let mode, let major, let minor):
      let (parent, name) = try missing(path)
      guard let kind = FileKind(mode: UInt16(mode)) else { throw .refused(.invalidArgument) }
      _ = try fileSystem.makeNode(
        name, in: parent, kind: kind, mode: UInt16(mode & 0o7777),
        device: DeviceNumber(major: major, minor: minor), by: caller)
    case .list(let path):
      let inode = try fileSystem.resolve(path)
      let names = try EngineTree.names(fileSystem, inode).map {
        String(decoding: $0, as: UTF8.self)
      }
      return .names(names.filter { $0 != "lost+found" })
    case .createMany(let directory, let first, let count, let length):
      return try many(first, count, 1, length, .fileExists) { (name) throws(FileSystemError) in
        let (parent, name) = try self.missing(directory + "/" + name)
        _ = try self.fileSystem.createFile(name, in: parent, mode: 0o644, by: self.caller)
      }
    case .unlinkMany(let directory, let first, let count, let step, let length):
      return try many(first, count, step, length, .noSuchFileOrDirectory) {
        (name) throws(FileSystemError) in
        let (parent, name) = try self.place(directory + "/" + name)
        try self.fileSystem.unlink(name, in: parent)
      }
    default: return try attributeAnswer(operation)
    }
    return .nothing
  }

  private func many(
    _ first: Int, _ count: Int, _ step: Int, _ length: Int, _ tolerated: Errno,
    _ body: (String) throws(FileSystemError) -> Void
  ) throws(FileSystemError) -> Answer {
    var done: Int64 = 0
    for index in 0..<count {
      do throws(FileSystemError) {
        try body(Fill.name(first + index * step, length))
        done += 1
      } catch {
        guard error == .refused(tolerated) else { throw error }
      }
    }
    return .number(done)
  }

  private func attributeAnswer(_ operation: Operation) throws(FileSystemError) -> Answer {
    var change = AttributeChange()
    switch operation {
    case .status(let path): return .status(EngineTree.status(try node(path)))
    case .changeMode(let path, let mode):
      let found = try node(path)
      guard found.kind != .symbolicLink else { return .nothing }
      change.mode = UInt16(mode)
      _ = try fileSystem.setAttributes(change, of: found.inode)
    case .changeOwner(let path, let uid, let gid):
      change.uid = uid
      change.gid = gid
      _ = try fileSystem.setAttributes(change, of: try node(path).inode)
    case .setTimes(let path, let access, let modification, let nanoseconds):
      let nanoseconds = UInt32(nanoseconds)
      change.accessTime = .at(Timestamp(seconds: access, nanoseconds: nanoseconds))
      change.modificationTime = .at(Timestamp(seconds: modification, nanoseconds: nanoseconds))
      let found = try fileSystem.setAttributes(change, of: try node(path).inode)
      return .status(EngineTree.status(found, times: true))
    case .setAttribute(let path, let name, let count, let fill, let flags):
      let found = try node(path)
      try checkAttribute(name, found, writing: true)
      try fileSystem.setExtendedAttribute(
        Array(name.utf8), Fill.bytes(fill, count), of: found.inode,
        ExtendedAttributeFlags(rawValue: UInt32(flags)))
    case .attribute(let path, let name):
      let found = try node(path)
      try checkAttribute(name, found, writing: false)
      return .bytes(try fileSystem.extendedAttribute(Array(name.utf8), of: found.inode))
    case .attributeNames(let path):
      let names = try fileSystem.extendedAttributeNames(of: try node(path).inode)
      return .names(names.map { String(decoding: $0, as: UTF8.self) }.sorted())
    case .removeAttribute(let path, let name):
      let found = try node(path)
      try checkAttribute(name, found, writing: true)
      try fileSystem.removeExtendedAttribute(Array(name.utf8), of: found.inode)
    default: break
    }
    return .nothing
  }

  /// xattr_permission of the VFS: attributes of users belong to files and directories.
  private func checkAttribute(
    _ name: String, _ node: Attributes, writing: Bool
  ) throws(FileSystemError) {
    if name.hasPrefix("user."), node.kind != .regular, node.kind != .directory {
      throw .refused(writing ? .notPermitted : .noData)
    }
  }

  // MARK: Places

  private func place(_ path: String) throws(FileSystemError) -> (InodeNumber, FileName) {
    let (parent, name) = try fileSystem.resolveParent(path)
    guard let name else { throw .refused(.resourceBusy) }
    return (parent, name)
  }

  private func requireParent(_ path: String) throws(FileSystemError) {
    guard let slash = path.lastIndex(of: "/") else { return }
    let parent = try fileSystem.attributes(of: try fileSystem.resolve(String(path[..<slash])))
    guard parent.kind == .directory else { throw .refused(.notDirectory) }
  }

  /// A name that must be free: the VFS looks it up before it asks the filesystem.
  private func missing(_ path: String) throws(FileSystemError) -> (InodeNumber, FileName) {
    let (parent, name) = try place(path)
    do throws(FileSystemError) {
      _ = try fileSystem.lookup(name, in: parent)
    } catch .refused(.noSuchFileOrDirectory) {
      return (parent, name)
    }
    throw .refused(.fileExists)
  }

  private func node(_ path: String) throws(FileSystemError) -> Attributes {
    try fileSystem.attributes(of: try fileSystem.resolve(path, followLast: false))
  }
}
