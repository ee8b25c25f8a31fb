import BlockIO
import Ext4Format
import ExtantBase
import ExtentMap
import Journal
import Threading
import ImageIO

/// What opening does beyond looking: decide whether to write, mend what a crash left.
extension FileSystem {
  /// Why the filesystem can only be read; nil where it can be written.
  static func readOnlyReason(
    _ recovered: Recovered, _ device: any BlockDevice, _ options: Options
  ) -> String? {
    if let reason = readOnlyReason(of: recovered.superblock, recovered.support) { return reason }
    if options.skipsRecovery { return "opened without recovery of the journal" }
    if options.access == .readOnly { return "opened read-only" }
    if device.isReadOnly { return "the device is read-only" }
    if !recovered.fastCommits.isEmpty, !options.appliesFastCommits {
      return "the journal ends with fast commits: mount it once with the kernel"
    }
    return nil
  }

  /// What forbids to write this image, however it is opened.
  private static func readOnlyReason(
    of superblock: Superblock, _ support: SupportLevel
  ) -> String? {
    if case .readOnly(let reason) = support { return reason }
    if !superblock.features.incompat.contains(.extents) {
      return "no extent feature: block-mapped files are not written"
    }
    if superblock.state.contains(.errors) {
      return "the filesystem is marked as having errors: check it first (e2fsck -f)"
    }
    return nil
  }

  /// Why this image can only be read, however it is opened; nil where it can be written.
  public var imageReadOnlyReason: String? {
    guard let support = try? superblock.checkSupport() else { return readOnlyReason }
    return Self.readOnlyReason(of: superblock, support)
  }

  /// Called at the end of `init`.
  func start() throws(FileSystemError) {
    // A bad root makes everything else useless: say so now.
    try withNode(.root) { (root) throws(FileSystemError) in
      guard root.kind == .directory else {
        throw .corrupt(Corruption("inode", inode: .root, "the root is no directory"))
      }
    }
    guard readOnlyReason == nil else { return }
    let left: LeftOrphans?
    do throws(FileSystemError) {
      left = try orphansLeftBehind()
    } catch .io(let failure) {
      throw .io(failure)
    } catch {
      readOnlyReason = "the orphan list cannot be followed: \(error)"
      return
    }
    try markInUse()
    // An orphan that a fast commit is about would have to wait for it.
    if !fastCommits.isEmpty, let left {
      let plan = try FastCommitPlan(fastCommits, self)
      guard left.numbers.allSatisfy({ plan.targets[$0] == nil }) else {
        throw .unsupported(Unsupported("a fast commit of an orphan", "the kernel knows it"))
      }
    }
    if let left { try finish(orphans: left) }
    if !fastCommits.isEmpty { try apply(fastCommits) }
    guard options.writeBackInterval > 0 else { return }
    flusher = Flusher(seconds: options.writeBackInterval) { [weak self] in
      self?.flushPeriodically()
    }
  }

  /// Marks the filesystem as in use until `markClean`: with a journal as one that is to be
  /// recovered, before anything is logged; without one as not cleanly unmounted, so that a check
  /// comes after a crash.
  ///
  /// With a journal the flag alone changes at home, here and in `markClean`: should the device tear
  /// the superblock's two sectors apart, that can be told and mended. The rest goes with the first
  /// transaction.
  private func markInUse() throws(FileSystemError) {
    current.withLock { superblock in
      if journal.hasLog {
        superblock.features.incompat.insert(.needsRecovery)
      } else {
        superblock.state.remove(.clean)
      }
    }
    try storeSuperblock()
    let now = Clock.now().seconds
    try perform { (operation) throws(FileSystemError) in
      current.withLock { superblock in
        superblock.mountTime = now
        superblock.mountCount &+= 1
      }
      operation.handle.noteChange()
    }
  }

  /// Everything was committed: brings it home and takes back what `markInUse` marked.
  func markClean() throws(FileSystemError) {
    let now = Clock.now().seconds
    current.withLock { $0.writeTime = now }
    try perform { (operation) throws(FileSystemError) in operation.handle.noteChange() }
    try journal.commit()
    try journal.close()
    let wasClean = superblock.state.contains(.clean)
    current.withLock { superblock in
      superblock.features.incompat.remove(.needsRecovery)
      if wasClean { superblock.state.insert(.clean) }
    }
    try storeSuperblock()
  }

  /// Writes the superblock straight to its home, durably. Called while no transaction holds it.
  private func storeSuperblock() throws(FileSystemError) {
    try device.store(current.withLock { $0 })
  }
}
