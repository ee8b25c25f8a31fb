import DeviceFaults
import BlockIO
import Extant
import ExtantBase
import Threading

/// What became of one case.
public struct FaultResult: Sendable {
  public enum Outcome: String, Sendable, CaseIterable {
    case notReached = "not reached"
    case harmless = "harmless"
    /// A call failed, or the filesystem could not be opened or closed.
    case told = "told at once"
    /// Met by whoever opens or reads the image afterwards.
    case found = "found afterwards"
    /// Only e2fsck finds it: possible where the device lied.
    case unseen = "only e2fsck finds it"
  }

  public var outcome = Outcome.harmless
  /// What only e2fsck found.
  public var unseen: String?
  /// Broken promises.
  public var violations: [String] = []
}

/// Runs cases on one image.
public struct FaultRunner: Sendable {
  public let image: FaultImage
  /// What e2fsck says of a device: nil for nothing.
  public let judge: @Sendable (OverlayDevice) throws -> String?

  public init(_ image: FaultImage, judge: @escaping @Sendable (OverlayDevice) throws -> String?) {
    self.image = image
    self.judge = judge
  }

  /// At how many places the fault can happen, with so many requests of each kind.
  func placeCount(of fault: Fault, _ counts: [FaultRequestKind: Int]) -> Int {
    fault == .badBlock ? image.oldBlocksSectors.count : counts[fault.kind] ?? 0
  }

  /// How many requests of each kind the workload makes where nothing fails, and what is wrong even
  /// then.
  public func soundRun(
    of workload: Workload
  ) throws -> (counts: [FaultRequestKind: Int], problems: [String]) {
    let overlay = image.device.copy()
    let device = FaultyDevice(base: overlay, rules: FaultRules())
    let session = try Session(device)
    session.perform(workload)
    var problems = session.errors.map { "\($0)" }
    if session.unsynced.isEmpty, !session.isShutDown { problems.append("nothing is unsynced") }
    var counts: [FaultRequestKind: Int] = [:]
    for kind in FaultRequestKind.allCases { counts[kind] = device.requestCount(of: kind) }
    let after = try FileSystem(device: overlay.copy(), options: Session.options)
    problems += differences(session.confirmed, "synced", after)
    problems += differences(session.unsynced, "written", after)
    problems += Bystanders.differences(in: after)
    try after.close()
    if let complaint = try judge(overlay.copy()) { problems.append(complaint) }
    return (counts, problems)
  }

  /// Does the workload on a device of the caller's, above a copy of the image.
  public func perform(
    _ workload: Workload, on wrap: (OverlayDevice) -> any BlockDevice
  ) throws(FileSystemError) {
    let session = try Session(wrap(image.device.copy()))
    session.perform(workload)
    for error in session.errors { throw error }
  }

  /// `asksJudge`: whether e2fsck is asked, which takes longer than all the rest.
  public func run(_ run: FaultCase, asksJudge: Bool) throws -> FaultResult {
    let overlay = image.device.copy()
    let device = FaultyDevice(base: overlay, rules: run.rules(on: image))
    var result = FaultResult()
    var confirmed: [Session.Contents] = []
    var unsynced: [Session.Contents] = []
    var hasStopped = false
    var errors: [FileSystemError] = []
    do throws(FileSystemError) {
      let session = try Session(device)
      session.perform(run.workload)
      errors = session.errors
      confirmed = session.confirmed
      unsynced = session.unsynced
      hasStopped = session.fs.isReadOnly
    } catch {
      errors.append(error)
    }
    if device.hits[0] == 0 { result.outcome = .notReached }
    if !errors.isEmpty { result.outcome = .told }
    if run.fault.mustBeTold(isPermanent: run.isPermanent), device.hits[0] > 0, errors.isEmpty {
      result.violations.append("nobody was told")
    }
    if hasStopped, device.hits[0] > 0, !run.fault.mayStopWriting {
      result.violations.append("nothing is written any more")
    }
    let keepsUnsynced = !hasStopped && run.fault.keepsUnsynced(hasJournal: image.hasJournal)
    let promise = run.fault.promise(isPermanent: run.isPermanent)
    if promise == .harmless, let error = errors.first { result.violations.append("told: \(error)") }
    try look(
      at: overlay.copy(), run, promise, run.fault.breaksSync ? [] : confirmed,
      keepsUnsynced ? unsynced : [], asksJudge: asksJudge, &result)
    return result
  }

  /// Opens what is on the device, reads it, works on it, and asks e2fsck.
  private func look(
    at overlay: OverlayDevice, _ run: FaultCase, _ promise: Fault.Promise,
    _ confirmed: [Session.Contents], _ unsynced: [Session.Contents], asksJudge: Bool,
    _ result: inout FaultResult
  ) throws {
    var found: [FileSystemError] = []
    var mustBeChecked = false
    do throws(FileSystemError) {
      let session = try Session(overlay)
      let fs = session.fs
      mustBeChecked = fs.uncleanWarning != nil || fs.readOnlyReason != nil
      var walk = TreeWalk()
      walk.visit(fs)
      found += walk.errors
      result.violations += differences(confirmed, "synced", fs)
      result.violations += differences(unsynced, "written", fs)
      checkBystanders(fs, run, &result)
      // Marked as having errors, it is not written any more.
      if fs.readOnlyReason == nil {
        session.makeDirectory("/afterwards")
        for name in ["a", "b", "c"] { session.write("/afterwards/\(name)", 2200) }
        session.sync()
        session.remove("/afterwards/b")
        session.sync()
        checkBystanders(fs, run, &result)
      }
      session.close()
      found += session.errors
    } catch {
      found.append(error)
    }
    if !found.isEmpty, result.outcome == .harmless { result.outcome = .found }
    let needsJournal = promise == .consistent && run.fault.needsJournal && !image.hasJournal
    let isRefused = run.fault == .tornAndTold && Self.isTornSuperblock(found)
    if promise != .survived, !needsJournal, !isRefused, let error = found.first {
      result.violations.append("found afterwards: \(error)")
    }
    guard asksJudge, !isRefused, let complaint = try judge(overlay.copy()) else { return }
    if result.outcome == .harmless {
      result.outcome = .unseen
      result.unseen = complaint
    }
    if promise == .survived { return }
    if needsJournal, mustBeChecked { return }
    result.violations.append(complaint)
  }

  /// Half of a superblock of 1,024 bytes was written, and the device said so: no journal helps, the
  /// copies in other groups do.
  private static func isTornSuperblock(_ errors: [FileSystemError]) -> Bool {
    guard case .corrupt(let corruption)? = errors.first else { return false }
    return corruption.structure == "superblock"
  }

  private func checkBystanders(_ fs: FileSystem, _ run: FaultCase, _ result: inout FaultResult) {
    // It may have landed on their own blocks; and without checksums nobody knows a wrong block.
    if run.fault == .misdirectedWrite { return }
    if run.fault == .misdirectedRead || run.fault == .torn, image.recipe == .plain1K { return }
    result.violations += Bystanders.differences(in: fs)
  }

  /// Where files do not hold what they must since it `was` synced, or written.
  private func differences(
    _ files: [Session.Contents], _ was: String, _ fs: FileSystem
  ) -> [String] {
    files.compactMap { entry in
      do throws(FileSystemError) {
        let file = try fs.open(entry.path, .read)
        defer { file.close() }
        let bytes = try file.read(entry.bytes.count + 1, at: 0)
        return bytes == entry.bytes ? nil : "\(entry.path) was \(was) and has other bytes"
      } catch {
        return "\(entry.path) was \(was): \(error)"
      }
    }
  }
}
