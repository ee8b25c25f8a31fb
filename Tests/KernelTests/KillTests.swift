import KernelKit
import TestSupport
import Testing

/// A daemon killed under load, recovered by us, by e2fsck and by the kernel.
///
/// `make kills` kills a hundred. EXTANT_SEED repeats one of them, as far as threads take the same turns;
/// EXTANT_KEEP names a directory for the images of those that failed.
@Suite(.enabled(if: Kill.canRun), .serialized)
struct KillTests {
  @Test func aKilledDaemonLeavesWhatThreeRecoverAlikeAndWhatWasConfirmed() throws {
    let sum = try Kill.run(3, from: Seed.take()) { _, report in
      #expect(report.failures == [], "\(report.text)")
    }
    print(sum)
  }
}
