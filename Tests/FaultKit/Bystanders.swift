import Extant
import ExtantBase
import TestSupport

/// What was there before, and must still read as it was or say that it cannot be read.
enum Bystanders {
  private static let files: [(path: String, byteCount: Int, place: UInt64)] = [
    ("old/empty", 0, 0), ("old/short", 11, 0), ("old/blocks", 9000, 0), ("old/sparse", 700, 50_000),
    ("old/below/deep", 2500, 1024),
  ]
  private static let attribute = Array("user.old".utf8)

  /// Files that are no bystanders: `Session.leaveUnsynced` writes into blocks that they have. Over what
  /// is there, for which no commit waits, and into preallocated blocks, for which one does. Each
  /// piece is an extent of its own.
  private static let (overwritten, preallocated) = ("/overwritten", "/preallocated")
  private static let piece: UInt64 = 4096
  private static let places: [UInt64] = [0, 16384]

  static func bytes(_ count: Int) -> [UInt8] {
    var generator = SeededGenerator(seed: UInt64(count))
    return (0..<count).map { _ in UInt8(truncatingIfNeeded: generator.next()) }
  }

  static func make(in fs: FileSystem) throws(FileSystemError) {
    let directory = try fs.makeDirectory(try FileName("old"), in: .root, mode: 0o750).inode
    _ = try fs.makeDirectory(try FileName("below"), in: directory, mode: 0o700)
    for entry in files {
      let file = try fs.open("/" + entry.path, .readWrite, create: 0o640)
      defer { file.close() }
      if entry.byteCount > 0 { _ = try file.write(bytes(entry.byteCount), at: entry.place) }
    }
    try fs.setExtendedAttribute(attribute, bytes(300), of: try fs.resolve("/old/short"))
    _ = try fs.makeSymbolicLink(
      try FileName("link"), in: directory, target: Array("below/deep".utf8))
    let old = try fs.open(overwritten, .readWrite, create: 0o640)
    defer { old.close() }
    let before = [UInt8](repeating: 0x0d, count: Int(piece))
    for place in places { _ = try old.write(before, at: place) }
    let promised = try fs.open(preallocated, .readWrite, create: 0o640)
    defer { promised.close() }
    for place in places { try promised.allocate(place..<place + piece) }
  }

  static func fillOldBlocks(in session: Session) {
    for path in [overwritten, preallocated] {
      session.file(path) { (file) throws(FileSystemError) in
        for place in places { _ = try file.write(bytes(Int(piece)), at: place) }
      }
    }
  }

  /// Where each piece of them lies on the device, in sectors of 512 bytes.
  static func oldBlocksSectors(in fs: FileSystem) throws(FileSystemError) -> [UInt64] {
    var sectors: [UInt64] = []
    for path in [overwritten, preallocated] {
      let file = try fs.open(path, .read)
      defer { file.close() }
      sectors += try file.extents().compactMap(\.physical).map { $0 / 512 }
    }
    return sectors
  }

  /// What differs, in words; an error that tells of damage is no difference.
  static func differences(in fs: FileSystem) -> [String] {
    var found: [String] = []
    for entry in files {
      check(&found, entry.path) { () throws(FileSystemError) -> String? in
        let file = try fs.open("/" + entry.path, .read)
        defer { file.close() }
        let size = entry.byteCount == 0 ? 0 : entry.place + UInt64(entry.byteCount)
        guard file.attributes().size == size else { return "size \(file.attributes().size)" }
        let holds = try file.read(entry.byteCount, at: entry.place)
        return holds == bytes(entry.byteCount) ? nil : "other bytes"
      }
    }
    check(&found, "attribute of old/short") { () throws(FileSystemError) -> String? in
      let value = try fs.extendedAttribute(attribute, of: try fs.resolve("/old/short"))
      return value == bytes(300) ? nil : "another value"
    }
    check(&found, "old/link") { () throws(FileSystemError) -> String? in
      let inode = try fs.resolve("/old/link", followLast: false)
      let target = try fs.readSymbolicLink(inode)
      return target == Array("below/deep".utf8) ? nil : "another target"
    }
    return found
  }

  private static func check(
    _ found: inout [String], _ what: String, _ body: () throws(FileSystemError) -> String?
  ) {
    do throws(FileSystemError) {
      if let difference = try body() { found.append("\(what): \(difference)") }
    } catch {
      if !error.isFault { found.append("\(what): \(error)") }
    }
  }
}
