import DeviceFaults
import Ext4Format
import Extant
import ExtantBase
import TestSupport

/// Goes through the crash states of sequences, one after the other, in one thread.
///
/// Each state is opened by the engine, which recovers it, closed, read by `ImageContents`, and
/// compared with the `Oracle`. Verdicts are kept by what the recovered image is.
final class Explorer {
  struct Options: Sendable {
    var plan = InFlight.Plan()
    /// Crashes during the recovery: of how many states, in 1,000, and how thoroughly.
    var nestedShare = 4
    var nestedPlan = InFlight.Plan(complete: 5, samples: 16, torn: 4)
    /// Flushes that lie, in 100 of all flushes, and how thoroughly.
    var lyingShare = 10
    var lyingPlan = InFlight.Plan(complete: 6, samples: 48, torn: 8)
    /// States that e2fsck sees as well, in 10,000.
    var fsckShare = 4
    var seed: UInt64 = 1
    /// Ends a sequence at its first violation.
    var stopsAtViolation = true
    /// Keeps the image of each violation.
    var keepsImages = false
  }

  struct Violation: Sendable {
    var sequence: String
    var place: String
    var text: String
    /// The image as the crash left it.
    var image: [UInt8]
  }

  struct Count: Sendable {
    var states = 0
    var recoveries = 0
    var nested = 0
    var lying = 0
    var lyingRefused = 0
    var fsck = 0
    var verdicts = 0
    /// The most units that were in flight at once, and at how many moments every subset was tried.
    var mostInFlight = 0
    var completeMoments = 0
    var sampledMoments = 0

    func since(_ earlier: Count) -> Count {
      var count = self
      count.states -= earlier.states
      count.recoveries -= earlier.recoveries
      count.nested -= earlier.nested
      count.lying -= earlier.lying
      count.lyingRefused -= earlier.lyingRefused
      count.fsck -= earlier.fsck
      count.verdicts -= earlier.verdicts
      count.completeMoments -= earlier.completeMoments
      count.sampledMoments -= earlier.sampledMoments
      return count
    }

    static func += (a: inout Count, b: Count) {
      a.states += b.states
      a.recoveries += b.recoveries
      a.nested += b.nested
      a.lying += b.lying
      a.lyingRefused += b.lyingRefused
      a.fsck += b.fsck
      a.verdicts += b.verdicts
      a.mostInFlight = max(a.mostInFlight, b.mostInFlight)
      a.completeMoments += b.completeMoments
      a.sampledMoments += b.sampledMoments
    }
  }

  let base: CrashBaseImage
  let options: Options
  private let original: CrashImage
  private let runner: CrashImage
  private let image: CrashImage
  let nested: CrashImage
  let fsck: Fsck?

  var count = Count()
  var violations: [Violation] = []
  /// Hashes of images met, to be taken by whoever counts them over all.
  var hashes: Set<UInt64> = []

  // Of the sequence at hand.
  var sequence = CrashSequence([])
  var random = SeededGenerator(seed: 0)
  var operations: [CrashOperation?] = []
  var oracles: [Int: Oracle] = [:]
  var seen: Set<Key> = []
  var verdicts: [Key: String?] = [:]
  private var hasOpened = false

  struct Key: Hashable {
    var hash: UInt64
    var returned: Int
    var begun: Int
    var isLying = false
  }

  /// When the crash is: what a state is judged by.
  struct Moment {
    var begun = 0
    var returned = 0
    var number = 0
    var depth = 0
    var isLying = false
    var words = ""
  }

  init(_ base: CrashBaseImage, _ options: Options) {
    self.base = base
    self.options = options
    original = CrashImage(copying: base.bytes)
    for sectors in base.logSectors { original.leaveOut(sectors) }
    runner = CrashImage(copying: base.bytes)
    image = CrashImage(copying: base.bytes)
    nested = CrashImage(copying: base.bytes)
    fsck = Fsck()
  }

  func takeHashes() -> Set<UInt64> {
    defer { hashes = [] }
    return hashes
  }

  // MARK: A sequence

  func explore(_ sequence: CrashSequence) {
    self.sequence = sequence
    var seed = options.seed
    for byte in sequence.description.utf8 { seed = (seed ^ UInt64(byte)) &* 0x100_0000_01b3 }
    random = SeededGenerator(seed: seed)
    oracles = [:]
    seen = []
    verdicts = [:]
    let before = violations.count

    runner.become(original)
    let run = SequenceRun(sequence, on: runner, start: image)
    operations = run.operations
    if let failure = run.failure ?? LogCheck(base: base).complaint(about: run.requests) {
      violations.append(
        Violation(
          sequence: sequence.description, place: "without a crash", text: failure,
          image: base.bytes))
      return
    }
    runner.become(image)
    if !hasOpened || random.below(100) < 2 {
      // What opening asks, which is the same for all.
      hasOpened = true
      image.become(original)
      walk(run.openingRequests, image, Moment(), options.plan, until: before)
      image.become(runner)
    }
    walk(run.requests, image, Moment(), options.plan, until: before)
    guard violations.count == before || !options.stopsAtViolation else { return }
    for (index, request) in run.requests.enumerated() where request == .flush {
      guard random.chance(options.lyingShare) else { continue }
      // Walking moved the base on: from the beginning again. Nothing stale lies in the log: of a
      // block that ends with a CRC of its own, as a superblock or a directory's block, the tag's
      // CRC is the same whatever is in it, so that no recovery tells an old copy from the new one.
      image.become(runner)
      poisonLog(image)
      walk(run.requests, image, Moment(), options.lyingPlan, until: before, lyingFlush: index)
    }
  }

