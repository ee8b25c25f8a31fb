import Extant
import ExtantBase

/// Reads everything that is reachable: names, attributes, extended attributes, contents, extents.
struct TreeWalk {
  var errors: [FileSystemError] = []
  var inodeCount = 0

  mutating func visit(_ fs: FileSystem) {
    var left: [InodeNumber] = [.root]
    var seen: Set<InodeNumber> = [.root]
    while let inode = left.popLast() {
      inodeCount += 1
      do throws(FileSystemError) {
        for child in try look(at: inode, fs) where seen.insert(child).inserted {
          left.append(child)
        }
      } catch {
        errors.append(error)
      }
    }
  }

  /// What it holds, if it is a directory.
  private mutating func look(
    at inode: InodeNumber, _ fs: FileSystem
  ) throws(FileSystemError) -> [InodeNumber] {
    let attributes = try fs.attributes(of: inode)
    for name in try fs.extendedAttributeNames(of: inode) {
      _ = try fs.extendedAttribute(name, of: inode)
    }
    switch attributes.kind {
    case .directory:
      var children: [InodeNumber] = []
      try fs.readDirectory(inode, from: 0) { entry in
        if entry.name != [0x2e], entry.name != [0x2e, 0x2e] { children.append(entry.inode) }
        return true
      }
      return children
    case .symbolicLink: _ = try fs.readSymbolicLink(inode)
    case .regular:
      let file = try fs.openFile(inode, .read)
      defer { file.close() }
      // A damaged size may be anything: what lies behind is as good as what is read.
      let extents = try file.extents(limit: 1000)
      _ = try file.read(Int(min(attributes.size, 1 << 20)), at: 0)
      if let last = extents.last, last.logical < attributes.size {
        _ = try file.read(4096, at: last.logical)
      }
    default: break
    }
    return []
  }
}
