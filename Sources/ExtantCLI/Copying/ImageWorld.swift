import Ext4Format
import Extant
import ExtantBase

/// The tree of an image.
final class ImageWorld: World {
  let image: String
  let fileSystem: FileSystem

  init(image: String, writing: Bool) throws {
    self.image = image
    fileSystem = try ImageSession.open(image, writing: writing)
  }

  let hasStreams = false

  func name(_ path: String) -> String { "\(image):\(PathText.shown(path))" }

  func close() throws { try at(image) { () throws(FileSystemError) in try fileSystem.close() } }

  private func at<R>(
    _ path: String, _ body: () throws(FileSystemError) -> R
  ) throws -> R {
    try ExtantCLI.at(path.hasPrefix("/") ? name(path) : path, body)
  }

  func facts(_ path: String, following: Bool) throws -> NodeFacts? {
    try at(path) { () throws(FileSystemError) -> NodeFacts? in
      do throws(FileSystemError) {
        let found = try fileSystem.attributes(
          of: try fileSystem.resolve(PathText.bytes(path), followLast: following))
        return NodeFacts(
          kind: found.kind, mode: found.mode, uid: found.uid, gid: found.gid, size: found.size,
          device: (found.device.major, found.device.minor), accessTime: found.accessTime,
          modificationTime: found.modificationTime, links: found.linkCount,
          identity: UInt64(found.inode.rawValue))
      } catch .refused(.noSuchFileOrDirectory) {
        return nil
      }
    }
  }

  private func inode(_ path: String) throws(FileSystemError) -> InodeNumber {
    try fileSystem.resolve(PathText.bytes(path), followLast: false)
  }

  func names(_ path: String) throws -> [String] {
    try at(path) { () throws(FileSystemError) in
      try fileSystem.sortedEntries(of: try inode(path)).map {
        PathText.text($0.name)
      }
    }
  }

  func target(_ path: String) throws -> [UInt8] {
    try at(path) { () throws(FileSystemError) in
      try fileSystem.readSymbolicLink(try inode(path))
    }
  }

  func attributes(_ path: String) throws -> [(name: String, value: [UInt8])] {
    try at(path) { () throws(FileSystemError) in
      let inode = try inode(path)
      var result: [(name: String, value: [UInt8])] = []
      for name in try fileSystem.extendedAttributeNames(of: inode) {
        let value = try fileSystem.extendedAttribute(name, of: inode)
        result.append((String(decoding: name, as: UTF8.self), value))
      }
      return result
    }
  }

  func reader(_ path: String) throws -> any WorldReader {
    try at(path) { () throws(FileSystemError) in
      ImageFile(place: name(path), file: try fileSystem.openFile(try inode(path), .read))
    }
  }

  func writer(_ path: String, mode: UInt16) throws -> any WorldWriter {
    try at(path) { () throws(FileSystemError) in
      let file = try fileSystem.open(PathText.bytes(path), .readWrite, create: mode)
      try file.truncate(to: 0)
      return ImageFile(place: name(path), file: file)
    }
  }

  private func parent(_ path: String) throws(FileSystemError) -> (InodeNumber, FileName) {
    let (parent, name) = try fileSystem.resolveParent(PathText.bytes(path))
    guard let name else { throw .refused(.fileExists) }
    return (parent, name)
  }

  func makeDirectory(_ path: String, mode: UInt16) throws {
    try at(path) { () throws(FileSystemError) in
      let (parent, name) = try parent(path)
      _ = try fileSystem.makeDirectory(name, in: parent, mode: mode)
    }
  }

  func makeLink(_ path: String, target: [UInt8]) throws {
    try at(path) { () throws(FileSystemError) in
      let (parent, name) = try parent(path)
      _ = try fileSystem.makeSymbolicLink(name, in: parent, target: target)
    }
  }

  func makeNode(_ path: String, _ facts: NodeFacts) throws {
    try at(path) { () throws(FileSystemError) in
      let (parent, name) = try parent(path)
      _ = try fileSystem.makeNode(
        name, in: parent, kind: facts.kind, mode: facts.mode,
        device: DeviceNumber(major: facts.device.major, minor: facts.device.minor))
    }
  }

  func makeHardLink(_ path: String, to existing: String) throws {
    try at(path) { () throws(FileSystemError) in
      let (parent, name) = try parent(path)
      _ = try fileSystem.link(try inode(existing), as: name, in: parent)
    }
  }

  func remove(_ path: String) throws {
    try at(path) { () throws(FileSystemError) in
      let (parent, name) = try parent(path)
      try fileSystem.unlink(name, in: parent)
    }
  }

  func apply(_ facts: NodeFacts, to path: String) throws {
    try at(path) { () throws(FileSystemError) in
      let inode = try inode(path)
      var change = AttributeChange()
      change.uid = facts.uid
      change.gid = facts.gid
      _ = try fileSystem.setAttributes(change, of: inode)
      // Afterwards: a change of owner drops set-user-ID.
      change = AttributeChange()
      if facts.kind != .symbolicLink { change.mode = facts.mode }
      change.accessTime = .at(facts.accessTime)
      change.modificationTime = .at(facts.modificationTime)
      _ = try fileSystem.setAttributes(change, of: inode)
    }
  }

  func setAttribute(_ path: String, _ name: String, _ value: [UInt8]) throws {
    try at(path) { () throws(FileSystemError) in
      try fileSystem.setExtendedAttribute(Array(name.utf8), value, of: try inode(path), [])
    }
  }
}

private struct ImageFile: WorldReader, WorldWriter {
  let place: String
  let file: File

  func data(from offset: UInt64) throws -> Range<UInt64>? {
    try at(place) { () throws(FileSystemError) -> Range<UInt64>? in
      guard let start = try file.seekData(from: offset),
        let end = try file.seekHole(from: start)
      else { return nil }
      return start..<end
    }
  }

  func read(_ count: Int, at offset: UInt64) throws -> [UInt8] {
    try at(place) { () throws(FileSystemError) in try file.read(count, at: offset) }
  }

  func write(_ bytes: [UInt8], at offset: UInt64) throws {
    var done = 0
    while done < bytes.count {
      let piece = done == 0 ? bytes : [UInt8](bytes[done...])
      let count = try at(place) { () throws(FileSystemError) in
        try file.write(piece, at: offset + UInt64(done))
      }
      guard count > 0 else { throw CommandFailure("\(place): nothing more could be written") }
      done += count
    }
  }

  func finish(size: UInt64) throws {
    try at(place) { () throws(FileSystemError) in
      if file.attributes().size != size { try file.truncate(to: size) }
    }
    file.close()
  }
}
