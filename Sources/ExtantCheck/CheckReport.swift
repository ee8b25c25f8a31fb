import BlockIO
import ExtantBase

/// What a check found, and what is to be written to repair it.
public struct CheckReport: Sendable {
  /// The first of them: as many as `Checker.keptIssues`. All were shown to `CheckOptions.decide` or `note`.
  public internal(set) var issues: [Issue] = []
  /// Of the inodes that the kept issues are about, as bytes, where they have a name. One of its names.
  public internal(set) var paths: [InodeNumber: [UInt8]] = [:]
  /// Of all issues, by how bad they are.
  public internal(set) var counts: [Severity: Int] = [:]
  /// How many were not repaired: declined, or nothing could be done.
  public internal(set) var leftCount = 0
  /// Whether any issue was found that `-p` must not repair.
  public internal(set) var needsDecision = false
  /// The image said it was clean, and that was believed.
  public internal(set) var wasSkipped = false
  /// The image with all repairs. Its written pieces are the plan.
  public internal(set) var repaired: OverlayDevice?
  /// The same of the journal on another device, where there is one.
  var repairedJournal: RepairedJournal?
  /// In bytes, of the filesystem's blocks.
  public internal(set) var blockSize = 1024
  public internal(set) var inodesInUse: UInt64 = 0
  public internal(set) var inodeCount: UInt64 = 0
  public internal(set) var blocksInUse: UInt64 = 0
  public internal(set) var blockCount: UInt64 = 0

  public init() {}

  /// Of all issues, notices among them.
  var foundCount: Int { counts.values.reduce(0, +) }

  /// Whether anything is wrong: notices alone are not.
  public var isBroken: Bool { counts.contains { $0.key > .notice && $0.value > 0 } }
}

/// The journal on another device, open from the check to the end of the repair: nobody comes between.
struct RepairedJournal: Sendable {
  /// Open for writing where anything may be repaired.
  let device: any BlockDevice
  /// With what a replay changed in it.
  let overlay: OverlayDevice
}
