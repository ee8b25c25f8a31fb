import Extant
import ExtantBase
import TestSupport
import Testing

/// A fresh image, opened by the engine; closing it asks e2fsck.
final class EngineImage {
  let directory: TemporaryDirectory
  let image: Image

  init(
    size: String = "32M", blockSize: Int = 4096, options: [String] = [], extended: String = ""
  ) throws {
    directory = try TemporaryDirectory()
    image = try Image.make(
      at: directory("image"), size: size, blockSize: blockSize, options: options,
      extended: extended)
  }

  func open(_ change: (inout FileSystem.Options) -> Void = { _ in }) throws -> FileSystem {
    var options = FileSystem.Options()
    // Tests decide themselves when something is written.
    options.writeBackInterval = 0
    change(&options)
    return try FileSystem.open(image.path, options)
  }

  /// Runs `body` on the open filesystem, closes it, and lets e2fsck judge the image.
  func use(
    _ change: (inout FileSystem.Options) -> Void = { _ in },
    _ body: (FileSystem) throws -> Void
  ) throws {
    let fileSystem = try open(change)
    do { try body(fileSystem) } catch {
      try? fileSystem.close()
      throw error
    }
    try fileSystem.close()
    let complaint = try image.complaint()
    #expect(complaint == nil)
  }
}

extension File {
  func writeAll(_ bytes: [UInt8], at offset: UInt64) throws {
    #expect(try write(bytes, at: offset) == bytes.count)
  }

  func contents() throws(FileSystemError) -> [UInt8] {
    try read(Int(attributes().size), at: 0)
  }
}

extension FileSystem {
  func create(_ path: String) throws -> File {
    try open(path, .readWrite, create: 0o644)
  }

  func names(in path: String) throws -> [String] {
    var names: [String] = []
    try readDirectory(try resolve(path), from: 0) { entry in
      names.append(String(decoding: entry.name, as: UTF8.self))
      return true
    }
    return names.filter { $0 != "." && $0 != ".." }.sorted()
  }
}

/// Bytes that tell where they were written.
func pattern(_ count: Int, seed: UInt64 = 1) -> [UInt8] {
  var generator = SeededGenerator(seed: seed)
  var bytes: [UInt8] = []
  bytes.reserveCapacity(count + 8)
  while bytes.count < count {
    let word = generator.next()
    for shift in stride(from: 0, to: 64, by: 8) {
      bytes.append(UInt8(truncatingIfNeeded: word >> UInt64(shift)))
    }
  }
  bytes.removeLast(bytes.count - count)
  return bytes
}
