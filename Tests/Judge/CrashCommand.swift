import ArgumentParser
import CrashKit
import ExtantBase
import Foundation
import TestSupport

/// Crashes everywhere: sequences of operations, and every state that a crash may leave on the way.
struct CrashCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "crash",
    abstract: "What may be on the device after a crash: recovered, checked, compared.")

  @OptionGroup var seed: SeedOption

  @Option(help: "How many sequences at most; without --length, of all sequences of two operations.")
  var sequences: Int?

  @Option(help: "Stop after so many different states.")
  var states: Int?

  @Option(help: "Sequences of so many operations, drawn by seed.")
  var length: Int?

  @Option(help: "Only this sequence: the words that a violation prints; more with ; between.")
  var ops: String?

  @Option(help: "Stop after so many minutes.")
  var minutes: Double?

  @Option(help: "Threads.")
  var workers = 2

  @Option(help: "Try every subset of up to so many blocks, or else writes, in flight.")
  var complete = 12

  @Option(help: "Subsets drawn where there are more.")
  var samples = 256

  @Option(help: "Torn states drawn at each moment.")
  var torn = 16

  @Option(help: "Of 1,000 states, in the recovery of how many there is another crash.")
  var nested = 4

  @Option(help: "Of 100 flushes, how many are also tried as ones that lied.")
  var lying = 10

  @Option(help: "Stop after so many violations.")
  var violations = 5

  @Option(help: "Of 10,000 states, how many e2fsck sees as well.")
  var fsck = 4

  @Option(help: "Switch on a planted bug, by its name; debug builds only.")
  var bug: String?

  @Flag(help: "Only say what the sequence of --ops asks of the device.")
  var trace = false

  @Flag(help: "On an image without a journal: there must be violations.")
  var noJournal = false

  @Option(help: "Write the image of each violation to this path, with a number behind it.")
  var dump: String?

  func run() throws {
    let seed = seed.value
    CrashCampaign.stopTheClock()
    let base = try CrashCampaign.makeBase(hasJournal: !noJournal)
    let list = try chosen(base, seed)
    try plant()
    if trace {
      for sequence in list { CrashCampaign.trace(sequence, on: base).forEach { print($0) } }
      return
    }
    var options = CrashCampaign.Options()
    options.seed = seed
    options.workers = workers
    options.complete = complete
    options.samples = samples
    options.torn = torn
    options.nestedShare = nested
    options.lyingShare = lying
    options.violations = violations
    options.fsckShare = fsck
    options.seconds = minutes.map { $0 * 60 }
    options.states = states
    options.keepsImages = dump != nil
    print("seed \(Seed.text(seed)), \(list.count) sequences")
    let campaign = CrashCampaign(base, list, options)
    let reporter = Reporter(campaign)
    reporter.start()
    let result = campaign.run()
    print(result.summary)
    for (index, violation) in result.violations.enumerated() {
      print("\n\(violation.text)\n  at \(violation.place)")
      print("  again: judge crash --seed \(Seed.text(seed)) --ops \(violation.sequence)")
      if let dump {
        try Data(violation.image).write(to: URL(fileURLWithPath: "\(dump).\(index)"))
      }
    }
    fflush(nil)
    if !result.violations.isEmpty { throw ExitCode.failure }
  }

  private func chosen(_ base: CrashBaseImage, _ seed: UInt64) throws -> [CrashSequence] {
    if let ops {
      return try ops.split(separator: ";").map { text in
        guard let sequence = CrashSequence(String(text)) else {
          throw ValidationError("\(text) is no sequence of operations")
        }
        return sequence
      }
    }
    let maker = SequenceMaker(base)
    var random = SeededGenerator(seed: seed)
    if let length {
      return (0..<(sequences ?? 1000)).map { _ in maker.random(length, seed: random.next()) }
    }
    return Array(maker.pairs().shuffled(using: &random).prefix(sequences ?? .max))
  }

  private func plant() throws {
    guard let bug else { return }
    guard let planted = PlantedBug.allCases.first(where: { "\($0)" == bug }) else {
      throw ValidationError("no bug is called \(bug): \(PlantedBug.allCases)")
    }
    PlantedBug.current.store(planted.rawValue, ordering: .relaxed)
    guard isPlanted(planted) else { throw ValidationError("only debug builds contain bugs") }
  }
}

/// Says every ten seconds how far it is.
private final class Reporter: Sendable {
  private let campaign: CrashCampaign

  init(_ campaign: CrashCampaign) { self.campaign = campaign }

  func start() {
    Thread.detachNewThread { [campaign] in
      while true {
        Thread.sleep(forTimeInterval: 10)
        say(campaign.progress.summary)
      }
    }
  }
}
