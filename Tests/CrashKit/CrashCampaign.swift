import ExtantBase
import Synchronization
import TestSupport
import Threading

/// Many sequences on some threads, and what came of it.
public final class CrashCampaign: @unchecked Sendable {
  public struct Options: Sendable {
    public var seed: UInt64 = 1
    /// Threads.
    public var workers = 2
    /// Every subset is tried up to so many blocks in flight, or else so many writes.
    public var complete = 12
    /// Subsets drawn past that, and torn states.
    public var samples = 256
    public var torn = 16
    /// States in 10,000 that e2fsck sees as well.
    public var fsckShare = 4
    /// Of 1,000 states, in the recovery of how many there is another crash; of 100 flushes, how many
    /// are also tried as ones that lied.
    public var nestedShare = 4
    public var lyingShare = 10
    /// Stop after so many seconds, so many different states, so many violations.
    public var seconds: Double?
    public var states: Int?
    public var violations = 5
    /// Keeps the image of each violation.
    public var keepsImages = false

    public init() {}
  }

  public struct Violation: Sendable {
    /// The words that repeat it.
    public var sequence: String
    public var place: String
    public var text: String
    /// The device as the crash left it; empty unless it was to be kept.
    public var image: [UInt8]
  }

  public struct Result: Sendable {
    public var sequences = 0
    public var distinct = 0
    public var seconds = 0.0
    public var violations: [Violation] = []
    var count = Explorer.Count()

    public var states: Int { count.states }
    public var nestedStates: Int { count.nested }
    public var lyingStates: Int { count.lying }

    /// In one line.
    public var summary: String {
      let rate = seconds > 0 ? Int(Double(count.recoveries) / seconds) : 0
      return "\(sequences) sequences, \(count.states) states, \(distinct) distinct, "
        + "\(count.recoveries) recovered (\(rate)/s), \(count.nested) in a recovery, "
        + "\(count.lying) with a lying flush, \(count.fsck) seen by e2fsck; at most "
        + "\(count.mostInFlight) blocks in flight, \(count.completeMoments) moments complete, "
        + "\(count.sampledMoments) sampled; \(violations.count) violations"
    }
  }

  private struct State {
    var next = 0
    var result = Result()
    var hashes: Set<UInt64> = []
    var isStopped = false
  }

  private let base: CrashBaseImage
  private let sequences: [CrashSequence]
  private let options: Options
  private let state = Guarded(State(), .unranked)
  private let start = Clock.monotonicNanoseconds()

  public init(_ base: CrashBaseImage, _ sequences: [CrashSequence], _ options: Options = Options())
  {
    self.base = base
    self.sequences = sequences
    self.options = options
  }

  private var seconds: Double {
    Double(Clock.monotonicNanoseconds() - start) / 1e9
  }

  /// What there is so far; may be asked from any thread.
  public var progress: Result {
    let seconds = seconds
    return state.withLock { state in
      var result = state.result
      result.distinct = state.hashes.count
      result.seconds = seconds
      return result
    }
  }

  /// Explores all sequences, in their order, until they are done or a limit is reached.
  public func run() -> Result {
    let threads = (1..<max(options.workers, 1)).compactMap { _ in
      WorkerThread(name: "crash") { [self] in work() }
    }
    work()
    for thread in threads { thread.join() }
    return progress
  }

  private func work() {
    var settings = Explorer.Options()
    settings.plan = InFlight.Plan(
      complete: options.complete, samples: options.samples, torn: options.torn)
    settings.seed = options.seed
    settings.fsckShare = options.fsckShare
    settings.nestedShare = options.nestedShare
    settings.lyingShare = options.lyingShare
    settings.keepsImages = options.keepsImages
    let explorer = Explorer(base, settings)
    var before = Explorer.Count()
    while let sequence = take() {
      let violations = explorer.violations.count
      explorer.explore(sequence)
      let after = explorer.count
      let new = explorer.violations[violations...]
      let hashes = explorer.takeHashes()
      let seconds = seconds
      state.withLock { state in
        state.result.sequences += 1
        state.result.count += after.since(before)
        state.hashes.formUnion(hashes)
        state.result.violations += new.map {
          Violation(sequence: $0.sequence, place: $0.place, text: $0.text, image: $0.image)
        }
        let isLate = options.seconds.map { seconds >= $0 } ?? false
        let isMany = options.states.map { state.hashes.count >= $0 } ?? false
        if isLate || isMany || state.result.violations.count >= options.violations {
          state.isStopped = true
        }
      }
      before = after
    }
  }

  private func take() -> CrashSequence? {
    state.withLock { state in
      guard !state.isStopped, state.next < sequences.count else { return nil }
      defer { state.next += 1 }
      return sequences[state.next]
    }
  }
}

extension CrashCampaign {
  /// Lets the time of day stand still in this process, so that equal states are equal to the byte.
  public static func stopTheClock() {
    Clock.standstill.store(CrashBaseImage.time, ordering: .relaxed)
  }

  /// Makes the base image.
  ///
  /// - Parameter hasJournal: without one a commit writes in place, and half of it may be there: what
  ///   the harness must find.
  public static func makeBase(hasJournal: Bool = true) throws -> CrashBaseImage {
    try CrashBaseImage(hasJournal: hasJournal)
  }
}

extension CrashCampaign {
  /// What a sequence asks of the device, a line for each request, for people.
  public static func trace(_ sequence: CrashSequence, on base: CrashBaseImage) -> [String] {
    let image = CrashImage(copying: base.bytes)
    let run = SequenceRun(sequence, on: image, start: CrashImage(copying: base.bytes))
    let lines = run.requests.map { request in
      switch request {
      case .write(let write):
        let first = Int(write.offset) / CrashModel.blockSize
        let last = (Int(write.offset) + write.bytes.count - 1) / CrashModel.blockSize
        return (write.isDurable ? "durable write " : "write ")
          + (first == last ? "\(first)" : "\(first)-\(last)") + beginnings(write.bytes)
      case .flush: return "flush"
      case .flushFailed: return "the flush failed"
      case .discard(let range): return "discard \(range)"
      case .mark(let text): return "-- \(text)"
      case .event(let event): return "   (\(event))"
      }
    }
    return lines + (run.failure.map { [$0] } ?? [])
  }

  /// The first four bytes of each block.
  private static func beginnings(_ bytes: [UInt8]) -> String {
    stride(from: 0, to: bytes.count, by: CrashModel.blockSize).map { start in
      " "
        + bytes[start..<min(start + 4, bytes.count)].map { byte in
          (byte < 16 ? "0" : "") + String(byte, radix: 16)
        }.joined()
    }.joined()
  }
}
