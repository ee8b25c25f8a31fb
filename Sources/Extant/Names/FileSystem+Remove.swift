import Ext4Format
import ExtantBase
import struct SystemPackage.Errno

/// Removing names. An inode without names lives until its last reference goes.
extension FileSystem {
  /// unlink(2): EISDIR for a directory, "." and ".." among them.
  public func unlink(_ name: FileName, in parent: InodeNumber) throws(FileSystemError) {
    if name.isDotOrDotDot { throw .refused(.isDirectory) }
    try remove(name, in: parent) { (node) throws(FileSystemError) in
      guard node.kind != .directory else { throw .refused(.isDirectory) }
    }
  }

  /// rmdir(2): ENOTDIR, ENOTEMPTY; EINVAL for ".".
  public func removeDirectory(_ name: FileName, in parent: InodeNumber) throws(FileSystemError) {
    if name.isDotOrDotDot {
      throw .refused(name.bytes.count == 1 ? .invalidArgument : .directoryNotEmpty)
    }
    try remove(name, in: parent) { (node) throws(FileSystemError) in
      guard node.kind == .directory else { throw .refused(.notDirectory) }
      guard try entries(of: node).isEmpty() else { throw .refused(.directoryNotEmpty) }
    }
  }

  private func remove(
    _ name: FileName, in parent: InodeNumber,
    check: (Node) throws(FileSystemError) -> Void
  ) throws(FileSystemError) {
    try requireWritable()
    try withNode(parent) { (parent) throws(FileSystemError) in
      let node = try parent.lock.withExclusiveLock { () throws(FileSystemError) -> Node in
        let match = try find(name, in: parent)
        let node = try acquire(namedBy: match.inode)
        do throws(FileSystemError) {
          guard node !== parent else {
            throw .corrupt(Corruption("directory", inode: parent.number, "it holds itself"))
          }
          try node.lock.withExclusiveLock { () throws(FileSystemError) in
            try requireRemovable(node, from: parent)
            try check(node)
            try perform { (operation) throws(FileSystemError) in
              try entries(of: parent).remove(match, operation)
              if node.kind == .directory { changeSubdirectoryCount(of: parent, by: -1) }
              entriesChanged(of: parent, operation)
              dropLink(of: node, operation)
            }
          }
        } catch {
          release(node)
          throw error
        }
        return node
      }
      // Outside the directory's lock: the last reference of a large file frees all its blocks.
      release(node)
    }
  }

  /// EPERM for what is immutable or only appended to, or sits in such a directory.
  func requireRemovable(_ node: Node, from parent: Node) throws(FileSystemError) {
    let flags = node.state.withLock { node.inode.flags }
    let parentFlags = parent.state.withLock { parent.inode.flags }
    guard flags.isDisjoint(with: [.immutable, .append]),
      parentFlags.isDisjoint(with: [.immutable, .append])
    else { throw .refused(.notPermitted) }
  }

  /// One name less; a directory loses its only one. Without names the inode is an orphan.
  func dropLink(of node: Node, _ operation: Operation) {
    let isOrphan = node.state.withLock {
      let count = node.inode.linkCount
      node.inode.linkCount = node.kind == .directory ? 0 : count - min(count, 1)
      touchAttributes(node)
      return node.inode.linkCount == 0
    }
    operation.changed(node)
    if isOrphan { addOrphan(node, operation) }
  }
}
