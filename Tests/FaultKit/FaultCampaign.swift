import BlockIO
import Extant
import ExtantBase
import Synchronization
import TestSupport
import Threading

/// Many cases, on several threads, with a watchdog.
public final class FaultCampaign: Sendable {
  public struct Report: Sendable {
    public var workloadCount = 0
    public var requestCount = 0
    public var runCount = 0
    public var judgedCount = 0
    public var outcomes: [Fault: [FaultResult.Outcome: Int]] = [:]
    public var violations: [String] = []
    /// What only e2fsck found, where the device lied.
    public var unseen: [String] = []
    /// A case that did not end.
    public var hung: String?
  }

  private let state: Guarded<Report>
  private let next = Atomic(0)
  private let running: Guarded<[Int: (text: String, since: UInt64)]>
  private let say: @Sendable (String) -> Void

  /// `say` is told of each workload when it is done.
  public init(say: @escaping @Sendable (String) -> Void = { _ in }) {
    state = Guarded(Report(), .unranked)
    running = Guarded([:], .unranked)
    self.say = say
  }

  /// - Parameters:
  ///   - isWanted: which cases; all are what the acceptance asks for.
  ///   - judgedShare: e2fsck is asked about each so-manieth case.
  ///   - hangSeconds: a case that takes longer hangs.
  public func run(
    _ workloads: [Workload], judgedShare: Int, threads: Int = 2, hangSeconds: UInt64 = 300,
    isWanted: @escaping @Sendable (FaultCase) -> Bool
  ) throws -> Report {
    var images: [FaultImage.Recipe: FaultImage] = [:]
    for recipe in Set(workloads.map(\.recipe)) { images[recipe] = try FaultImage(recipe) }
    let left = Guarded(threads, .unranked)
    let started = (0..<threads).compactMap { number in
      WorkerThread(name: "faults") { [images] in
        do {
          let judge = try E2fsckJudge()
          while true {
            let place = self.next.wrappingAdd(1, ordering: .relaxed).oldValue
            guard place < workloads.count, let image = images[workloads[place].recipe] else {
              break
            }
            let runner = FaultRunner(image) { try judge.complaint(about: $0) }
            try self.run(workloads[place], runner, number, judgedShare, isWanted)
          }
        } catch {
          self.state.withLock { $0.violations.append("the harness failed: \(error)") }
        }
        left.withLock { $0 -= 1 }
      }
    }
    guard started.count == threads else { throw SystemFailure(11, "no threads") }
    while left.withLock({ $0 }) > 0 {
      Clock.sleep(nanoseconds: 20_000_000)
      let now = Clock.monotonicNanoseconds()
      let hung = running.withLock { running in
        running.values.first { now - min(now, $0.since) > hangSeconds * 1_000_000_000 }
      }
      if let hung {
        state.withLock { $0.hung = hung.text }
        return state.withLock { $0 }
      }
    }
    for thread in started { thread.join() }
    return state.withLock { $0 }
  }

  private func run(
    _ workload: Workload, _ runner: FaultRunner, _ thread: Int, _ judgedShare: Int,
    _ isWanted: (FaultCase) -> Bool
  ) throws {
    let sound = try runner.soundRun(of: workload)
    var runs = 0
    state.withLock { report in
      report.workloadCount += 1
      report.requestCount += sound.counts.values.reduce(0, +)
      report.violations += sound.problems.map { "\(workload.name), with no fault: \($0)" }
    }
    for fault in Fault.allCases {
      for index in 1..<runner.placeCount(of: fault, sound.counts) + 1 {
        for isPermanent in [false, true] {
          let one = FaultCase(
            workload: workload, fault: fault, index: index, isPermanent: isPermanent)
          guard isWanted(one) else { continue }
          running.withLock { $0[thread] = ("\(one)", Clock.monotonicNanoseconds()) }
          let isJudged = Self.number(of: one) % UInt64(max(1, judgedShare)) == 0
          let result = try runner.run(one, asksJudge: isJudged)
          running.withLock { $0[thread] = nil }
          runs += 1
          state.withLock { report in
            report.runCount += 1
            report.judgedCount += isJudged ? 1 : 0
            report.outcomes[fault, default: [:]][result.outcome, default: 0] += 1
            if let unseen = result.unseen { report.unseen.append("\(one): \(unseen)") }
            report.violations += result.violations.map { "\(one): \($0)" }
          }
        }
      }
    }
    say("\(workload.name): \(sound.counts.values.reduce(0, +)) requests, \(runs) runs")
  }

  /// The same for the same case each time, and spread.
  public static func number(of one: FaultCase) -> UInt64 {
    var hash: UInt64 = 0xcbf2_9ce4_8422_2325
    for byte in "\(one)".utf8 { hash = (hash ^ UInt64(byte)) &* 0x100_0000_01b3 }
    return hash >> 17
  }
}

/// Asks e2fsck about devices, one at a time.
private final class E2fsckJudge: Sendable {
  private let directory: TemporaryDirectory

  init() throws { directory = try TemporaryDirectory() }

  func complaint(about device: OverlayDevice) throws -> String? {
    let path = directory("image")
    let step = 1 << 20
    do {
      let file = try FileDevice(path: path, access: .readWrite, create: device.byteCount)
      let buffer = BlockBuffer(byteCount: step)
      for start in stride(from: 0, to: Int(device.byteCount), by: step) {
        let count = min(step, Int(device.byteCount) - start)
        var bytes = buffer.mutableBytes
        var part = bytes._mutatingExtracting(0..<count)
        try device.read(into: &part, at: UInt64(start))
        try file.write(buffer.bytes.extracting(0..<count), at: UInt64(start))
      }
      try file.close()
    }
    defer { try? System.unlink(path) }
    // On a filesystem that is marked as having errors, as after an I/O error, it takes what is left
    // in the orphan list for damage, where it else deletes orphans.
    try Program.succeed(["debugfs", "-w", "-R", "ssv state 1", path])
    // It brings home what is left in a journal and deletes orphans; before it mends anything, it
    // asks.
    let result = try Program.run(["e2fsck", "-fy", path])
    let isSound =
      result.status == 0 || result.status == 1 && !result.output.contains("? yes")
    return isSound ? nil : "e2fsck -fy gave \(result.status):\n\(result.output)"
  }
}
