import FaultKit
import TestSupport
import Testing

/// Requests of small workloads fail or lie: nothing traps or hangs, errors are told, metadata stays
/// consistent. What exactly is promised of which fault: `Fault.promise`. Here a part of it; all of
/// it with EXTANT_LONG=1, or much faster by `make faults`.
@Suite struct WorkloadFaultTests {
  /// A table block read from the wrong place, all zeros perhaps, took a new inode; the block was
  /// written, and the inodes that belonged there were lost without a word.
  @Test(arguments: ["mkdir and rmdir", "mode, owner and times", "attributes in the inode"])
  func noInodeIsLostToAReadAtTheWrongPlace(_ name: String) throws {
    let workloads = Workload.all.filter { $0.name == name }
    let report = try FaultCampaign().run(workloads, judgedShare: 1 << 30) {
      $0.fault == .misdirectedRead
    }
    #expect(report.runCount > 10)
    #expect(report.violations == [])
  }

  /// Closing stopped at the first file that could not be written: what others had written, and not
  /// synced, was gone, on a disk that would have taken it.
  @Test(.enabled(if: Environment.hasTools))
  func aBadBlockOfOneFileKeepsNothingElseBack() throws {
    let workloads = FaultImage.Recipe.allCases.compactMap { recipe in
      Workload.all.first { $0.recipe == recipe }
    }
    #expect(workloads.count == FaultImage.Recipe.allCases.count)
    let report = try FaultCampaign().run(workloads, judgedShare: 8) { $0.fault == .badBlock }
    #expect(report.violations == [])
    // Four blocks, each of them once and for good; who is told how often is the cache's to decide.
    #expect(report.runCount == 8 * workloads.count)
    let outcomes = report.outcomes[.badBlock] ?? [:]
    #expect(outcomes[.notReached] == nil)
    #expect(outcomes[.told] ?? 0 >= 4 * workloads.count)
  }

  @Test(.enabled(if: Environment.hasTools))
  func everyPromiseHoldsAfterEveryFault() throws {
    let seed = Environment.isLong ? 0 : Seed.take()
    let report = try FaultCampaign().run(Workload.all, judgedShare: Environment.isLong ? 8 : 3) {
      one in
      Environment.isLong || (FaultCampaign.number(of: one) ^ seed) % 97 == 0
    }
    for line in report.lines { print(line) }
    #expect(report.hung == nil)
    #expect(report.violations == [])
    #expect(report.workloadCount >= 50)
    #expect(report.runCount >= 100)
  }
}
