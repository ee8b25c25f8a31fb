import TestSupport
import Testing
import TortureKit

/// The short run of what `make torture` does at length.
@Suite(
  "Side by side with the kernel's ext4", .enabled(if: Environment.hasKernelMounts), .serialized)
struct SideBySideTests {
  static let program = Environment.products + "/extant"
  static let hasProgram = System.exists(program)

  @Test("our engine in process does what the kernel's ext4 does")
  func engine() throws {
    try run([.engine], count: 6000)
  }

  @Test(
    "our mount does what the kernel's ext4 does",
    .enabled(if: Environment.hasFuse && hasProgram))
  func mount() throws {
    try run([.mount], count: 4000)
  }

  @Test("an image that kernel and engine write in turns stays whole, and each reads the other")
  func relay() throws {
    try run([.relay], count: 3000)
  }

  private func run(_ members: [TortureCampaign.Member], count: Int) throws {
    var campaign = TortureCampaign(
      seed: Seed.take(), count: count, members: members, program: Self.program)
    campaign.roundLength = 1000
    // A few of the profiles each time; the seed decides which.
    campaign.firstProfile = Int(campaign.seed % UInt64(TortureCampaign.profiles.count))
    for (configuration, disagreement) in try campaign.run() {
      Issue.record("\(TortureCampaign.words(configuration, disagreement))")
    }
  }
}
