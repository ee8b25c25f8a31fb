import ExtantBase
import SystemPackage
import TestSupport
import Testing

@testable import Extant

/// Big directories through the whole engine, judged by e2fsck and the kernel.
@Suite(.enabled(if: Environment.hasKernelMounts), .serialized)
struct DirectoryEngineTests {
  private func name(_ text: String) throws -> FileName { try FileName(text) }

  @Test(arguments: [[], ["-O", "^metadata_csum"]]) func twoLevelsOfIndexSurviveRandomChanges(
    _ options: [String]
  ) throws {
    var random = SeededGenerator(seed: Seed.take())
    let directory = try TemporaryDirectory()
    let image = try Image.make(
      at: directory("image"), size: "48M", blockSize: 1024, options: options)
    var names: [String: InodeNumber] = [:]
    var fileSystem = try FileSystem.open(image.path)
    let file = try fileSystem.createFile(try name("target"), in: .root, mode: 0o644).inode
    let parent = try fileSystem.makeDirectory(try name("d"), in: .root, mode: 0o755).inode
    for number in 0..<2500 {
      let long = "\(number)" + String(repeating: "-", count: 60 + random.below(120))
      switch random.below(10) {
      case 0..<8:
        _ = try fileSystem.link(file, as: try name(long), in: parent)
        names[long] = file
      case 8:
        guard let old = names.keys.randomElement(using: &random) else { continue }
        try fileSystem.rename(try name(old), in: parent, to: try name(long), in: parent)
        names[long] = names.removeValue(forKey: old)
      default:
        guard let old = names.keys.randomElement(using: &random) else { continue }
        try fileSystem.unlink(try name(old), in: parent)
        names[old] = nil
      }
      if number == 1200 {
        try fileSystem.close()
        fileSystem = try FileSystem.open(image.path)
      }
    }
    var listed: Set<String> = []
    var cookie: UInt64 = 0
    var goesOn = true
    while goesOn {
      var piece = 0
      goesOn = false
      try fileSystem.readDirectory(parent, from: cookie) { entry in
        guard piece < 30 else {
          goesOn = true
          return false
        }
        piece += 1
        cookie = entry.nextCookie
        let isNew = listed.insert(String(decoding: entry.name, as: UTF8.self)).inserted
        #expect(isNew)
        return true
      }
    }
    #expect(listed.subtracting([".", ".."]) == Set(names.keys))
    for (text, inode) in names {
      #expect(try fileSystem.lookup(try name(text), in: parent).inode == inode)
    }
    try fileSystem.close()

    #expect(try image.complaint() == nil)
    let dump = try image.debugfs("htree_dump /d")
    #expect(dump.contains("Indirect levels: 1"))
    let mount = try image.mountInKernel(at: directory("mount"), options: "ro")
    let seen = try System.names(in: mount.point + "/d").map { String(decoding: $0, as: UTF8.self) }
    #expect(Set(seen) == Set(names.keys))
    for text in names.keys.prefix(500) {
      #expect(try System.status(mount.point + "/d/" + text).inode == UInt64(file.rawValue))
    }
    try mount.unmount()
  }

  @Test(arguments: [1024, 4096]) func aFullDiskRefusesNamesAndAttributesCleanly(
    _ blockSize: Int
  ) throws {
    let directory = try TemporaryDirectory()
    let image = try Image.make(
      at: directory("image"), size: "6M", blockSize: blockSize, options: ["-N", "4000", "-m", "0"])
    let fileSystem = try FileSystem.open(image.path)
    let parent = try fileSystem.makeDirectory(try name("d"), in: .root, mode: 0o755).inode
    let target = try fileSystem.createFile(try name("target"), in: .root, mode: 0o644).inode
    let file = try fileSystem.open("/fill", .readWrite, create: 0o644)
    var refused = 0
    var linked: Set<String> = []
    // Fills the disk with data, then asks for names and attributes until they, too, are refused.
    do {
      for piece in UInt64(0)... {
        _ = try file.write([UInt8](repeating: 7, count: 1 << 16), at: piece << 16)
      }
    } catch {
      #expect(error == .refused(.noSpace))
    }
    for number in 0..<600 {
      let long = "\(number)" + String(repeating: "x", count: 200)
      do throws(FileSystemError) {
        if number % 5 == 0 {
          try fileSystem.setExtendedAttribute(
            Array("user.a\(number)".utf8), [UInt8](repeating: 1, count: 150), of: target)
        } else {
          _ = try fileSystem.link(target, as: try FileName(long), in: parent)
          linked.insert(long)
        }
      } catch {
        #expect(error == .refused(.noSpace))
        refused += 1
      }
    }
    #expect(refused > 0)
    file.close()
    var listed: Set<String> = []
    try fileSystem.readDirectory(parent, from: 0) { entry in
      listed.insert(String(decoding: entry.name, as: UTF8.self))
      return true
    }
    #expect(listed.subtracting([".", ".."]) == linked)
    try fileSystem.close()
    #expect(try image.complaint() == nil)
  }
}
