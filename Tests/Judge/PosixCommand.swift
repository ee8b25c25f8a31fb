import ArgumentParser
import PosixKit
import TestSupport

/// POSIX and Linux, call by call, beside the kernel's ext4.
struct PosixCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "posix",
    abstract: "POSIX and Linux, call by call: our mount beside the kernel's ext4.")

  @Flag(help: "Only the names of the cases.")
  var list = false

  @Option(help: "Only cases whose name contains this; may be given several times.")
  var filter: [String] = []

  @Flag(help: "Leave out what takes seconds.")
  var quick = false

  @Flag(help: "Also the cases that differ as they are known to.")
  var known = false

  @Flag(help: "Only count the differences of each area.")
  var summary = false

  @Flag(help: "A second kernel instead of our mount: the suite itself is judged.")
  var kernel = false

  @OptionGroup var program: ProgramOption

  func run() throws {
    let cases = Case.all.filter { test in
      (filter.isEmpty || filter.contains { test.name.contains($0) })
        && !(quick && test.traits.contains(.slow))
    }
    if list {
      for test in cases { print(test.name) }
      return
    }
    guard Environment.hasKernelMounts, Environment.hasFuse else {
      throw ValidationError("needs root, loop devices and /dev/fuse: the kernel is the judge")
    }
    let watch = Watch()
    var suite = Suite(
      cases,
      candidate: kernel ? .kernel("second") : .extant(program.path))
    suite.progress = { watch.beat($1, of: $0) }
    watch.start()
    var report = try suite.run()
    if filter.isEmpty && !quick && !kernel {
      report.complaints += KnownDifference.stale(in: report)
    }
    tell(report)
    guard report.isGood else { throw ExitCode.failure }
  }

  private func tell(_ report: Suite.Report) {
    for result in report.results where !result.differences.isEmpty && !summary {
      if let reason = result.known?.reason {
        if known { print("known: \(Suite.Report.words(result))\n    because \(reason)") }
      } else {
        print("differs: \(Suite.Report.words(result))")
      }
    }
    for complaint in report.complaints { print(complaint) }
    let areas = Dictionary(grouping: report.results) { $0.test.area }
    for (area, results) in areas.sorted(by: { $0.key < $1.key }) {
      let checks = results.reduce(0) { $0 + $1.checks }
      let bad = results.count { !$0.differences.isEmpty && $0.known == nil }
      let expected = results.count { $0.known != nil }
      print(
        "\(area): \(results.count) cases, \(checks) checks, \(bad) differ, \(expected) as known")
    }
    print(
      "\(report.results.count) cases, \(report.checks) checks, \(report.failures.count) differ")
  }
}
