import Extant
import TestSupport
import Testing
import TortureKit

@testable import KernelKit

/// One image, changed by the kernel's ext4 and by us in turn: what one wrote the other reads, to
/// the last time stamp, and e2fsck has nothing to say.
@Suite(.enabled(if: Environment.hasKernelMounts), .serialized)
struct ExchangeTests {
  @Test(arguments: ExchangeRecipe.all) func whatOneWritesTheOtherReads(_ recipe: ExchangeRecipe)
    throws
  {
    let directory = try TemporaryDirectory()
    let image = try recipe.make(at: directory("image"))
    let point = directory("mount")
    let rounds: [(who: String, what: String, top: String, steps: [ExchangeStep])] = [
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

  @Test(arguments: [1024, 4096], ["huge_file", "^huge_file"])
  func filesEndWhereTheKernelLetsThemEnd(blockSize: Int, feature: String) throws {
    let directory = try TemporaryDirectory()
    let image = try Image.make(
      at: directory("image"), size: "16M", blockSize: blockSize, options: ["-O", feature])
    let limit = try FileSystem.open(image.path, .readOnly)
    let end = Int64(limit.maximumFileSize)
    try limit.close()
    let operations: [TortureKit.Operation] = [
      .write(.path("/file"), offset: end - 10, count: 10, fill: 1),
      .write(.path("/file"), offset: end - 10, count: 20, fill: 2),
      .write(.path("/file"), offset: end, count: 1, fill: 3),
      .truncate(.path("/file"), size: end), .truncate(.path("/file"), size: end + 1),
      .fallocate(.path("/file"), mode: [], offset: end - 20, length: 20),
      .fallocate(.path("/file"), mode: [], offset: end - 20, length: 21),
      .fallocate(.path("/file"), mode: .keepSize, offset: end, length: 1),
      .fallocate(
        .path("/file"), mode: .insertRange, offset: 0, length: Int64(blockSize)),
      .status(path: "/file"), .map(.path("/file")),
    ]
    let kernel = try KernelHand(image, at: directory("mount"))
    let expected = operations.map { kernel.participant.perform($0) }
    _ = kernel.participant.perform(.unlink(path: "/file"))
    #expect(try kernel.participant.finish() == nil)
    let engine = try EngineHand(image)
    for (operation, expected) in zip(operations, expected) {
      let found = engine.participant.perform(operation)
      #expect(expected.agrees(with: found), "\(operation): \(expected) and \(found)")
    }
    #expect(try engine.participant.finish() == nil)
  }

  /// The layout that was meant is there: extent trees of depth 1 and 2, an index of two levels.
  private func expectTrees(_ image: Image, _ recipe: ExchangeRecipe, top: String) throws {
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
