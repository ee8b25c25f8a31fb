import ArgumentParser
import CheckKit
import TestSupport

/// `judge checks random`
struct RandomCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "random",
    abstract: "The fuzzer's executions on inputs drawn by a seed, without its instrumentation.")

  @OptionGroup var seed: SeedOption

  @Option(help: "How many executions.")
  var count = 100_000

  @Option(help: "Change inputs that the fuzzer kept in this folder, instead of drawing all anew.")
  var corpus: String?

  @Option(help: "Where the input that runs is kept, for when it ends the program.")
  var current: String?

  @Option(help: "Stop after so many failures.")
  var failures = 10

  func run() throws {
    let seed = seed.taken(by: "checks random")
    var generator = SeededGenerator(seed: seed)
    let run = FuzzRun(try FuzzSeed.packed())
    let kept = try corpus.map { folder in
      try System.names(in: folder).map { String(decoding: $0, as: UTF8.self) }.sorted()
        .map { try System.contents("\(folder)/\($0)") }.filter { !$0.isEmpty }
    }
    var failed = 0
    let clock = ContinuousClock()
    var slowest = Duration.zero
    for number in 0..<count {
      let input =
        if let kept, !kept.isEmpty {
          FuzzRun.mutated(generator.pick(kept), with: generator.pick(kept), &generator)
        } else {
          FuzzRun.randomInput(&generator, seeds: run.seeds.count)
        }
      if let current { try System.write(input, to: current) }
      var problem: String?
      let time = clock.measure { problem = run.run(input) }
      slowest = max(slowest, time)
      if let problem {
        failed += 1
        print("input \(number) \(input): \(problem)")
        guard failed < failures else { break }
      }
    }
    print("\(count) executions, seed \(Seed.text(seed)), \(failed) failures, slowest \(slowest)")
    if failed > 0 { throw ExitCode(1) }
  }
}
