import Extant
import ExtantBase
import TestSupport
import Testing

/// A journal left behind by the kernel's ext4, recovered by us, by e2fsck and by the kernel: the
/// same files, to the last byte and time.
@Suite(.enabled(if: Environment.hasKernelMounts && Environment.hasTools), .serialized)
struct JournalRecoveryTests {
  @Test(arguments: CrashRecipe.all)
  func whatTheKernelLeftIsRecoveredAsOthersDo(_ recipe: CrashRecipe) throws {
    let seed = Seed.take()
    try Self.compare(recipe, seed: seed, milliseconds: 300 + Int(seed % 900))
  }

  /// Many more of them: EXTANT_KILLS=100 swift test --filter JournalRecoveryTests
  @Test(.enabled(if: Environment.value("EXTANT_KILLS") != nil))
  func manyKillsOfTheKernel() throws {
    let count = Environment.value("EXTANT_KILLS").flatMap { Int($0) } ?? 0
    var random = SeededGenerator(seed: Seed.take())
    for index in 0..<count {
      let recipe = CrashRecipe.all[index % CrashRecipe.all.count]
      let seed = random.next()
      print("kill \(index + 1) of \(count): \(recipe.name), seed \(Seed.text(seed))")
      try Self.compare(recipe, seed: seed, milliseconds: 50 + random.below(2500))
    }
  }

  static func compare(_ recipe: CrashRecipe, seed: UInt64, milliseconds: Int) throws {
    let directory = try TemporaryDirectory()
    let image = Image(path: directory("image"))
    var start: String? = "0"
    // With data=journal the kernel empties the log for some calls: the shutdown may come just then.
    for attempt in 0..<5 as Range<UInt64> where start == "0" {
      _ = try recipe.make(at: image.path)
      try KernelCrash.leave(
        image, recipe, at: directory("mount"), seed: seed &+ attempt, milliseconds: milliseconds)
      start = Self.journalStart(image)
    }
    #expect(start != "0", "the journal has something to recover")

    func copy(_ name: String) throws -> Image {
      try Program.succeed(["cp", "--sparse=always", image.path, directory(name)])
      return Image(path: directory(name))
    }
    func look(_ image: Image) throws -> SeenTree {
      let complaint = try image.complaint()
      #expect(complaint == nil, "\(image.path)")
      let mount = try image.mountInKernel(at: directory("mount"), options: "ro")
      defer { try? mount.unmount() }
      return try SeenTree(mount: mount.point, seeks: false)
    }

    let checked = try copy("e2fsck")
    // What it might do to trees that are sound but larger than they must be is not recovery.
    let verdict = try Program.run(
      ["e2fsck", "-fy", "-E", "no_optimize_extents", checked.path])
    #expect(verdict.status <= 1, "\(verdict.output)")
    let theirs = try look(checked)

    // For reading only: the image stays as it is.
    let read = try FileSystem.open(image.path, .readOnly)
    let seen = try SeenTree(read, seeks: false)
    try read.close()
    // A truncation that the crash interrupted is finished by who writes: the kernel and we note the
    // time of that, and e2fsck 1.47.0 loses the file's attribute block over it. Contents must agree.
    let unfinished = seen.nodes.keys.filter { path in
      guard let a = seen.nodes[path], let b = theirs.nodes[path], a.runs != b.runs else {
        return false
      }
      return (a.runs.last?.range.upperBound ?? 0) > a.size
    }
    func finished(_ tree: SeenTree) -> SeenTree {
      var tree = tree
      for path in unfinished {
        tree.nodes[path]?.times = []
        tree.nodes[path]?.attributes = [:]
        tree.nodes[path]?.blocks = 0
        tree.nodes[path]?.runs = []
      }
      return tree
    }
    let expected = finished(theirs)
    #expect(finished(seen).differences(from: expected, "we, reading", "e2fsck") == [])
    #expect(Self.journalStart(image) == start)

    let recovered = try copy("recovered")
    let fileSystem = try FileSystem.open(recovered.path)
    #expect(fileSystem.readOnlyReason == nil && fileSystem.recoveryNotes == [])
    try fileSystem.close()
    let ours = try look(recovered)
    #expect(finished(ours).differences(from: expected, "we", "e2fsck") == [])

    let mounted = try copy("mounted")
    try mounted.mountInKernel(at: directory("mount")).unmount()
    let kernels = try look(mounted)
    #expect(finished(ours).differences(from: finished(kernels), "we", "the kernel") == [])
    for path in unfinished {
      #expect(ours.nodes[path]?.attributes == kernels.nodes[path]?.attributes, "\(path)")
    }
  }

  static func journalStart(_ image: Image) -> String? {
    let header = try? Program.succeed(["dumpe2fs", "-h", image.path])
    return header?.split(separator: "\n").first { $0.hasPrefix("Journal start:") }?
      .split(separator: " ").last.map(String.init)
  }
}
