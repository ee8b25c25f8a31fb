import Extant
import ExtantBase
import TestSupport
import Testing

@testable import TortureKit

/// Fast commits, which the kernel writes where the feature is on and an fsync needs no more:
/// applied by us, and by the kernel, to copies of one image.
@Suite(.enabled(if: Environment.hasKernelMounts && Environment.hasTools), .serialized)
struct FastCommitTests {
  /// What somebody does between the last whole transaction and the crash, below the mount's root.
  struct Work: Sendable, CustomTestStringConvertible {
    var testDescription: String
    var body: @Sendable (String) throws -> Void

    init(_ description: String, _ body: @escaping @Sendable (String) throws -> Void) {
      testDescription = description
      self.body = body
    }
  }

  private static func sync(_ path: String) throws { try OpenFile(path, .write).sync() }
  private static func bytes(_ count: Int, _ fill: UInt64 = 1) -> [UInt8] {
    Fill.bytes(fill, count)
  }

  static let works = [
    Work("a new file") { root in
      try System.write(bytes(5000), to: root + "/d/new")
      try sync(root + "/d/new")
    },
    Work("a new name for a new file") { root in
      try System.write(bytes(100_000), to: root + "/d/new")
      try System.rename(root + "/d/new", root + "/renamed")
      try sync(root + "/renamed")
    },
    Work("a new name for an old file") { root in
      try System.rename(root + "/d/old", root + "/d/moved")
      try sync(root + "/d/moved")
    },
    Work("a second name") { root in
      try System.link(root + "/d/old", root + "/d/second")
      try sync(root + "/d/second")
    },
    Work("files that went") { root in
      try System.unlink(root + "/d/large")
      try System.write([1], to: root + "/d/after")
      try sync(root + "/d/after")
    },
    Work("a file over another") { root in
      try System.write(bytes(30_000, 7), to: root + "/d/fresh")
      try sync(root + "/d/fresh")
      try System.rename(root + "/d/fresh", root + "/d/large")
      try sync(root + "/d/large")
    },
    Work("appends and overwrites") { root in
      let file = try OpenFile(root + "/d/large", .write)
      for index in 0..<5 {
        try file.writeAll(bytes(10_000, UInt64(index)), at: Int64(index) * 100_000)
        try file.sync()
      }
    },
    Work("a shorter file") { root in
      let file = try OpenFile(root + "/d/large", .write)
      try file.truncate(to: 5000)
      try file.sync()
    },
    Work("allocation, holes and zeros") { root in
      let file = try OpenFile(root + "/d/large", .write)
      try file.fallocate(mode: 0, offset: 0, length: 1 << 20)
      try file.sync()
      try file.fallocate(mode: 3, offset: 8192, length: 40_960)
      try file.sync()
      try file.fallocate(mode: 16, offset: 100_000, length: 50_000)
      try file.sync()
      try file.fallocate(mode: 1, offset: 4 << 20, length: 1 << 20)
      try file.sync()
    },
    Work("moved blocks") { root in
      let file = try OpenFile(root + "/d/large", .write)
      try file.fallocate(mode: 8, offset: 4096, length: 8192)
      try file.sync()
      try file.fallocate(mode: 32, offset: 8192, length: 4096)
      try file.sync()
    },
    Work("more extents than the inode holds") { root in
      let file = try OpenFile(root + "/d/sparse", [.write, .create])
      for index in 0..<30 { try file.writeAll(bytes(10), at: Int64(index) * 12_288) }
      try file.sync()
      for index in 30..<60 { try file.writeAll(bytes(10), at: Int64(index) * 12_288) }
      try file.sync()
    },
    Work("many names") { root in
      for index in 0..<120 { try System.write([1], to: "\(root)/d/name-\(index)-of-a-file") }
      for index in 0..<40 { try System.unlink("\(root)/d/name-\(index * 3)-of-a-file") }
      try sync(root + "/d/name-1-of-a-file")
    },
    Work("an empty file, and a directory, with the numbers of files that went") { root in
      for name in ["one", "two"] {
        try System.write(bytes(90_000, 7), to: root + "/d/" + name)
        try sync(root + "/d/" + name)
      }
      for name in ["one", "two"] { try System.unlink(root + "/d/" + name) }
      try System.write([], to: root + "/d/empty")
      try System.makeDirectory(root + "/other")
      try System.write([1], to: root + "/other/file")
      try sync(root + "/d/empty")
      try sync(root + "/other/file")
    },
    Work("directories that went, new and old, and what has their numbers") { root in
      try System.makeDirectory(root + "/d/n")
      try System.write(bytes(9000), to: root + "/d/n/f")
      try sync(root + "/d/n/f")
      try System.unlink(root + "/d/n/f")
      try System.removeDirectory(root + "/d/n")
      try System.removeDirectory(root + "/d/was")
      for index in 0..<4 { try System.write([], to: root + "/d/f\(index)") }
      try System.makeDirectory(root + "/d/was")
      try System.write(bytes(9000, 3), to: root + "/d/was/f")
      try sync(root + "/d/was/f")
      try sync(root + "/d/f0")
      try System.unlink(root + "/d/was/f")
      try System.removeDirectory(root + "/d/was")
      for index in 4..<8 { try System.write([], to: root + "/d/f\(index)") }
      try sync(root + "/d/f7")
    },
    Work("a name that comes and goes: the log has it, home is as in the end") { root in
      try System.write([], to: root + "/d/e")
      // Fast commits do not hold attributes, and a whole transaction is not home yet.
      try System.setAttribute(root + "/d/e", "user.a", [1])
      try sync(root + "/d/e")
      try System.unlink(root + "/d/e")
      try System.write([1, 2], to: root + "/d/old")
      try sync(root + "/d/old")
    },
    Work("files under the name of those that went") { root in
      for index in 0..<6 {
        try System.write(bytes(9000, UInt64(index)), to: root + "/d/again")
        try sync(root + "/d/again")
        if index < 5 { try System.unlink(root + "/d/again") }
      }
    },
  ]

