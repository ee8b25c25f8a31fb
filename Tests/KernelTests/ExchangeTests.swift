import Extant
import TestSupport
import Testing

/// One image, changed by the kernel's ext4 and by us in turn: what one wrote the other reads, to
/// the last time stamp, and e2fsck has nothing to say.
@Suite(.enabled(if: Environment.hasKernelMounts), .serialized)
struct ExchangeTests {
  @Test(arguments: Recipe.all) func whatOneWritesTheOtherReads(_ recipe: Recipe) throws {
    let directory = try TemporaryDirectory()
    let image = try recipe.make(at: directory("image"))
    let point = directory("mount")
    let rounds: [(who: String, what: String, top: String, steps: [Step])] = [
      ("kernel", "creation", "/k", recipe.creation("/k")),
      ("engine", "creation", "/e", recipe.creation("/e")),
      ("kernel", "changes", "/e", recipe.changes("/e")),
      ("engine", "changes", "/k", recipe.changes("/k")),
      ("kernel", "removal", "/k", recipe.removal("/k") + recipe.creation("/k2")),
      ("engine", "removal", "/e", recipe.removal("/e") + recipe.changes("/k2")),
    ]
    for round in rounds {
      let name = "\(recipe.name), \(round.what) by the \(round.who)"
      let hand: any Hand =
        round.who == "kernel" ? try KernelHand(image, at: point) : try EngineHand(image)
      let written: SeenTree
      do {
        try hand.perform(round.steps)
        written = try hand.look()
      } catch {
        _ = try? hand.participant.finish()
        throw error
      }
      try #require(try hand.participant.finish() == nil, "\(name)")

      if round.what == "creation" { try expectTrees(image, recipe, top: round.top) }
      let byEngine = try Self.readByEngine(image)
      let byKernel = try Self.readByKernel(image, at: point)
      #expect(byKernel.nodes.count > 150, "\(name)")
      try #require(
        written.differences(from: byKernel, "the writer", "the kernel") == [], "\(name)")
      try #require(
        byEngine.differences(from: byKernel, "the engine", "the kernel") == [], "\(name)")
    }
  }

  /// The layout that was meant is there: extent trees of depth 1 and 2, an index of two levels.
  private func expectTrees(_ image: Image, _ recipe: Recipe, top: String) throws {
    #expect(try image.debugfs("dump_extents \(top)/deep").contains(" 2/ 2 "))
    #expect(try image.debugfs("dump_extents \(top)/shallow").contains(" 1/ 1 "))
    guard recipe.hasLongDirectories else { return }
    #expect(try image.debugfs("htree \(top)/many").contains("Indirect levels: 1"))
  }

  private static func readByEngine(_ image: Image) throws -> SeenTree {
    let fileSystem = try FileSystem.open(image.path, .readOnly)
    let tree: SeenTree
    do { tree = try SeenTree(fileSystem, seeks: true) } catch {
      try? fileSystem.close()
      throw error
    }
    try fileSystem.close()
    return tree
  }

  private static func readByKernel(_ image: Image, at point: String) throws -> SeenTree {
    let mount = try image.mountInKernel(at: point, options: "ro,noatime")
    let tree = try SeenTree(mount: point, seeks: true)
    try mount.unmount()
    return tree
  }
}
