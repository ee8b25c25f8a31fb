import BlockIO
import Extant
import ExtantBase
import ExtantCheck
import TestSupport

/// The paths of the engine that are hot, or must not grow with the size of things.
enum CountedWorkload: String, CaseIterable {
  case lookup, load, list, create, unlink
  case read, overwrite, append
  case collapse1k, collapse1m, insert1k, insert1m, punch1k, punch1m
  case commit, check

  var name: String {
    switch self {
    case .lookup: "lookup of a known name"
    case .load: "lookup of an inode not in memory"
    case .list: "listing with attributes, an entry"
    case .create: "create"
    case .unlink: "unlink of an empty file"
    case .read: "read of 4 KiB in the cache"
    case .overwrite: "write of 4 KiB in the cache"
    case .append: "append of 4 KiB"
    case .collapse1k: "collapse of a block, 1,000 extents"
    case .collapse1m: "collapse of a block, 1,000,000"
    case .insert1k: "insert of a block, 1,000 extents"
    case .insert1m: "insert of a block, 1,000,000"
    case .punch1k: "punch of a block, 1,000 extents"
    case .punch1m: "punch of a block, 1,000,000"
    case .commit: "100 creates and their commit"
    case .check: "fsck of Images/default-4k"
    }
  }

  /// So many, and twice as many, are counted.
  var operations: Int {
    switch self {
    case .lookup, .read, .overwrite: 4_000
    case .load, .create, .unlink, .append: 1_000
    case .list: Self.files * 4
    case .collapse1k, .collapse1m, .insert1k, .insert1m, .punch1k, .punch1m: 100
    case .commit: 5
    case .check: 2
    }
  }

  private static let files = 2_000
  private static let block: UInt64 = 4096
  private static let cachedBytes: UInt64 = 4 << 20

  private var extents: UInt64 {
    switch self {
    case .collapse1k, .insert1k, .punch1k: 1_000
    case .collapse1m, .insert1m, .punch1m: 1_000_000
    default: 0
    }
  }

  // MARK: Before

  func makeImage(at path: String) throws {
    if self == .check {
      let fixture = Environment.packageRoot + "/Images/default-4k.img.gz"
      try Program.succeed(["sh", "-c", "gzip -dc '\(fixture)' >'\(path)'"])
      return
    }
    let image = try Image.make(
      at: path, size: extents > 1_000 ? "16G" : "256M", options: ["-N", "8192"])
    let fileSystem = try Self.open(image.path)
    switch self {
    case .lookup, .load, .list, .unlink:
      for file in 0..<Self.files {
        _ = try fileSystem.createFile(try Self.name(file), in: .root, mode: 0o644)
      }
    case .read, .overwrite:
      let file = try fileSystem.open("/file", .readWrite, create: 0o644)
      _ = try file.write([UInt8](repeating: 7, count: Int(Self.cachedBytes)), at: 0)
      file.close()
    case .collapse1k, .collapse1m, .insert1k, .insert1m, .punch1k, .punch1m:
      let file = try fileSystem.open("/file", .readWrite, create: 0o644)
      try file.truncate(to: extents * 2 * Self.block)
      for index in 0..<extents {
        try file.allocate(index * 2 * Self.block..<(index * 2 + 1) * Self.block)
      }
      file.close()
    default: break
    }
    try fileSystem.close()
  }

  // MARK: Counted

  func run(_ operations: Int, _ path: String) throws {
    if self == .check { return try check(operations, path) }
    let fileSystem = try Self.open(path)
    switch self {
    case .lookup: try lookUp(operations, fileSystem)
    case .list: try list(operations, fileSystem)
    case .load, .create, .unlink: try change(operations, fileSystem)
    case .commit: try commit(operations, fileSystem)
    default: try useFile(operations, fileSystem)
    }
    try fileSystem.close()
  }

  private func lookUp(_ operations: Int, _ fileSystem: FileSystem) throws {
    let names = try (0..<Self.files).map { try Self.name($0) }
    let known = try names.map { try fileSystem.lookup($0, in: .root, retaining: true).inode }
    for index in 0..<operations {
      fileSystem.forget(
        try fileSystem.lookup(names[index % names.count], in: .root, retaining: true).inode)
    }
    for inode in known { fileSystem.forget(inode) }
  }

  /// What readdirplus asks for: the second listing and those after it find the inodes in memory.
  private func list(_ operations: Int, _ fileSystem: FileSystem) throws {
    for _ in 0..<operations / Self.files {
      for (_, attributes) in try fileSystem.readDirectoryRetaining(.root, from: 0, { _ in true }) {
        if let attributes { fileSystem.forget(attributes.inode) }
      }
    }
  }

  private func change(_ operations: Int, _ fileSystem: FileSystem) throws {
    for index in 0..<operations {
      let name = try Self.name(index)
      switch self {
      case .load: _ = try fileSystem.lookup(name, in: .root)
      case .unlink: try fileSystem.unlink(name, in: .root)
      default: _ = try fileSystem.createFile(name, in: .root, mode: 0o644)
      }
    }
  }

  private func commit(_ operations: Int, _ fileSystem: FileSystem) throws {
    for index in 0..<operations {
      for file in 0..<100 {
        _ = try fileSystem.createFile(
          try Self.name(index * 100 + file), in: .root, mode: 0o644)
      }
      try fileSystem.sync()
    }
  }

  private func useFile(_ operations: Int, _ fileSystem: FileSystem) throws {
    let file = try fileSystem.open("/file", .readWrite, create: 0o644)
    var random = SeededGenerator(seed: 1)
    let bytes = [UInt8](repeating: 1, count: Int(Self.block))
    if self == .read || self == .overwrite { _ = try file.read(Int(Self.cachedBytes), at: 0) }
    for index in 0..<UInt64(operations) {
      let cached = random.next() % (Self.cachedBytes / Self.block) * Self.block
      let cut = random.next() % max(1, extents) * Self.block
      switch self {
      case .read: _ = try file.read(Int(Self.block), at: cached)
      case .overwrite: _ = try file.write(bytes, at: cached)
      case .append: _ = try file.write(bytes, at: index * Self.block)
      case .collapse1k, .collapse1m: try file.collapse(cut..<cut + Self.block)
      case .insert1k, .insert1m: try file.insert(length: Self.block, at: cut)
      default: try file.punchHole(cut..<cut + Self.block)
      }
    }
    file.close()
  }

  private func check(_ operations: Int, _ path: String) throws {
    var options = CheckOptions(.report)
    options.isForced = true
    for _ in 0..<operations {
      let device = try FileDevice(path: path, access: .readOnly)
      _ = try Checker.check(device, options)
      try device.close()
    }
  }

  private static func name(_ file: Int) throws -> FileName {
    try FileName(Array("f\(file)".utf8))
  }

  private static func open(_ path: String) throws(FileSystemError) -> FileSystem {
    var options = FileSystem.Options()
    options.writeBackInterval = 0
    options.accessTimes = .never
    return try FileSystem.open(path, options)
  }
}
