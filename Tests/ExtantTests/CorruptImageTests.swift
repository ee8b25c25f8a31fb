import Extant
import ExtantBase
import Foundation
import TestSupport
import Testing

/// Images that are broken in every way e2fsprogs' own tests know: nothing traps, everything ends.
@Suite struct CorruptImageTests {
  static let folder: String? = {
    let here = URL(fileURLWithPath: #filePath)
    let folder = here.deletingLastPathComponent().deletingLastPathComponent()
      .deletingLastPathComponent().deletingLastPathComponent()
      .appendingPathComponent("shared/e2fsprogs-images").path
    return FileManager.default.fileExists(atPath: folder) ? folder : nil
  }()

  @Test(.enabled(if: folder != nil)) func noCorruptImageTrapsTheEngine() throws {
    let folder = try #require(Self.folder)
    let directory = try TemporaryDirectory()
    let names = try FileManager.default.contentsOfDirectory(atPath: folder).filter {
      $0.hasSuffix(".img.gz") || $0.hasSuffix(".img.bz2")
    }.sorted()
    #expect(names.count > 50)
    var opened = 0
    for name in names {
      let image = directory(name)
      let unpack = name.hasSuffix("gz") ? "zcat" : "bzcat"
      try Program.succeed(["sh", "-c", "\(unpack) '\(folder)/\(name)' > '\(image)'"])
      if walk(image, name) { opened += 1 }
      try FileManager.default.removeItem(atPath: image)
    }
    #expect(opened > names.count / 4)
  }

  /// Reads everything reachable, then tries to change it. True where the image opened.
  private func walk(_ image: String, _ name: String) -> Bool {
    var options = FileSystem.Options()
    options.writeBackInterval = 0
    guard let fs = try? FileSystem.open(image, options) else { return false }
    var seen: Set<InodeNumber> = []
    var pending: [InodeNumber] = [.root]
    while let inode = pending.popLast(), seen.count < 3000 {
      guard seen.insert(inode).inserted else { continue }
      var entries: [DirectoryEntry] = []
      try? fs.readDirectory(inode, from: 0) { entry in
        entries.append(entry)
        return entries.count < 5000
      }
      pending += entries.map(\.inode)
      _ = try? fs.attributes(of: inode)
      _ = try? fs.readSymbolicLink(inode)
      for name in (try? fs.extendedAttributeNames(of: inode)) ?? [] {
        _ = try? fs.extendedAttribute(name, of: inode)
      }
      guard let file = try? fs.openFile(inode, .readWrite) else { continue }
      _ = try? file.extents()
      _ = try? file.read(1 << 16, at: 0)
      _ = try? file.seekData(from: 0)
      _ = try? file.write(pattern(5000), at: 3000)
      try? file.collapse(0..<4096)
      try? file.insert(length: 4096, at: 0)
      try? file.punchHole(0..<100_000)
      try? file.truncate(to: 10)
      file.close()
    }
    for inode in seen {
      guard let name = try? FileName("new") else { continue }
      _ = try? fs.createFile(name, in: inode, mode: 0o644)
      _ = try? fs.makeDirectory(name, in: inode, mode: 0o755)
      try? fs.unlink(name, in: inode)
    }
    try? fs.close()
    return true
  }
}