  /// A few random changes, each with an fsync now and then: as much as the area for fast commits
  /// holds.
  static func random(_ seed: UInt64) -> Work {
    Work("random \(Seed.text(seed))") { root in
      var random = SeededGenerator(seed: seed)
      let directories = ["", "/d", "/d/e"]
      func name() -> String { "\(root)\(random.pick(directories))/f\(random.below(6))" }
      for _ in 0..<random.below(25) + 3 {
        let path = name()
        // Most of these fail now and then, for want of the file or the directory.
        switch random.below(13) {
        case 0..<3:
          let count = random.below(60_000) + 1
          if let file = try? OpenFile(path, [.write, .create]) {
            try file.writeAll(bytes(count, random.next()), at: Int64(random.below(200_000)))
          }
        case 3: try? System.rename(path, name())
        case 4: try? System.link(path, name())
        case 5: try? System.unlink(path)
        case 6: try? OpenFile(path, .write).truncate(to: Int64(random.below(150_000)))
        case 7, 8:
          let (mode, offset) = (random.pick([0, 1, 3, 16, 17] as [Int32]), random.below(150_000))
          try? OpenFile(path, .write).fallocate(
            mode: mode, offset: Int64(offset), length: Int64(random.below(80_000) + 1))
        case 9:
          if random.chance(60) {
            try? System.makeDirectory(root + "/d/e")
          } else {
            for index in 0..<6 { try? System.unlink(root + "/d/e/f\(index)") }
            try? System.removeDirectory(root + "/d/e")
          }
        case 10:
          try? System.symbolicLink(
            String(repeating: "t", count: random.pick([20, 200])), at: path)
        case 11: if let file = try? OpenFile(path, [.write, .create]) { try? file.sync() }
        default: try? sync(path)
        }
        if random.chance(35) { try? sync(name()) }
      }
      // Takes all that was changed with it.
      try System.write(bytes(random.below(9000), 5), to: root + "/d/old")
      try sync(root + "/d/old")
    }
  }

  /// An image that the kernel was shut down on after `work`, with some files that were there before;
  /// and what it held before that.
  private func left(
    _ directory: TemporaryDirectory, _ work: Work
  ) throws -> (image: Image, held: Tree) {
    let image = try Image.make(
      at: directory("image"), size: "64M", options: ["-O", "fast_commit"])
    var mount = try image.mountInKernel(at: directory("mount"))
    try System.makeDirectory(mount.point + "/d")
    try System.makeDirectory(mount.point + "/d/was")
    try System.write(Array("before".utf8), to: mount.point + "/d/old")
    try System.write(Self.bytes(200_000, 3), to: mount.point + "/d/large")
    try mount.unmount()
    mount = try image.mountInKernel(at: directory("mount"))
    try work.body(mount.point)
    let held = try Self.tree(mount.point)
    try OpenFile(mount.point, .directory).shutDown(2)
    try mount.unmount()
    return (image, held)
  }

