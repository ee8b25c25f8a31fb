import BlockIO
import Extant
import ExtantBase
import ExtantCheck
import ExtantFuse
import ImageIO

/// One check of one image, with its repair: from opening the device to closing it.
final class CheckSession {
  private let image: String
  private let options: CheckOptions
  private let undo: String?
  private let bar: CheckProgress?

  private let findings = Findings()
  private(set) var report: CheckReport?
  /// Why the check or the repair could not be made, as one line.
  private(set) var failure: String?
  /// Blocks that the repair has changed on the device.
  private var writtenBlocks = 0
  private var isWritten = false
  private var duration = Duration.zero

  init(_ image: String, _ options: CheckOptions, undo: String?, progress: Int32?) {
    self.image = image
    self.undo = undo
    bar = CheckProgress.make(progress, image)
    var options = options
    let (findings, bar) = (findings, bar)
    if options.mode == .ask {
      let questioner = Questioner()
      options.decide = { (issue) throws(FileSystemError) in
        bar?.end()
        let answer = questioner.decide(issue)
        findings.add(issue, answer ? .planned : .declined)
        return answer
      }
      options.note = { (issue) throws(FileSystemError) in
        bar?.end()
        questioner.note(issue)
        findings.add(issue, .noted)
      }
    } else {
      options.decide = { (issue) throws(FileSystemError) in
        findings.add(issue, .planned)
        return true
      }
      options.note = { (issue) throws(FileSystemError) in findings.add(issue, .noted) }
    }
    options.applyFastCommits = { (image) throws(FileSystemError) in
      try FileSystem.applyFastCommits(on: image)
    }
    if let bar { options.progress = { bar.update($0, $1) } }
    self.options = options
  }

  func run() -> CheckStatus {
    let start = ContinuousClock.now
    defer { duration = ContinuousClock.now - start }
    CancelledCheck.watch()
    do throws(FileSystemError) {
      return try check()
    } catch {
      bar?.end()
      failure = CommandFailure(image, error).description
      return findings.isBroken ? [.failed, .left] : .failed
    }
  }

  private func check() throws(FileSystemError) -> CheckStatus {
    let isReadOnly = options.mode == .report
    if isReadOnly { try FileDevice.refuseIfMounted(image) }
    let device = try afterEndingDaemon(of: image) { () throws(FileSystemError) in
      try DeviceOpener.open(image, access: isReadOnly ? .readOnly : .readWrite)
    }
    defer { try? device.close() }
    let report = try Checker.check(device, options)
    bar?.end()
    self.report = report
    findings.addPaths(report.paths)
    if isReadOnly { return report.isBroken ? .left : [] }
    if options.mode == .preen, report.needsDecision { return .left }
    let plan = try RepairPlan(report, device: device)
    var status: CheckStatus = report.leftCount > 0 ? .left : []
    guard !plan.isEmpty else { return status }
    // From here on a signal must not leave half of it.
    Interruption.watch()
    try plan.write(undo: undo)
    isWritten = true
    writtenBlocks = plan.blockCount
    // A journal that was replayed, or a time that was set, is nothing that was wrong.
    if report.isBroken { status.insert(.repaired) }
    return status
  }

  // MARK: Telling

  private var milliseconds: Int64 {
    let (seconds, attoseconds) = duration.components
    return seconds * 1000 + attoseconds / 1_000_000_000_000_000
  }

  private var usage: String? {
    guard let report, report.inodeCount > 0 else { return nil }
    return "\(report.inodesInUse)/\(report.inodeCount) inodes, "
      + "\(report.blocksInUse)/\(report.blockCount) blocks in use"
  }

  /// What came of it, as one word.
  private var outcome: String {
    guard let report else { return "unknown" }
    if report.wasSkipped { return "clean" }
    if options.journalOnly, !findings.isBroken {
      return isWritten ? "journal replayed" : "nothing to replay"
    }
    if !findings.isBroken { return "sound" }
    if isWritten { return report.leftCount > 0 ? "partly repaired" : "repaired" }
    return failure == nil ? "broken" : "unknown"
  }

  func text(isVerbose: Bool, isTimed: Bool) -> String {
    let shown = PathText.shown(image)
    var lines: [String] = []
    // Who was asked has seen them.
    if options.mode != .ask {
      for finding in findings.list {
        var line = IssueText.sentence(finding.issue) + "."
        if finding.outcome != .noted { line += " Repair: \(IssueText.repair(finding.issue))." }
        lines.append(line + " [\(finding.issue.kind.code)]")
      }
      let rest = findings.total - findings.list.count
      if rest > 0 { lines.append("... and \(rest) more") }
    }
    if let report {
      var line = "\(shown): \(outcome)"
      if let summary = findings.summary { line += ": \(summary)" }
      lines.append(line)
      if !isWritten, findings.isBroken, failure == nil {
        lines.append(
          options.mode == .preen
            ? "\(shown): nothing was written: not all of it can be repaired without a decision "
              + "(-y repairs it, without -p it asks)"
            : "\(shown): nothing was written")
      } else if report.leftCount > 0 {
        lines.append("\(shown): \(report.leftCount) left as they are")
      }
      if let usage { lines.append("\(shown): \(usage)") }
      if isVerbose, isWritten {
        lines.append(
          "\(shown): \(writtenBlocks) blocks of \(report.blockSize) bytes were written")
      }
    }
    if isTimed {
      lines.append("\(shown): \(milliseconds) ms")
    }
    return lines.map { $0 + "\n" }.joined()
  }

  func json(_ status: CheckStatus) -> JSON {
    let counts = findings.counts
    let list = findings.list
    var members: [(String, JSON)] =
      JSON.bytes("image", PathText.bytes(image)) + [
        ("exit", .number(Int64(status.rawValue))),
        ("outcome", .string(outcome)), ("error", .optional(failure)),
        ("skipped", .bool(report?.wasSkipped ?? false)), ("written", .bool(isWritten)),
        ("blocks_written", .number(Int64(writtenBlocks))),
        ("left", .number(Int64(report?.leftCount ?? 0))),
        (
          "counts",
          .object(Severity.allCases.map { ($0.rawValue, .number(Int64(counts[$0] ?? 0))) })
        ),
      ]
    if let report, report.inodeCount > 0 {
      members += [
        ("inodes", .unsigned(report.inodeCount)), ("inodes_in_use", .unsigned(report.inodesInUse)),
        ("blocks", .unsigned(report.blockCount)), ("blocks_in_use", .unsigned(report.blocksInUse)),
        ("block_size", .number(Int64(report.blockSize))),
      ]
    }
    members.append(("milliseconds", .number(milliseconds)))
    members.append(("unlisted", .number(Int64(findings.total - list.count))))
    members.append(("issues", .array(list.map(IssueJSON.object))))
    return .object(members)
  }
}
