import ArgumentParser
import BlockIO
import CheckKit
import Foundation
import TestSupport

/// `judge checks replay`
struct ReplayCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "replay",
    abstract: "Executes inputs that the fuzzer kept, and says what goes wrong with each.")

  @Option(help: "Keep the damaged images in this folder, under the inputs' names.")
  var keep: String?

  @Argument(help: "The inputs.")
  var inputs: [String]

  func run() throws {
    let run = FuzzRun(try FuzzSeed.packed())
    var failed = 0
    for path in inputs {
      let input = try System.contents(path)
      if let keep {
        let name = path.split(separator: "/").last ?? "input"
        try System.write(try run.image(input), to: "\(keep)/\(name).img")
      }
      let problem = run.run(input)
      if problem != nil { failed += 1 }
      print("\(path): \(problem ?? "ok")")
    }
    if failed > 0 { throw ExitCode(1) }
  }
}
