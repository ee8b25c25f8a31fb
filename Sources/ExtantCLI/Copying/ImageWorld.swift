import Ext4Format
import Extant
import ExtantBase
import SystemPackage

/// The tree of an image.
final class ImageWorld: World {
  let image: String
  let fileSystem: FileSystem

  init(image: String, writing: Bool) throws {
    self.image = image
    fileSystem = try ImageSession.open(image, writing: writing)
  }

  let hasStreams = false
  let directoriesHaveOneName = true

  func name(_ path: String) -> String { Location(image: image, path: path).description }

  func close() throws {
    try at(PathText.shown(image)) { () throws(FileSystemError) in try fileSystem.close() }
  }

  private func at<R>(
    _ path: String, _ body: () throws(FileSystemError) -> R
  ) throws -> R {
    try ExtantCLI.at(path.utf8.first == UInt8(ascii: "/") ? name(path) : path, body)
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

  func attributes(_ path: String) throws -> [(name: [UInt8], value: [UInt8])] {
    try at(path) { () throws(FileSystemError) in
      let inode = try inode(path)
      var result: [(name: [UInt8], value: [UInt8])] = []
      for name in try fileSystem.extendedAttributeNames(of: inode) {
        let value = try fileSystem.extendedAttribute(name, of: inode)
        result.append((name, value))
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

  func setOwner(_ path: String, uid: UInt32, gid: UInt32) throws -> Bool {
    var change = AttributeChange()
    change.uid = uid
    change.gid = gid
    try set(change, path)
    return true
  }

  func setMode(_ path: String, _ mode: UInt16) throws {
    var change = AttributeChange()
    change.mode = mode
    try set(change, path)
  }

  func setTimes(_ path: String, access: Timestamp, modification: Timestamp) throws {
    var change = AttributeChange()
    change.accessTime = .at(access)
    change.modificationTime = .at(modification)
    try set(change, path)
  }

  private func set(_ change: AttributeChange, _ path: String) throws {
    try at(path) { () throws(FileSystemError) in
      _ = try fileSystem.setAttributes(change, of: try inode(path))
    }
  }

  func setAttribute(_ path: String, _ name: [UInt8], _ value: [UInt8]) throws -> Errno? {
    try at(path) { () throws(FileSystemError) in
      do throws(FileSystemError) {
        try fileSystem.setExtendedAttribute(name, value, of: try inode(path), [])
        return nil
      } catch .refused(let errno) {
        return errno
      }
    }
  }

  func removeAttribute(_ path: String, _ name: [UInt8]) throws {
    try at(path) { () throws(FileSystemError) in
      let inode = try inode(path)
      guard try fileSystem.extendedAttributeNames(of: inode).contains(name) else { return }
      try fileSystem.removeExtendedAttribute(name, of: inode)
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
