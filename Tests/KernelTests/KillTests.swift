import TestSupport
import Testing

/// A daemon killed under load, recovered by us, by e2fsck and by the kernel.
///
/// EXTANT_KILLS says how many (`make kills`: 100); EXTANT_SEED repeats one of them, as far as threads
/// take the same turns; EXTANT_KEEP names a directory for the images of those that failed.
@Suite(.enabled(if: Kill.canRun), .serialized)
struct KillTests {
  @Test func aKilledDaemonLeavesWhatThreeRecoverAlikeAndWhatWasConfirmed() throws {
    let count = Environment.value("EXTANT_KILLS").flatMap { Int($0) } ?? 3
    let first = Seed.take()
    var operations = 0
    var confirmations = 0
    for index in 0..<count {
      let seed = first &+ UInt64(index)
      let report = try Kill(seed: seed).run()
      operations += report.operations
      confirmations += report.confirmations
      if count > 10 || !report.failures.isEmpty {
        print(
          "kill \(index + 1): seed \(Seed.text(seed)): \(report.text), "
            + "\(report.confirmations) confirmed: \(report.failures.isEmpty ? "same" : "FAILED")")
      }
      #expect(report.failures == [], "seed \(Seed.text(seed)): \(report.text)")
    }
    print("\(count) kills, \(operations) operations, \(confirmations) confirmed by sync calls")
  }
}
