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

  /// A file that is no bystander: `Session.leaveUnsynced` writes over its blocks in place, for which
  /// no commit waits. Each piece is an extent of its own.
  private static let overwritten = (
    path: "/overwritten", byteCount: 4096, places: [0, 16384] as [UInt64]
  )

  static func bytes(_ count: Int) -> [UInt8] {
    var generator = SeededGenerator(seed: UInt64(count))
    return (0..<count).map { _ in UInt8(truncatingIfNeeded: generator.next()) }
  }

  static func make(in fs: FileSystem) throws(FileSystemError) {
    let old = try fs.makeDirectory(try FileName("old"), in: .root, mode: 0o750).inode
    _ = try fs.makeDirectory(try FileName("below"), in: old, mode: 0o700)
    for entry in files {
      let file = try fs.open("/" + entry.path, .readWrite, create: 0o640)
      defer { file.close() }
      if entry.byteCount > 0 { _ = try file.write(bytes(entry.byteCount), at: entry.place) }
    }
    try fs.setExtendedAttribute(attribute, bytes(300), of: try fs.resolve("/old/short"))
    _ = try fs.makeSymbolicLink(
      try FileName("link"), in: old, target: Array("below/deep".utf8))
    let file = try fs.open(overwritten.path, .readWrite, create: 0o640)
    defer { file.close() }
    try overwrite(file, with: [UInt8](repeating: 0x0d, count: overwritten.byteCount))
  }

  static func overwrite(in session: Session) {
    session.file(overwritten.path) { (file) throws(FileSystemError) in
      try overwrite(file, with: bytes(overwritten.byteCount))
    }
  }

  private static func overwrite(_ file: File, with bytes: [UInt8]) throws(FileSystemError) {
    for place in overwritten.places { _ = try file.write(bytes, at: place) }
  }

  /// Where each piece of it lies on the device, in sectors of 512 bytes.
  static func overwrittenSectors(in fs: FileSystem) throws(FileSystemError) -> [UInt64] {
    let file = try fs.open(overwritten.path, .read)
    defer { file.close() }
    return try file.extents().compactMap(\.physical).map { $0 / 512 }
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
