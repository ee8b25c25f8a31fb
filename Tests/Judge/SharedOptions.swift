import ArgumentParser
import TestSupport

/// `--seed`, of everything that draws.
struct SeedOption: ParsableArguments {
  @Option(
    help: "The seed of everything drawn, decimal or hexadecimal (0x); a fresh one if left out.",
    transform: Seed.argument)
  var seed: UInt64?

  /// For those who say it themselves.
  var value: UInt64 { seed ?? UInt64.random(in: 0...UInt64.max) }

  /// A fresh one is printed, so that a failure can be run again.
  func taken(by command: String) -> UInt64 { seed ?? Seed.take(command) }
}

extension Seed {
  static func argument(_ text: String) throws -> UInt64 {
    guard let number = parse(text) else { throw ValidationError("\(text) is no seed") }
    return number
  }
}

/// `--program`, of everything that mounts.
struct ProgramOption: ParsableArguments {
  @Option(help: "The path of extant; the one beside this program if left out.")
  var program: String?

  var path: String { program ?? Environment.products + "/extant" }
}

/// `--only`, of everything that goes through a list of names.
struct NameOption: ParsableArguments {
  @Option(help: "Only those with this in their name.")
  var only: String?

  func takes(_ name: String) -> Bool { only.map { name.contains($0) } ?? true }
}
