import TestSupport
import Testing

@testable import KernelKit

/// A journal left behind by the kernel's ext4, recovered by us, by e2fsck and by the kernel: the
/// same files, to the last byte and time. `judge kills --kernel` does it a hundred times.
@Suite(.enabled(if: Environment.hasKernelMounts && Environment.hasTools), .serialized)
struct JournalRecoveryTests {
  @Test(arguments: CrashRecipe.all)
  func whatTheKernelLeftIsRecoveredAsOthersDo(_ recipe: CrashRecipe) throws {
    let seed = Seed.take()
    let kill = KernelKill(recipe, seed: seed, milliseconds: 300 + Int(seed % 900))
    #expect(try kill.run() == [])
  }
}
