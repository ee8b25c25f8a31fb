import CrashKit
import ExtantBase
import TestSupport
import Testing

/// The explorer runs as a program of its own: bugs are planted, and the clock is stopped, in the
/// whole of a process.
@Suite struct CrashTests {
  private static func explore(
    _ arguments: [String]
  ) throws(SystemFailure) -> (violations: Bool, output: String) {
    let result = try Program.run(
      [Environment.products + "/judge", "crash", "--fsck", "0", "--workers", "1"] + arguments)
    guard result.status == 0 || result.output.contains("  again: judge crash") else {
      throw SystemFailure(5, "judge crash gave \(result.status): \(result.output)")
    }
    return (result.status != 0, result.output)
  }

  /// Enough to find any of the planted bugs, in little time.
  private static let brief = ["--complete", "5", "--samples", "12", "--torn", "2", "--nested", "0"]

  /// Without a journal half of a commit may be there: what cannot find that finds nothing.
  @Test func withoutAJournalSequencesAreSeenToBreak() throws {
    let (violations, output) = try Self.explore(
      Self.brief + ["--no-journal", "--ops", "create:/n1,sync", "--seed", "1"])
    #expect(violations, "\(output)")
  }

  /// Each with a short sequence that brings it out.
  static let bugs: [(PlantedBug, String)] = [
    (.noFlushBeforeCommitRecord, "write:/b:28672:2900,fsync:/b"),
    (.noDurableCommitRecord, "create:/n1,sync"),
    (.noRevoke, "mkdir:/m1,sync,rmdir:/m1,sync,write:/b:0:24576,fsync:/b"),
    (.freedBlockReusedBeforeCommit, "punch:/b:1224:2400,write:/b:0:4096,fsync:/b"),
    (.sizeBeforeData, "write:/a:6301:1500,setxattr:/b:40,fsync:/b"),
    (.leafOverwrittenInPlace, "collapse:/b:1024:2048,sync"),
    (.orphanNotRecorded, "hold:/a,unlink:/a,sync"),
    (.recoveryIgnoresChecksums, "rename:/b:/d/r1,sync"),
    (.recoveryIgnoresRevokes, "mkdir:/m1,sync,rmdir:/m1,sync,write:/b:0:24576,fsync:/b"),
    (.recoveryReplaysPastEnd, "link:/b:/d/k1,sync,write:/b:28672:2900"),
    (.dataAfterCommit, "write:/c:4096:2000,setxattr:/b:40,fsync:/b"),
    (.tailMovedBeforeCheckpoint, "create:/n1,sync"),
    (.checkpointNotFlushed, "create:/n1,sync"),
    (.fsyncDoesNotCommit, "create:/n1,fsync:/n1"),
    (.fdatasyncForgetsSize, "write:/a:6301:1500,fdatasync:/a"),
    (.escapeLeftOut, "symlink:/d/s1:200,sync"),
    (.commitChecksumLeftOut, "create:/n1,sync"),
    (.halfTransaction, "create:/n1,sync"),
    (.journalMarkedCleanTooEarly, "create:/n1,sync"),
    (.runningBlockWritten, "create:/n1,sync,overlap,create:/n2"),
  ]

  @Test(arguments: bugs)
  func aPlantedBugIsFound(bug: PlantedBug, sequence: String) throws {
    let lying = bug == .recoveryIgnoresChecksums ? "100" : "0"
    let (violations, output) = try Self.explore(
      Self.brief + ["--bug", "\(bug)", "--ops", sequence, "--lying", lying, "--seed", "1"])
    #expect(violations, "\(output)")
  }

  @Test func everyPlantedBugIsTried() {
    #expect(Set(Self.bugs.map(\.0)) == Set(PlantedBug.allCases))
  }

  @Test func withoutABugTheSameSequencesHold() throws {
    let sequences = Set(Self.bugs.map(\.1)).sorted().joined(separator: ";")
    let (violations, output) = try Self.explore(
      Self.brief + ["--ops", sequences, "--lying", "100", "--seed", "1"])
    #expect(!violations, "\(output)")
  }

  @Test func someSequencesOfTwoOperationsHold() throws {
    let seed = Seed.text(Seed.take())
    let (violations, output) = try Self.explore([
      "--sequences", "8", "--seed", seed, "--complete", "6", "--samples", "16", "--torn", "4",
    ])
    print(output)
    #expect(!violations, "\(output)")
  }

  @Test func someLongSequencesHold() throws {
    let seed = Seed.text(Seed.take())
    let (violations, output) = try Self.explore([
      "--length", "6", "--sequences", "3", "--seed", seed, "--complete", "4", "--samples", "8",
      "--torn", "2",
    ])
    print(output)
    #expect(!violations, "\(output)")
  }

  @Test func sequencesAreWrittenDownAndReadBack() throws {
    let base = try CrashCampaign.makeBase()
    let maker = SequenceMaker(base)
    for seed in 0..<50 as Range<UInt64> {
      let sequence = maker.random(8, seed: seed)
      #expect(CrashSequence(sequence.description) == sequence)
    }
    #expect(CrashSequence("write:/a:1") == nil)
    #expect(CrashSequence("jump:/a") == nil)
  }
}
