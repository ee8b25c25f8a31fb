import DeviceFaults
import BlockIO
import Ext4Format
import ExtantBase
import ExtantCheck
import TestSupport

/// Interrupts the writing of a repair wherever it can be interrupted, and checks what is left.
///
/// A write is sure to be on the medium when a flush has returned since, or it was durable by itself.
/// Before that any part of it may be there, and it may be there before others. Of all that can be left
/// three are taken at each write: all writes so far; the last alone of those that are not sure; all
/// with the last one torn.
public struct RepairCrash {
  /// What an interrupted repair came to.
  public struct Result {
    public var goesThroughJournal = false
    public var states = 0
    /// Nil where all is well.
    public var problem: String?
  }

  /// A moment that all checks agree on, so that equal repairs are equal to the byte.
  private static let time: Int64 = 1_700_000_000
  private let folder: TemporaryDirectory

  public init() throws { folder = try TemporaryDirectory() }

  public func run(_ planted: [UInt8]) throws -> Result {
    var result = Result()
    let device = try ImageBytes.device(planted)
    let recording = RecordingDevice(base: device)
    let plan = try RepairPlan(try check(recording), device: recording)
    result.goesThroughJournal = try plan.goesThroughJournal
    _ = recording.takeRequests()
    try plan.write()
    let requests = recording.takeRequests()
    let goal = try ImageBytes.contents(device)
    if let problem = try judge(goal) {
      result.problem = "after the whole repair: \(problem)"
      return result
    }

    var durable = planted
    var pending: [RecordedWrite] = []
    for (index, request) in requests.enumerated() {
      switch request {
      case .write(let write):
        for (name, state) in states(durable, pending, write) {
          result.states += 1
          if let problem = try judge(
            state, goal: result.goesThroughJournal ? goal : nil, alsoByE2fsck: name == "all")
          {
            result.problem = "crash at request \(index) of \(requests.count), \(name): \(problem)"
            return result
          }
        }
        if write.isDurable { Self.apply(write, to: &durable) } else { pending.append(write) }
      case .flush:
        for write in pending { Self.apply(write, to: &durable) }
        pending = []
      case .flushFailed, .discard, .mark, .event: continue
      }
    }
    if durable != goal { result.problem = "not all that was written is durable" }
    return result
  }

  private static func apply(_ write: RecordedWrite, to bytes: inout [UInt8], count: Int? = nil) {
    let part = write.bytes.prefix(count ?? write.bytes.count)
    bytes.replaceSubrange(Int(write.offset)..<Int(write.offset) + part.count, with: part)
  }

  private func states(
    _ durable: [UInt8], _ pending: [RecordedWrite], _ write: RecordedWrite
  ) -> [(String, [UInt8])] {
    var all = durable
    for earlier in pending { Self.apply(earlier, to: &all) }
    var torn = all
    Self.apply(write, to: &all)
    var states = [("all", all)]
    if !pending.isEmpty {
      var alone = durable
      Self.apply(write, to: &alone)
      states.append(("the last alone", alone))
    }
    if write.bytes.count > 512 {
      Self.apply(write, to: &torn, count: write.bytes.count / 1024 * 512)
      states.append(("the last torn", torn))
    }
    return states
  }

  // MARK: What is left

  private func check(_ device: any BlockDevice) throws -> CheckReport {
    var options = CheckOptions(.repair)
    options.isForced = true
    options.time = Self.time
    return try Checker.check(device, options)
  }

  /// Nil where a check makes a sound image of it; the same as without the crash where `goal` is given.
  private func judge(
    _ state: [UInt8], goal: [UInt8]? = nil, alsoByE2fsck: Bool = false
  ) throws -> String? {
    let device = try ImageBytes.device(state)
    let report = try check(device)
    guard report.leftCount == 0 else { return "issues are left" }
    try RepairPlan(report, device: device).write()
    let mended = try ImageBytes.contents(device)
    if let goal, let place = try difference(mended, goal) {
      return "block \(place) is another than without the crash; found: \(RecipeRunner.text(report))"
    }
    let second = try check(try ImageBytes.device(mended))
    guard second.issues.isEmpty else {
      return "a second check finds \(RecipeRunner.text(second))"
    }
    let image = folder("image")
    try System.write(mended, to: image)
    let judged = try Program.run(["e2fsck", "-fn", image])
    guard judged.status == 0 else { return "e2fsck -fn says \(judged.output)" }
    guard alsoByE2fsck else { return nil }
    try System.write(state, to: image)
    _ = try Program.run(["e2fsck", "-fy", image])
    let after = try Program.run(["e2fsck", "-fn", image])
    return after.status == 0 ? nil : "after e2fsck -fy, e2fsck -fn says \(after.output)"
  }

  /// The first block that differs, but for superblocks, which count what was written and when, and the
  /// journal.
  private func difference(_ a: [UInt8], _ b: [UInt8]) throws -> Int? {
    let planter = try Planter(b)
    var ignored = Set(try planter.journalBlocks().map { Int($0.rawValue) })
    ignored.insert(Int(Superblock.byteOffset) / planter.blockSize)
    for group in 0..<planter.superblock.groupCount
    where planter.superblock.groupHasSuperblock(GroupIndex(group)) {
      ignored.insert(Int(planter.superblock.superblockBlock(in: GroupIndex(group)).rawValue))
    }
    for block in 0..<a.count / planter.blockSize where !ignored.contains(block) {
      let range = block * planter.blockSize..<(block + 1) * planter.blockSize
      if a[range] != b[range] { return block }
    }
    return nil
  }
}
