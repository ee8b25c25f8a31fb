import Extant
import ExtantBase
import TestSupport
import Testing

/// Images that mke2fs laid out and the kernel filled, read by the engine. Needs no root.
@Suite("Fixture images", .enabled(if: Environment.find("gzip") != nil))
struct FixtureTests {
  static let names = [
    "default-1k", "default-2k", "default-4k", "csum-seed", "orphan-file", "no-64bit", "no-csum",
    "uninit-bg", "no-journal", "no-flex-bg", "inode-128", "inode-1024", "hash-legacy", "hash-tea",
    "hash-unsigned", "tea-unsigned", "no-dir-index",
  ]

  private static func unpack(_ name: String, _ directory: TemporaryDirectory) throws -> Image {
    let path = directory(name + ".img")
    let packed = "\(Environment.packageRoot)/Images/\(name)"
    try Program.succeed(["sh", "-c", "gzip -dc '\(packed).img.gz' >'\(path)'"])
    return Image(path: path)
  }

  private static func manifest(_ name: String) throws -> Manifest? {
    Manifest(
      try Program.succeed(["gzip", "-dc", "\(Environment.packageRoot)/Images/\(name).manifest.gz"]))
  }

  @Test("what the kernel wrote reads back as its manifest says", arguments: names)
  func readsBack(name: String) throws {
    let directory = try TemporaryDirectory()
    let image = try Self.unpack(name, directory)
    let manifest = try #require(try Self.manifest(name))
    let fileSystem = try FileSystem.open(image.path, .readOnly)
    var seen = try ImageReader(fileSystem).lines()
    for line in manifest.lines {
      let found = seen.removeValue(forKey: line.path)
      #expect(found == line)
    }
    #expect(seen.keys.map { String(decoding: $0, as: UTF8.self) } == [])
    try fileSystem.close()
  }

  @Test(
    "opening for writing and closing leaves an image clean", .enabled(if: Environment.hasTools),
    arguments: names)
  func openAndClose(name: String) throws {
    let directory = try TemporaryDirectory()
    let image = try Self.unpack(name, directory)
    let fileSystem = try FileSystem.open(image.path)
    #expect(fileSystem.readOnlyReason == nil)
    try fileSystem.close()
    #expect(try image.complaint() == nil)
  }

  @Test("a block-mapped image is refused by the feature's name")
  func blockMapped() throws {
    let directory = try TemporaryDirectory()
    let image = try Self.unpack("no-extents", directory)
    do throws(FileSystemError) {
      _ = try FileSystem.open(image.path, .readOnly)
      Issue.record("it opened")
    } catch {
      guard case .unsupported(let what) = error else {
        Issue.record("\(error)")
        return
      }
      #expect("\(what.feature) \(what.detail)".contains("extent"))
    }
  }
}

/// Reads an image into the words of a manifest.
private struct ImageReader {
  let fileSystem: FileSystem

  init(_ fileSystem: FileSystem) { self.fileSystem = fileSystem }

  func lines() throws -> [[UInt8]: Manifest.Line] {
    var lines: [[UInt8]: Manifest.Line] = [:]
    var todo: [([UInt8], InodeNumber)] = [([], .root)]
    while let (path, inode) = todo.popLast() {
      let attributes = try fileSystem.attributes(of: inode)
      let name = path.isEmpty ? Array("/".utf8) : path
      lines[name] = try line(name, attributes)
      guard attributes.kind == .directory else { continue }
      try fileSystem.readDirectory(inode, from: 0) { entry in
        let isSpecial = entry.name == [0x2e] || entry.name == [0x2e, 0x2e]
        let isLost = path.isEmpty && entry.name == Array("lost+found".utf8)
        if !isSpecial && !isLost { todo.append((path + [0x2f] + entry.name, entry.inode)) }
        return true
      }
    }
    return lines
  }

  private func line(_ path: [UInt8], _ attributes: Attributes) throws -> Manifest.Line {
    var line = Manifest.Line(
      path: path, mode: UInt32(attributes.kind.rawValue | attributes.mode),
      links: attributes.linkCount, uid: attributes.uid, gid: attributes.gid,
      size: attributes.kind == .directory ? nil : attributes.size,
      modificationTime: attributes.modificationTime, device: "-", contents: "-", extents: "-",
      attributes: "-")
    switch attributes.kind {
    case .regular:
      let file = try fileSystem.openFile(attributes.inode, .read)
      defer { file.close() }
      line.contents = Checksum.of(try file.read(Int(attributes.size) + 1, at: 0))
      line.extents = try extents(of: file)
    case .symbolicLink:
      line.contents = Checksum.of(try fileSystem.readSymbolicLink(attributes.inode))
    case .blockDevice, .characterDevice:
      line.device = "\(attributes.device.major):\(attributes.device.minor)"
    default: break
    }
    var texts: [String] = []
    for name in try fileSystem.extendedAttributeNames(of: attributes.inode) {
      let value = try fileSystem.extendedAttribute(name, of: attributes.inode)
      let hex = value.map { ($0 < 16 ? "0" : "") + String($0, radix: 16) }.joined()
      texts.append(String(decoding: name, as: UTF8.self) + "=" + hex)
    }
    if !texts.isEmpty { line.attributes = texts.sorted().joined(separator: ",") }
    return line
  }

  private func extents(of file: File) throws -> String {
    let block = UInt64(fileSystem.superblock.blockSize)
    let texts = try file.extents().map { extent in
      let physical = extent.physical.map { "\($0 / block)" } ?? "?"
      return "\(extent.logical / block):\(physical):\(extent.length / block)"
        + (extent.isUnwritten ? "u" : "")
    }
    return texts.isEmpty ? "-" : texts.joined(separator: ",")
  }
}
