import Foundation
import Synchronization
import TestSupport

/// Cases, done by the kernel and by somebody else, and the answers held side by side.
public struct Suite: Sendable {
  public var cases: [Case]
  public var judge = Respondent.kernel()
  public var candidate: Respondent
  /// Told before each case, by whoever does it.
  public var progress: @Sendable (_ respondent: String, _ test: String) -> Void = { _, _ in }

  public init(_ cases: [Case], candidate: Respondent) {
    self.cases = cases
    self.candidate = candidate
  }

  /// What came of a run.
  public struct Report: Sendable {
    public struct Result: Sendable {
      public var test: Case
      /// What the judge answered.
      public var judge: Transcript
      public var differences: [Difference]
      public var known: KnownDifference?

      public var checks: Int { judge.checks }
    }

    public var results: [Result] = []
    /// What is wrong with an image afterwards, or with the list of known differences.
    public var complaints: [String] = []

    public var checks: Int { results.reduce(0) { $0 + $1.checks } }
    public var failures: [Result] {
      results.filter { !$0.differences.isEmpty && $0.known == nil }
    }
    public var isGood: Bool { failures.isEmpty && complaints.isEmpty }

    /// The words for a result that differs.
    public static func words(_ result: Result) -> String {
      "\(result.test.name) (\(result.test.stage))\n"
        + result.differences.map(\.description).joined(separator: "\n")
    }
  }

  public func run() throws -> Report {
    var report = Report()
    for stage in Stage.allCases {
      let chosen = cases.filter { $0.stage == stage }
      if chosen.isEmpty { continue }
      let directory = try TemporaryDirectory()
      let both = try sideBySide(chosen, stage, directory)
      report.complaints += both.flatMap(\.complaints)
      for (index, test) in chosen.enumerated() {
        let (a, b) = (both[0].transcripts[index], both[1].transcripts[index])
        let differences = Difference.all(a, b)
        let known = KnownDifference.all.first { $0.explains(test, differences) }
        report.results.append(
          Report.Result(test: test, judge: a, differences: differences, known: known))
      }
    }
    return report
  }

  /// What one of the two did.
  private struct Part: Sendable {
    var transcripts: [Transcript] = []
    var complaints: [String] = []
  }

  private func sideBySide(
    _ cases: [Case], _ stage: Stage, _ directory: TemporaryDirectory
  ) throws -> [Part] {
    let parts = Mutex<[Int: Result<Part, any Error>]>([:])
    let done = DispatchGroup()
    for (index, respondent) in [judge, candidate].enumerated() {
      done.enter()
      let thread = Thread {
        let result = Result {
          try Self.part(cases, stage, respondent, directory, index, self.progress)
        }
        parts.withLock { $0[index] = result }
        done.leave()
      }
      thread.stackSize = 8 << 20
      thread.start()
    }
    done.wait()
    return try [0, 1].compactMap { index in try parts.withLock { $0[index] }?.get() }
  }

  private static func part(
    _ cases: [Case], _ stage: Stage, _ respondent: Respondent, _ directory: TemporaryDirectory,
    _ index: Int, _ progress: (String, String) -> Void
  ) throws -> Part {
    var part = Part()
    let point = directory("mount\(index)")
    let (image, mount) = try respondent.mount(stage, directory("image\(index)"), point)
    let interpreter = try Interpreter(root: point)
    for test in cases {
      progress(respondent.name, test.name)
      part.transcripts.append(try interpreter.run(test))
    }
    interpreter.finish()
    try mount.unmount()
    if let complaint = try image.complaint() {
      part.complaints.append("\(respondent.name), \(stage): \(complaint)")
    }
    return part
  }
}
