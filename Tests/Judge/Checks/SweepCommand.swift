import ArgumentParser
import CheckKit
import Foundation
import TestSupport

/// `judge checks sweep`
struct SweepCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "sweep",
    abstract:
      "Gives single fields hostile values, on images of many sets of features, next to e2fsck.")

  @OptionGroup var seed: SeedOption

  @Option(help: "How many images.")
  var count = 1000

  @Option(help: "Only images of this set of features.")
  var base: String?

  @Option(help: "Stop after so many minutes.")
  var minutes: Int?

  func run() throws {
    let judge = try ImageJudge()
    let first = seed.taken(by: "checks sweep")
    let bases = FieldSweep.bases.filter { named in base.map { $0 == named.name } ?? true }
    guard !bases.isEmpty else { throw ValidationError("--base: there is no such image") }
    let end = minutes.map { Date().addingTimeInterval(Double($0) * 60) }
    var (done, failures) = (0, 0)
    for index in 0..<UInt64(clamping: count) {
      if let end, Date() > end { break }
      let seed = first &+ index
      let (name, image) = bases[Int(seed % UInt64(bases.count))]
      guard let sweep = try FieldSweep(try image.bytes(), seed: seed) else { continue }
      done += 1
      let problems = try judge.judgeQuickly(sweep.bytes)
      guard !problems.isEmpty else { continue }
      failures += 1
      say("FAILED \(name), seed \(Seed.text(seed)): \(sweep.text)")
      for problem in problems { say("    \(problem)") }
    }
    say("\(done) images, \(failures) failed")
    if failures > 0 { throw ExitCode(1) }
  }
}
