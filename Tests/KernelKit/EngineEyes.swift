import Extant
import ExtantBase
import TestSupport
import TortureKit

extension SeenTree {
  /// Reads an open filesystem.
  init(_ fileSystem: FileSystem, seeks: Bool) throws {
    if seeks {
      let space = fileSystem.statistics()
      self.space = [
        UInt64(space.blockSize), space.blocks, space.freeBlocks, space.inodes, space.freeInodes,
      ]
    }
    var known: [InodeNumber: SeenNode] = [:]
    var todo: [(String, InodeNumber)] = [("", .root)]
    while let (path, inode) = todo.popLast() {
      let attributes = try fileSystem.attributes(of: inode)
      let node = try known[inode] ?? Self.node(fileSystem, attributes, seeks: seeks)
      known[inode] = node
      nodes[path] = node
      guard attributes.kind == .directory else { continue }
      for name in try EngineTree.names(fileSystem, inode) {
        let text = String(decoding: name, as: UTF8.self)
        if path.isEmpty && text == "lost+found" { continue }
        todo.append((path + "/" + text, try fileSystem.lookup(FileName(name), in: inode).inode))
      }
    }
  }

  private static func node(
    _ fileSystem: FileSystem, _ attributes: Attributes, seeks: Bool
  ) throws -> SeenNode {
    var node = SeenNode(
      inode: UInt64(attributes.inode.rawValue),
      mode: UInt32(attributes.kind.rawValue | attributes.mode), links: attributes.linkCount,
      uid: attributes.uid, gid: attributes.gid, size: attributes.size,
      blocks: attributes.blocks512,
      times: [attributes.accessTime, attributes.modificationTime, attributes.changeTime]
        .map(EngineTree.time),
      creationTime: attributes.creationTime.map(EngineTree.time))
    if attributes.kind == .blockDevice || attributes.kind == .characterDevice {
      node.device = [attributes.device.major, attributes.device.minor]
    }
    if attributes.kind == .symbolicLink {
      node.target = try fileSystem.readSymbolicLink(attributes.inode)
    }
    for name in try fileSystem.extendedAttributeNames(of: attributes.inode) {
      let text = String(decoding: name, as: UTF8.self)
      node.attributes[text] = try fileSystem.extendedAttribute(name, of: attributes.inode)
    }
    if attributes.kind == .regular || attributes.kind == .directory {
      // EXT4_FL_USER_VISIBLE
      node.flags = attributes.flags.rawValue & 0x705B_DFFF
      node.generation = attributes.generation
    }
    guard attributes.kind == .regular, attributes.blocks512 > 0 || attributes.size > 0 else {
      return node
    }
    let file = try fileSystem.openFile(attributes.inode, .read)
    defer { file.close() }
    let extents = try file.extents().map {
      FileMap.Run(range: $0.logical..<$0.logical + $0.length, isUnwritten: $0.isUnwritten)
    }
    node.runs =
      FileMap(extents: extents, data: [], size: node.size, blocks: node.blocks).runs
    if seeks { node.data = try dataRanges(file) }
    for range in SeenNode.written(node.runs, size: node.size) {
      node.contents += try file.read(range.count, at: range.lowerBound)
    }
    return node
  }

  private static func dataRanges(_ file: File) throws -> [Range<Int64>] {
    var ranges: [Range<Int64>] = []
    var place: UInt64 = 0
    while let start = try file.seekData(from: place), let end = try file.seekHole(from: start) {
      ranges.append(Int64(start)..<Int64(end))
      place = end
    }
    return ranges
  }
}
