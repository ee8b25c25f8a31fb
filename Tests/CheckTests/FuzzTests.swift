import CheckKit
import ExtantCheck
import TestSupport
import Testing

/// The fuzzer's work on inputs drawn by a seed: what libFuzzer does for hours, for seconds.
@Suite struct FuzzTests {
  @Test(.enabled(if: Environment.hasTools)) func randomChangesNeitherTrapNorComeBack() throws {
    let seed = Seed.take()
    var generator = SeededGenerator(seed: seed)
    let run = FuzzRun(try FuzzSeed.packed())
    for number in 0..<1_000 {
      let input = FuzzRun.randomInput(&generator, seeds: run.seeds.count)
      let problem = run.run(input)
      #expect(problem == nil, "seed \(Seed.text(seed)), input \(number): \(input)")
    }
  }

  /// Images that the fuzzer found not to come to an end, or worse.
  @Test(.enabled(if: Environment.hasTools), arguments: ["shared-blocks-of-a-freed-inode"])
  func whatWasFoundOnceHolds(_ name: String) throws {
    let folder = try TemporaryDirectory()
    let image = folder("image")
    let packed = "\(Environment.packageRoot)/Images/finds/\(name).img.gz"
    try Program.succeed(["sh", "-c", "gzip -dc '\(packed)' >'\(image)'"])
    let problem = FuzzRun([]).run(try System.contents(image))
    #expect(problem == nil)
  }
}
