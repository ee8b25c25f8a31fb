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
      let changes = 1 + generator.below(6)
      var input = (0..<1 + 10 * changes).map { _ in UInt8(generator.below(256)) }
      input[0] = UInt8(number % run.seeds.count) | (number % 8 == 0 ? 0 : 0x40)
      let problem = run.run(input)
      #expect(problem == nil, "seed \(Seed.text(seed)), input \(number): \(input)")
    }
  }
}
