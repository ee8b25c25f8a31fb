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
}
