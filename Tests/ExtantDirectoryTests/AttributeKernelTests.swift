import Ext4Format
import ExtantBase
import SystemPackage
import TestSupport
import Testing

@testable import Extant

/// Attributes and ACLs changed by us and by the kernel in the same way, with the same outcome.
@Suite(.enabled(if: Environment.hasKernelMounts), .serialized)
struct AttributeKernelTests {
  struct Recipe: Sendable, CustomTestStringConvertible {
    var blockSize: Int
    var options: [String] = []
    var testDescription: String { "\(blockSize) \(options.joined(separator: " "))" }
  }

  static let recipes = [
    Recipe(blockSize: 1024), Recipe(blockSize: 4096),
    Recipe(blockSize: 1024, options: ["-I", "128", "-O", "^metadata_csum"]),
    Recipe(blockSize: 2048, options: ["-I", "512", "-O", "metadata_csum_seed"]),
  ]

  @Test(arguments: recipes) func sameCallsGiveSameAnswersAndContents(_ recipe: Recipe) throws {
    var random = SeededGenerator(seed: Seed.take())
    let directory = try TemporaryDirectory()
    let first = try Image.make(
      at: directory("first"), size: "16M", blockSize: recipe.blockSize, options: recipe.options)
    let second = try Image.make(
      at: directory("second"), size: "16M", blockSize: recipe.blockSize, options: recipe.options)

    // Then each goes on where the other stopped, with blocks that the kernel made inodes share.
    var paths = ["f0", "f1", "f2", "d0"]
    for round in 0..<4 {
      let (theirs, ours) = round % 2 == 0 ? (first, second) : (second, first)
      let kernel = KernelSide(try theirs.mountInKernel(at: directory("mount")))
      let engine = EngineSide(try FileSystem.open(ours.path))
      do {
        if round == 0 {
          for path in paths { try same(.create(path, 0o666), kernel, engine) }
        } else {
          try expectSameContents(kernel, engine, paths)
        }
        for _ in 0..<400 {
          let step = Self.step(&random, &paths)
          try same(step, kernel, engine)
        }
        try expectSameContents(kernel, engine, paths)
      } catch {
        try? engine.fileSystem.close()
        throw error
      }
      try engine.fileSystem.close()
      try kernel.mount.unmount()
      #expect(try ours.complaint() == nil)
      #expect(try theirs.complaint() == nil)
    }
  }

  private func same(_ step: Step, _ kernel: KernelSide, _ engine: EngineSide) throws {
    let expected = kernel.errno(of: step)
    let actual = engine.errno(of: step)
    try #require(actual == expected, "\(step.text)")
  }

  private func expectSameContents(
    _ kernel: KernelSide, _ engine: EngineSide, _ paths: [String]
  ) throws {
    for path in paths {
      guard let state = try kernel.state(path) else { continue }
      #expect(try engine.state(path) == state, "\(path)")
    }
  }

  // MARK: Steps

  enum Step {
    case create(String, UInt16)
    case set(String, String, [UInt8], UInt32)
    case remove(String, String)
    case changeMode(String, UInt16)
    case unlink(String)

    var path: String {
      switch self {
      case .create(let path, _), .set(let path, _, _, _), .remove(let path, _),
        .changeMode(let path, _), .unlink(let path):
        path
      }
    }

    var isCreation: Bool { if case .create = self { true } else { false } }

    var text: String {
      guard case .set(_, let name, let value, let flags) = self, !name.hasPrefix("system.") else {
        return "\(self)"
      }
      return "set \(path) \(name) to \(value.count) bytes, flags \(flags)"
    }
  }

  private static func step(_ random: inout SeededGenerator, _ paths: inout [String]) -> Step {
    let path = random.pick(paths)
    let isDirectory = path.contains("d") && !path.contains("f")
    switch random.below(100) {
    case 0..<45:
      let flags: UInt32 = random.chance(70) ? 0 : 1 + UInt32(random.below(2))
      // Which of two faults is found first is not the question.
      let name = name(&random)
      let value = value(&random)
      return .set(path, name, (try? XattrName(Array(name.utf8))) == nil ? [1] : value, flags)
    case 45..<65: return .remove(path, name(&random))
    case 65..<75: return .set(path, "system.posix_acl_access", list(&random), 0)
    case 75..<85:
      return .set(
        isDirectory || random.chance(10) ? path : "d0", "system.posix_acl_default",
        list(&random), 0)
    case 85..<90: return .changeMode(path, UInt16(random.below(0o1000)))
    case 90..<93:
      return .remove(
        path, random.chance(50) ? "system.posix_acl_access" : "system.posix_acl_default")
    case 93..<96: return .unlink(path == "d0" ? "nothing" : path)
    default:
      let parent = random.pick(paths.filter { !$0.contains("f") })
      let new = "\(parent)/\(random.chance(50) ? "f" : "d")\(paths.count)"
      if paths.count < 40 { paths.append(new) }
      return .create(new, UInt16(random.below(0o1000)))
    }
  }

  private static func name(_ random: inout SeededGenerator) -> String {
    if random.chance(3) { return random.pick(["user.", "nothing.x", "system.other"]) }
    let prefix = random.pick(["user.", "trusted.", "security.test"])
    let length = random.chance(90) ? 0 : random.below(255)
    return prefix + random.pick(["a", "b", "name", "longer name", "\u{e9}", "x.y"])
      + String(repeating: "l", count: length)
  }

