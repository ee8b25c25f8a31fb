import ExtantBase
import struct SystemPackage.Errno

/// Paths inside the image, for programs that work without a mount.
extension FileSystem {
  /// The kernel's limit of symbolic links in one path (MAXSYMLINKS).
  private static let maximumLinks = 40

  /// The inode at `path`, which is taken from the root with or without a leading slash.
  ///
  /// Throws ENOENT, ENOTDIR, ELOOP, ENAMETOOLONG as path resolution does.
  public func resolve(
    _ path: String, followLast: Bool = true
  ) throws(FileSystemError) -> InodeNumber {
    try resolve(Array(path.utf8), followLast: followLast)
  }

  /// As above, for a path that need not be UTF-8.
  public func resolve(
    _ path: [UInt8], followLast: Bool = true
  ) throws(FileSystemError) -> InodeNumber {
    let (parent, name) = try resolveParent(path, followLast: followLast)
    guard let name else { return parent }
    return try lookup(name, in: parent).inode
  }

  /// The directory that holds the last component of `path`, and that component: nil where the path
  /// is the root. A last component that is `.` or `..` is resolved as well.
  public func resolveParent(
    _ path: String, followLast: Bool = false
  ) throws(FileSystemError) -> (parent: InodeNumber, name: FileName?) {
    try resolveParent(Array(path.utf8), followLast: followLast)
  }

  /// As above, for a path that need not be UTF-8.
  public func resolveParent(
    _ path: [UInt8], followLast: Bool = false
  ) throws(FileSystemError) -> (parent: InodeNumber, name: FileName?) {
    var pending = Self.components(path)
    pending.reverse()
    var current = InodeNumber.root
    var ancestors: [InodeNumber] = []
    var links = 0
    while let component = pending.popLast() {
      if component == Array(".".utf8) {
        _ = try requireDirectory(current)
        continue
      }
      if component == Array("..".utf8) {
        _ = try requireDirectory(current)
        current = ancestors.popLast() ?? .root
        continue
      }
      let name = try FileName(component)
      let isLast = pending.isEmpty
      if isLast && !followLast {
        _ = try requireDirectory(current)
        return (current, name)
      }
      let found: Attributes
      do throws(FileSystemError) {
        found = try lookup(name, in: current)
      } catch .refused(.noSuchFileOrDirectory) where isLast {
        return (current, name)
      }
      guard found.kind == .symbolicLink else {
        if isLast { return (current, name) }
        ancestors.append(current)
        current = found.inode
        continue
      }
      links += 1
      guard links <= Self.maximumLinks else { throw .refused(.tooManySymbolicLinkLevels) }
      let target = try readSymbolicLink(found.inode)
      if target.first == UInt8(ascii: "/") {
        current = .root
        ancestors = []
      }
      pending += Self.components(target).reversed()
    }
    return (current, nil)
  }

  private func requireDirectory(_ inode: InodeNumber) throws(FileSystemError) -> Attributes {
    let attributes = try attributes(of: inode)
    guard attributes.kind == .directory else { throw .refused(.notDirectory) }
    return attributes
  }

  private static func components(_ path: [UInt8]) -> [[UInt8]] {
    path.split(separator: UInt8(ascii: "/")).map(Array.init)
  }

  /// Opens the regular file at `path`; with `create`, makes it with these permission bits where it
  /// is not there.
  public func open(
    _ path: String, _ access: FileAccess, create mode: UInt16? = nil,
    by caller: Caller = .superuser
  ) throws(FileSystemError) -> File {
    try open(Array(path.utf8), access, create: mode, by: caller)
  }

  /// As above, for a path that need not be UTF-8.
  public func open(
    _ path: [UInt8], _ access: FileAccess, create mode: UInt16? = nil,
    by caller: Caller = .superuser
  ) throws(FileSystemError) -> File {
    let (parent, name) = try resolveParent(path, followLast: true)
    guard let name else { return try openFile(parent, access) }
    // Retained, or the number could be another file's by the time it is opened.
    let inode = try findOrCreate(name, in: parent, mode, caller)
    defer { forget(inode) }
    return try openFile(inode, access)
  }

  /// The inode of `name`, retained; with a mode, made where it is not there. Others may make or
  /// remove it at any moment: it is looked for again then.
  private func findOrCreate(
    _ name: FileName, in parent: InodeNumber, _ mode: UInt16?, _ caller: Caller
  ) throws(FileSystemError) -> InodeNumber {
    while true {
      do throws(FileSystemError) {
        return try lookup(name, in: parent, retaining: true).inode
      } catch .refused(.noSuchFileOrDirectory) {
        guard mode != nil else { throw .refused(.noSuchFileOrDirectory) }
      }
      do throws(FileSystemError) {
        return try createFile(name, in: parent, mode: mode ?? 0, by: caller, retaining: true).inode
      } catch .refused(.fileExists) {
        continue
      }
    }
  }

  /// Opens an inode. EISDIR for writing to a directory, EROFS where nothing can be written.
  public func openFile(
    _ inode: InodeNumber, _ access: FileAccess
  ) throws(FileSystemError) -> File {
    try requireRunning()
    if access.contains(.write) { try requireWritable() }
    let node = try acquire(inode)
    if access.contains(.write), node.kind == .directory {
      release(node)
      throw .refused(.isDirectory)
    }
    return File(self, node, access)
  }
}
