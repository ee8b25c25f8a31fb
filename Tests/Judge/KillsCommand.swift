import ArgumentParser
import KernelKit
import TestSupport

/// Daemons, or the kernel's ext4, killed under load.
struct KillsCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "kills",
    abstract: "A daemon killed under load: recovered alike by us, e2fsck and the kernel.")

  @Option(help: "How many.")
  var kills = 100

  @OptionGroup var seed: SeedOption

  @Flag(help: "The kernel's ext4 is killed, and its journal recovered by all three.")
  var kernel = false

  func run() throws {
    guard kernel ? KernelKill.canRun : Kill.canRun else {
      throw ValidationError("needs root, loop devices, /dev/fuse, and extant beside this program")
    }
    let first = seed.taken(by: "kills")
    var failed = 0
    func tell(_ words: String, _ failures: [String]) {
      say("\(words): \(failures.isEmpty ? "same" : "FAILED")")
      for failure in failures { say("    \(failure)") }
      failed += failures.isEmpty ? 0 : 1
    }
    if kernel {
      var random = SeededGenerator(seed: first)
      for index in 0..<kills {
        let kill = KernelKill(index, &random)
        tell("kill \(index + 1) of \(kills): \(kill)", try kill.run())
      }
      say("\(kills) kills")
    } else {
      say(
        try Kill.run(kills, from: first) { number, report in
          tell(
            "kill \(number): \(report.text), \(report.confirmations) confirmed", report.failures)
        })
    }
    if failed > 0 { throw ExitCode.failure }
  }
}