  private static func value(_ random: inout SeededGenerator) -> [UInt8] {
    let sizes = [0, 1, 2, 3, 4, 8, 20, 40, 60, 300, 900, 1000, 2000, 4000, 5000, 65536, 65537]
    let size = random.chance(85) ? random.below(80) : random.pick(sizes)
    // Few values, so that the kernel finds equal blocks to share.
    return [UInt8](repeating: UInt8(random.below(2)), count: size)
  }

  private static func list(_ random: inout SeededGenerator) -> [UInt8] {
    var words: [(UInt16, UInt16, UInt32)] = [(1, UInt16(random.below(8)), .max)]
    for _ in 0..<random.below(3) {
      words.append((2, UInt16(random.below(8)), UInt32(random.below(2000))))
    }
    words.append((4, UInt16(random.below(8)), .max))
    for _ in 0..<random.below(2) { words.append((8, 5, UInt32(random.below(2000)))) }
    if words.count > 2 || random.chance(20) {
      words.append((0x10, UInt16(random.below(8)), .max))
    }
    words.append((0x20, UInt16(random.below(8)), .max))
    // Sometimes one that is not valid, or none at all.
    if random.chance(5) { words.remove(at: random.below(words.count)) }
    if random.chance(3) { words[0].1 = 8 }
    if random.chance(5) { words = [] }
    var bytes = [UInt8](repeating: 0, count: 4 + 8 * words.count)
    bytes.withMutableBytes { span in
      span.setLE32(random.chance(97) ? 2 : 3, at: 0)
      for (index, word) in words.enumerated() {
        span.setLE16(word.0, at: 4 + 8 * index)
        span.setLE16(word.1, at: 6 + 8 * index)
        span.setLE32(word.2, at: 8 + 8 * index)
      }
    }
    return bytes
  }
}

/// What can be seen of a file.
private struct SeenState: Equatable {
  var mode: UInt32
  var blocks: UInt64
  var attributes: [String: [UInt8]]
}

private struct KernelSide {
  let mount: Mount

  init(_ mount: Mount) { self.mount = mount }

  func errno(of step: AttributeKernelTests.Step) -> Int32 {
    func at(_ path: String) -> String { mount.point + "/" + path }
    // The kernel looks at sizes and names before it looks for the file; that is not the question.
    guard step.isCreation || System.exists(at(step.path)) else { return 2 }
    do throws(SystemFailure) {
      switch step {
      case .create(let path, let mode):
        if path.split(separator: "/").last?.hasPrefix("d") == true {
          try System.makeDirectory(at(path), mode: UInt32(mode))
        } else {
          _ = try OpenFile(at(path), [.create, .exclusive, .write], mode: UInt32(mode))
        }
      case .set(let path, let name, let value, let flags):
        try System.setAttribute(at(path), name, value, .init(rawValue: Int32(flags)))
      case .remove(let path, let name): try System.removeAttribute(at(path), name)
      case .changeMode(let path, let mode): try System.changeMode(at(path), UInt32(mode))
      case .unlink(let path): try System.unlink(at(path))
      }
      return 0
    } catch {
      return error.errno
    }
  }

  func state(_ path: String) throws -> SeenState? {
    let path = mount.point + "/" + path
    guard System.exists(path) else { return nil }
    let status = try System.status(path)
    var attributes: [String: [UInt8]] = [:]
    for name in try System.attributeNames(path) {
      attributes[name] = try System.attribute(path, name)
    }
    return SeenState(
      mode: UInt32(status.mode), blocks: UInt64(status.blocks), attributes: attributes)
  }
}

private struct EngineSide {
  let fileSystem: FileSystem

  init(_ fileSystem: FileSystem) { self.fileSystem = fileSystem }

  func errno(of step: AttributeKernelTests.Step) -> Int32 {
    do throws(FileSystemError) {
      switch step {
      case .create(let path, let mode):
        let (parent, name) = try split(path)
        let caller = Caller(umask: UInt16(System.umask))
        if name.bytes.first == UInt8(ascii: "d") {
          _ = try fileSystem.makeDirectory(name, in: parent, mode: mode, by: caller)
        } else {
          _ = try fileSystem.createFile(name, in: parent, mode: mode, by: caller)
        }
      case .set(let path, let name, let value, let flags):
        try fileSystem.setExtendedAttribute(
          Array(name.utf8), value, of: try fileSystem.resolve(path),
          ExtendedAttributeFlags(rawValue: flags))
      case .remove(let path, let name):
        try fileSystem.removeExtendedAttribute(
          Array(name.utf8), of: try fileSystem.resolve(path))
      case .changeMode(let path, let mode):
        var change = AttributeChange()
        change.mode = mode
        _ = try fileSystem.setAttributes(change, of: try fileSystem.resolve(path))
      case .unlink(let path):
        let (parent, name) = try split(path)
        try fileSystem.unlink(name, in: parent)
      }
      return 0
    } catch {
      return error.errno.rawValue
    }
  }

  private func split(_ path: String) throws(FileSystemError) -> (InodeNumber, FileName) {
    var parts = path.split(separator: "/")
    let name = parts.removeLast()
    return (
      try fileSystem.resolve("/" + parts.joined(separator: "/")), try FileName(String(name))
    )
  }

  func state(_ path: String) throws -> SeenState {
    let inode = try fileSystem.resolve("/" + path)
    let status = try fileSystem.attributes(of: inode)
    var attributes: [String: [UInt8]] = [:]
    for name in try fileSystem.extendedAttributeNames(of: inode) {
      attributes[String(decoding: name, as: UTF8.self)] = try fileSystem.extendedAttribute(
        name, of: inode)
    }
    return SeenState(
      mode: UInt32(status.kind.rawValue | status.mode), blocks: status.blocks512,
      attributes: attributes)
  }
}