  /// Goes along the requests and explores what a crash before the end of each flush, and of each
  /// durable write, may leave; and at the end.
  ///
  /// - Parameters:
  ///   - image: in the state before the first request, and in the one after the last when done.
  ///   - until: stop when there are more violations than so many.
  ///   - lyingFlush: the index of one that does nothing; then that moment alone is explored at which
  ///     the device is next believed to have written.
  func walk(
    _ requests: [RecordedRequest], _ image: CrashImage, _ start: Moment, _ plan: InFlight.Plan,
    until limit: Int, lyingFlush: Int? = nil
  ) {
    var moment = start
    var inFlight = InFlight()
    for (index, request) in requests.enumerated() {
      if violations.count > limit && options.stopsAtViolation { return }
      switch request {
      case .mark(let text):
        if text == SequenceRun.begin { moment.begun += 1 } else { moment.returned += 1 }
      case .write(let write):
        inFlight.append(write)
        guard write.isDurable else { continue }
        if lyingFlush == nil || lyingFlush ?? 0 < index {
          explore(inFlight, image, &moment, plan, isLying: lyingFlush != nil)
          if lyingFlush != nil { return }
        }
        inFlight.remove(coveredBy: write)
        put(write, image)
      case .flush:
        if index == lyingFlush {
          guard isLog(inFlight) else { return }
          continue
        }
        let failed = index + 1 < requests.count && requests[index + 1] == .flushFailed
        if failed { continue }
        if lyingFlush == nil || lyingFlush ?? 0 < index {
          explore(inFlight, image, &moment, plan, isLying: lyingFlush != nil)
          if lyingFlush != nil { return }
        }
        inFlight.apply([UInt8](repeating: InFlight.whole, count: inFlight.units.count), to: image)
        image.makeBase()
        inFlight.removeAll()
      case .flushFailed, .discard, .event: continue
      }
    }
    if lyingFlush == nil { explore(inFlight, image, &moment, plan, isLying: false) }
  }

  private func poisonLog(_ image: CrashImage) {
    let poison = [UInt8](repeating: CrashBytes.poison, count: CrashModel.blockSize)
    for sectors in base.logSectors {
      put(
        RecordedWrite(
          offset: UInt64(sectors.lowerBound * CrashImage.sectorSize), bytes: poison,
          isDurable: true), image)
    }
  }

  /// Whether all of it goes to the journal's log: blocks there have checksums, so that a commit
  /// record without them is told from one with them. Elsewhere a flush that lies breaks any
  /// filesystem.
  private func isLog(_ inFlight: InFlight) -> Bool {
    !inFlight.units.isEmpty
      && inFlight.units.allSatisfy { base.isLog($0.sectors[0].number) }
  }

  private func put(_ write: RecordedWrite, _ image: CrashImage) {
    var one = InFlight()
    one.append(write)
    one.apply([UInt8](repeating: InFlight.whole, count: one.units.count), to: image)
    image.makeBase()
  }

  private func explore(
    _ inFlight: InFlight, _ image: CrashImage, _ moment: inout Moment, _ plan: InFlight.Plan,
    isLying: Bool
  ) {
    moment.number += 1
    moment.isLying = isLying
    if moment.depth == 0 && !isLying {
      count.mostInFlight = max(count.mostInFlight, inFlight.units.count)
      if inFlight.units.count <= plan.complete {
        count.completeMoments += 1
      } else {
        count.sampledMoments += 1
      }
    }
    let limit = violations.count
    var generator = random
    inFlight.forEachSubset(plan, &generator) { subset in
      if violations.count > limit && options.stopsAtViolation { return }
      inFlight.apply(subset, to: image)
      judge(image, moment) { Self.words(inFlight, subset) }
      image.reset()
    }
    random = generator
  }

  private static func words(_ inFlight: InFlight, _ subset: InFlight.Subset) -> String {
    let units = zip(inFlight.units, subset).map { unit, bits in
      let block = (unit.sectors.first?.number ?? 0) * CrashImage.sectorSize / CrashModel.blockSize
      return "\(block)" + (bits == 0 ? "-" : bits == InFlight.whole ? "+" : "/\(bits)")
    }
    return units.joined(separator: " ")
  }
}
