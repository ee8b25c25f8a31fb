import ArgumentParser
import TestSupport
import TortureKit

/// Random operations done side by side on the kernel's ext4, our mount and our engine.
struct TortureCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "torture",
    abstract: "Random operations side by side: the kernel's ext4, our mount, our engine.")

  @OptionGroup var seed: SeedOption

  @Option(help: "The seed of the one round to do.", transform: Seed.argument)
  var round: UInt64?

  @Option(help: "How many operations; with --round, how many it has.")
  var ops = 200_000

  @Option(help: "Operations to a round; each begins on fresh images.")
  var roundLength = 2000

  @Option(help: "Only this block size, in bytes.")
  var blockSize: Int?

  @Option(parsing: .unconditional, help: "mke2fs's further options for --round.")
  var mke2fs = ""

  @Option(help: "With --round: only these operations, by number.")
  var only: String?

  @Option(help: "Who works beside the judge: mount, engine, relay, kernel; separated by commas.")
  var with = "mount,engine"

  @OptionGroup var program: ProgramOption

  @Flag(help: "Make the first failure as small as possible.")
  var minimise = false

  @Flag(help: "Go on after a failure.")
  var keepGoing = false

  @Flag(help: "Print each operation of --round with the judge's outcome.")
  var trace = false

  func run() throws {
    guard Environment.hasKernelMounts else {
      throw ValidationError("the kernel's ext4 is the judge: that needs root and loop devices")
    }
    let members = try with.split(separator: ",").map { name in
      guard let member = TortureCampaign.Member(rawValue: String(name)) else {
        throw ValidationError("nobody is called \(name)")
      }
      return member
    }
    let chosen = seed.value
    var campaign = TortureCampaign(
      seed: chosen, count: ops, members: members, program: program.path)
    campaign.roundLength = roundLength
    campaign.keepsGoing = keepGoing
    if let blockSize { campaign.blockSizes = [blockSize] }
    campaign.report = say
    let watch = Watch()
    campaign.progress = { watch.beat("operation \($0): \($1)") }
    watch.start()
    if let round { return try one(round, campaign) }

    print("seed \(Seed.text(chosen)), \(ops) operations")
    let failures = try campaign.run()
    if minimise, let (configuration, _) = failures.first { try shrink(configuration, campaign) }
    guard failures.isEmpty else { throw ExitCode.failure }
    print("\(ops) operations, all agree (seed \(Seed.text(chosen)))")
  }

  private func one(_ seed: UInt64, _ campaign: TortureCampaign) throws {
    let indices = only.map { $0.split(separator: ",").compactMap { Int($0) } }
    let configuration = RoundConfiguration(
      seed: seed, blockSize: blockSize ?? 4096, count: ops, indices: indices,
      options: mke2fs.split(separator: " ").map(String.init),
      remountEvery: campaign.members.contains(.relay) ? 60 : nil)
    var round = Round(configuration, cast: campaign.cast)
    if trace { round.observe = { print("\($0): \($1): \($2)") } }
    round.progress = campaign.progress
    guard let disagreement = try round.run() else { return print("all agree") }
    print(TortureCampaign.words(configuration, disagreement))
    if minimise { try shrink(configuration, campaign) }
    throw ExitCode.failure
  }

  private func shrink(_ configuration: RoundConfiguration, _ campaign: TortureCampaign) throws {
    say("making it smaller ...")
    var shrink = Shrink(configuration, cast: campaign.cast)
    shrink.progress = campaign.progress
    let small = shrink.run()
    for (index, operation) in small.operations { print("  \(index): \(operation)") }
    if let disagreement = try Round(small, cast: campaign.cast).run() {
      print(TortureCampaign.words(small, disagreement))
    }
  }
}