  private func look(_ image: Image, _ directory: TemporaryDirectory) throws -> Tree {
    let mount = try image.mountInKernel(at: directory("mount"), options: "ro")
    defer { try? mount.unmount() }
    return try Self.tree(mount.point)
  }

  private static func tree(_ root: String) throws -> Tree {
    var tree = try Tree(at: root)
    // The kernel's replay of a new directory counts its links wrongly, and its parent's: e2fsck
    // mends what it leaves, and finds nothing in ours.
    for (path, node) in tree.nodes where node.mode & 0xF000 == 0x4000 {
      tree.nodes[path]?.links = 0
    }
    return tree
  }

  @Test(arguments: works) func whatFastCommitsHoldIsRecoveredAsTheKernelDoesIt(
    _ work: Work
  ) throws {
    try compare(work)
  }

  @Test func randomWorkIsRecoveredAsTheKernelDoesIt() throws {
    var random = SeededGenerator(seed: Seed.take())
    let count = Environment.value("EXTANT_KILLS").flatMap { Int($0) } ?? 6
    for _ in 0..<count {
      let seed = random.next()
      print("seed \(Seed.text(seed))")
      try compare(Self.random(seed))
    }
  }

  private func compare(_ work: Work) throws {
    let directory = try TemporaryDirectory()
    let (image, held) = try left(directory, work)
    let about = work.testDescription
    let copy = Image(path: directory("theirs"))
    try Program.succeed(["cp", image.path, copy.path])
    var theirs = held
    if let mount = try? copy.mountInKernel(at: directory("mount")) {
      try mount.unmount()
      theirs = try look(copy, directory)
    } else {
      // Where a directory was removed and another has its number, the kernel may fail.
      theirs.nodes = [:]
    }

    // For reading only the image stays as it is.
    let before = directory("before")
    try Program.succeed(["cp", image.path, before])
    let reading = try FileSystem.open(image.path, .readOnly)
    #expect(reading.recoveryNotes == [], "\(about)")
    let names = try EngineTree.names(reading, reading.resolve("/d", followLast: false))
    try reading.close()
    #expect(try Program.run(["cmp", image.path, before]).status == 0)

    let fileSystem = try FileSystem.open(image.path)
    #expect(fileSystem.readOnlyReason == nil && fileSystem.recoveryNotes == [], "\(about)")
    try fileSystem.close()
    let complaint = try image.complaint()
    #expect(complaint == nil, "\(about)")
    let ours = try look(image, directory)
    // The kernel's replay may lose a directory that was made anew, and take a file's block for a
    // directory; and not all that was there before the crash had been synced. Where they differ
    // either is right.
    for path in Set(ours.nodes.keys).union(theirs.nodes.keys).union(held.nodes.keys) {
      let node = ours.nodes[path]
      // Of what the kernel lost only the name is known, where its contents were not synced.
      let isKnown = theirs.nodes[path] == nil && node?.mode == held.nodes[path]?.mode
      #expect(
        node == theirs.nodes[path] || node == held.nodes[path] || isKnown,
        "\(about): \(path): \(ours.differences(from: theirs, "we", "the kernel"))")
    }
    let ownNames = ours.nodes.keys.map { $0.split(separator: "/") }.filter {
      $0.count == 2 && $0[0] == "d"
    }
    #expect(
      Set(names.map { String(decoding: $0, as: UTF8.self) }) == Set(ownNames.map { String($0[1]) }),
      "\(about): for reading only")
  }

  @Test func fastCommitsOfAnOlderTransactionDoNotCount() throws {
    let directory = try TemporaryDirectory()
    let (image, _) = try left(
      directory,
      Work("old") { root in
        try System.write([7], to: root + "/d/new")
        try Self.sync(root + "/d/new")
        // A whole transaction makes them old.
        try System.unlink(root + "/d/new")
        try OpenFile(root, .directory).syncFileSystem()
      })
    let fileSystem = try FileSystem.open(image.path)
    #expect(fileSystem.readOnlyReason == nil && fileSystem.recoveryNotes == [])
    #expect(throws: FileSystemError.self) { try fileSystem.resolve("/d/new", followLast: false) }
    try fileSystem.close()
    #expect(try image.complaint() == nil)
  }
}
