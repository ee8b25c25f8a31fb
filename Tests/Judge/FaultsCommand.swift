import ArgumentParser
import FaultKit

/// Devices that fail or lie.
struct FaultsCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "faults",
    abstract: "Every request of every workload fails or lies, in every way, once and for good.")

  @Option(help: "Only workloads whose names contain this.")
  var workload = ""

  @Option(help: "Only faults whose names contain this.")
  var fault = ""

  @Option(help: "Only this request, by its number among those of its kind.")
  var index: Int?

  @Option(help: "e2fsck judges each so-manieth run.")
  var judged = 8

  @Option(help: "How many cases run at once.")
  var threads = 2

  @Flag(help: "Say each case before it runs.")
  var trace = false

  @Flag(help: "Show what only e2fsck finds after lies of the device.")
  var unseen = false

  func run() throws {
    let workloads = Workload.all.filter { workload.isEmpty || $0.name.contains(workload) }
    let start = ContinuousClock.now
    let campaign = FaultCampaign(say: say)
    let report = try campaign.run(workloads, judgedShare: judged, threads: threads) {
      [fault, index, trace] one in
      let isWanted =
        (fault.isEmpty || one.fault.rawValue.contains(fault))
        && (index == nil || index == one.index)
      if isWanted, trace { say("\(one)") }
      return isWanted
    }
    for line in report.lines { say(line) }
    if unseen { for line in report.unseen { say(line) } }
    say("\((ContinuousClock.now - start).components.seconds) s")
    guard report.hung == nil, report.violations.isEmpty else { throw ExitCode.failure }
  }
}
