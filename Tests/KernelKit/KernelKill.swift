import Extant
import ExtantBase
import TestSupport

/// One kill of the kernel's ext4: it is shut down in the middle of work, and its journal recovered by
/// us, by e2fsck and by the kernel must give the same files, to the last byte and time.
public struct KernelKill: CustomStringConvertible {
  private let recipe: CrashRecipe
  private let seed: UInt64
  private let milliseconds: Int

  public static let canRun = Environment.hasKernelMounts && Environment.hasTools

  init(_ recipe: CrashRecipe, seed: UInt64, milliseconds: Int) {
    self.recipe = recipe
    self.seed = seed
    self.milliseconds = milliseconds
  }

  /// One of many, which go through the recipes in turn.
  public init(_ index: Int, _ random: inout SeededGenerator) {
    self.init(
      CrashRecipe.all[index % CrashRecipe.all.count], seed: random.next(),
      milliseconds: 50 + random.below(2500))
  }

  public var description: String { "\(recipe), seed \(Seed.text(seed))" }

  /// What was found wrong.
  public func run() throws -> [String] {
    var failures: [String] = []
    func expect(_ isRight: Bool, _ text: String) {
      if !isRight { failures.append(text) }
    }
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
    expect(start != "0", "the journal has nothing to recover")

    func copy(_ name: String) throws -> Image {
      try Program.succeed(["cp", "--sparse=always", image.path, directory(name)])
      return Image(path: directory(name))
    }
    func look(_ image: Image) throws -> SeenTree {
      if let complaint = try image.complaint() { failures.append("\(image.path): \(complaint)") }
      let mount = try image.mountInKernel(at: directory("mount"), options: "ro")
      defer { try? mount.unmount() }
      return try SeenTree(mount: mount.point, seeks: false)
    }

    let checked = try copy("e2fsck")
    // What it might do to trees that are sound but larger than they must be is not recovery.
    let verdict = try Program.run(
      ["e2fsck", "-fy", "-E", "no_optimize_extents", checked.path])
    expect(verdict.status <= 1, "e2fsck: \(verdict.output)")
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
    failures += finished(seen).differences(from: expected, "we, reading", "e2fsck")
    expect(Self.journalStart(image) == start, "reading changed the journal")

    let recovered = try copy("recovered")
    let fileSystem = try FileSystem.open(recovered.path)
    expect(fileSystem.readOnlyReason == nil, "read-only: \(fileSystem.readOnlyReason ?? "")")
    failures += fileSystem.recoveryNotes.map { "recovery: \($0)" }
    try fileSystem.close()
    let ours = try look(recovered)
    failures += finished(ours).differences(from: expected, "we", "e2fsck")

    let mounted = try copy("mounted")
    try mounted.mountInKernel(at: directory("mount")).unmount()
    let kernels = try look(mounted)
    failures += finished(ours).differences(from: finished(kernels), "we", "the kernel")
    for path in unfinished {
      expect(
        ours.nodes[path]?.attributes == kernels.nodes[path]?.attributes,
        "\(path): attributes differ from the kernel's")
    }
    return failures
  }

  private static func journalStart(_ image: Image) -> String? {
    let header = try? Program.succeed(["dumpe2fs", "-h", image.path])
    return header?.split(separator: "\n").first { $0.hasPrefix("Journal start:") }?
      .split(separator: " ").last.map(String.init)
  }
}
