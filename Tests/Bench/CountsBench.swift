import ArgumentParser
import Foundation
import TestSupport

/// Instructions of one operation of the engine, in process, as callgrind counts them: the same on a
/// machine that is busy and on one that is not, where times are not.
///
/// Each workload runs twice, with so many operations and with twice as many; half the difference has
/// nothing of start, opening and closing in it. Hashing is made deterministic, and nothing runs beside.
struct CountsBench: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "counts", abstract: "Counts the instructions of one operation, under callgrind.")

  @Option(help: "Only those with this in their name.") var only: String?

  func run() throws {
    guard Environment.find("valgrind") != nil else {
      throw ValidationError("valgrind is missing")
    }
    let folder = try TemporaryDirectory()
    // Valgrind gives up at debug information that it does not know.
    let program = folder("bench")
    try Program.succeed(
      ["strip", "--strip-debug", "-o", program, Environment.products + "/bench"])
    print("Instructions of one operation.")
    for workload in CountedWorkload.allCases where only.map(workload.name.contains) ?? true {
      let image = folder("image")
      try workload.makeImage(at: image)
      let counts = try [1, 2].map { times in
        let copy = folder("copy")
        try Program.succeed(["cp", "--sparse=always", image, copy])
        defer { try? System.unlink(copy) }
        return try Self.count(program, workload, times * workload.operations, copy)
      }
      try System.unlink(image)
      let one = (counts[1] - counts[0]) / workload.operations
      print(workload.name.padded(36), String(one).paddedLeft(12))
    }
  }

  private static func count(
    _ program: String, _ workload: CountedWorkload, _ operations: Int, _ image: String
  ) throws -> Int {
    let output = try Program.succeed(
      [
        "valgrind", "--tool=callgrind", "--callgrind-out-file=/dev/null",
        program, "counted", workload.rawValue, String(operations), image,
      ], environment: "SWIFT_DETERMINISTIC_HASHING=1")
    let line = output.split(separator: "\n").last { $0.contains("Collected : ") }
    guard let word = line?.split(separator: " ").last, let count = Int(word) else {
      throw SystemFailure(5, "callgrind did not say what it collected: \(output)")
    }
    return count
  }
}

/// What `bench counts` runs under callgrind.
struct CountedRun: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "counted", abstract: "One workload, so many times.", shouldDisplay: false)

  @Argument var workload: CountedWorkload
  @Argument var operations: Int
  @Argument var image: String

  func run() throws { try workload.run(operations, image) }
}

extension CountedWorkload: ExpressibleByArgument {}
