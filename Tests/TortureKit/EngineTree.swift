import Ext4Format
import Extant
import ExtantBase
import SystemPackage
import TestSupport

/// What the engine sees of an image, in the words that mounts are compared in.
public enum EngineTree {
  /// The whole tree; lost+found is left out.
  public static func read(
    _ fileSystem: FileSystem, times: Bool = false
  ) throws(FileSystemError) -> Tree {
    var nodes: [String: TreeNode] = [:]
    var todo: [(String, InodeNumber)] = [("", .root)]
    while let (path, inode) = todo.popLast() {
      let attributes = try fileSystem.attributes(of: inode)
      nodes[path] = try node(fileSystem, attributes, times: times)
      guard attributes.kind == .directory else { continue }
      for name in try names(fileSystem, inode) {
        let text = String(decoding: name, as: UTF8.self)
        if path.isEmpty && text == "lost+found" { continue }
        todo.append((path + "/" + text, try fileSystem.lookup(FileName(name), in: inode).inode))
      }
    }
    return Tree(nodes: nodes)
  }

  /// The names in a directory, sorted by their bytes, without "." and "..".
  public static func names(
    _ fileSystem: FileSystem, _ directory: InodeNumber
  ) throws(FileSystemError) -> [[UInt8]] {
    var names: [[UInt8]] = []
    try fileSystem.readDirectory(directory, from: 0) { entry in
      if entry.name != [0x2e], entry.name != [0x2e, 0x2e] { names.append(entry.name) }
      return true
    }
    return names.sorted { $0.lexicographicallyPrecedes($1) }
  }

  public static func status(_ attributes: Attributes, times: Bool = false) -> NodeStatus {
    NodeStatus(
      mode: UInt32(attributes.kind.rawValue | attributes.mode), links: attributes.linkCount,
      uid: attributes.uid, gid: attributes.gid,
      size: attributes.kind == .directory ? 0 : attributes.size, device: device(attributes),
      times: times ? [time(attributes.accessTime), time(attributes.modificationTime)] : [])
  }

  public static func time(_ time: Timestamp) -> Status.Time {
    .init(seconds: time.seconds, nanoseconds: Int64(time.nanoseconds))
  }

  private static func device(_ attributes: Attributes) -> [UInt32] {
    let isDevice = attributes.kind == .blockDevice || attributes.kind == .characterDevice
    return isDevice ? [attributes.device.major, attributes.device.minor] : []
  }

  private static func node(
    _ fileSystem: FileSystem, _ attributes: Attributes, times: Bool
  ) throws(FileSystemError) -> TreeNode {
    let status = status(attributes)
    var node = TreeNode(
      mode: status.mode, links: status.links, uid: status.uid, gid: status.gid, size: status.size,
      contents: ContentHash(), attributes: [:], device: status.device)
    switch attributes.kind {
    case .regular:
      let file = try fileSystem.openFile(attributes.inode, .read)
      defer { file.close() }
      node.contents = try contentHash(file)
    case .symbolicLink:
      node.contents = ContentHash(try fileSystem.readSymbolicLink(attributes.inode))
    default: break
    }
    for name in try fileSystem.extendedAttributeNames(of: attributes.inode) {
      let text = String(decoding: name, as: UTF8.self)
      node.attributes[text] = try fileSystem.extendedAttribute(name, of: attributes.inode)
    }
    if times {
      node.modificationTime = time(attributes.modificationTime)
      if ![.regular, .directory, .symbolicLink].contains(attributes.kind) {
        node.accessTime = time(attributes.accessTime)
      }
    }
    return node
  }

  /// Skips holes, so that sparse files of terabytes are quick.
  static func contentHash(_ file: File) throws(FileSystemError) -> ContentHash {
    var hash = ContentHash()
    let step = UInt64(ContentHash.page)
    var next: UInt64 = 0
    while let start = try file.seekData(from: next), let end = try file.seekHole(from: start) {
      var place = max(next, start / step * step)
      while place < end {
        let bytes = try read(file, at: place, count: 1 << 20)
        if bytes.isEmpty { break }
        var index = 0
        while index < bytes.count, place + UInt64(index) < end {
          let stop = min(index + Int(step), bytes.count)
          hash.add(bytes[index..<stop], at: place + UInt64(index))
          index = stop
        }
        place += UInt64(index)
      }
      next = max(place, end)
    }
    return hash
  }

  /// Fewer bytes at the end of the file.
  public static func read(
    _ file: File, at offset: UInt64, count: Int
  ) throws(FileSystemError) -> [UInt8] {
    try file.read(count, at: offset)
  }
}
