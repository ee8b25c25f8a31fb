import TestSupport

/// What a round is made with; the same value makes the same round.
public struct RoundConfiguration: Sendable {
  public var seed: UInt64
  public var blockSize: Int
  /// How many operations the seed is drawn for.
  public var count: Int
  /// Which of them are done; nil for all.
  public var indices: [Int]?
  /// mke2fs's further options, as features taken away.
  public var options: [String]
  public var imageSize: String
  /// A remount after every so many operations, besides those that are drawn.
  public var remountEvery: Int?

  public init(
    seed: UInt64, blockSize: Int, count: Int, indices: [Int]? = nil, options: [String] = [],
    imageSize: String = "96M", remountEvery: Int? = nil
  ) {
    self.remountEvery = remountEvery
    self.seed = seed
    self.blockSize = blockSize
    self.count = count
    self.indices = indices
    self.options = options
    self.imageSize = imageSize
  }

  public var operations: [(index: Int, operation: Operation)] {
    var all = Generator.operations(seed: seed, blockSize: blockSize, count: count)
    if let remountEvery {
      for index in stride(from: remountEvery, to: count, by: remountEvery) { all[index] = .remount }
    }
    return (indices ?? Array(all.indices)).compactMap {
      all.indices.contains($0) ? ($0, all[$0]) : nil
    }
  }
}

/// Where a round's participants parted.
public struct Disagreement: Sendable {
  /// Of the operation; nil for what was found at the end.
  public var index: Int?
  public var participant: String
  public var text: String
}

/// Makes the participants of a round, the judge first, each on an image of its own in `directory`.
public typealias Cast =
  @Sendable (RoundConfiguration, TemporaryDirectory) throws -> [any Participant]

/// Does one list of operations side by side.
public struct Round {
  public let configuration: RoundConfiguration
  public let cast: Cast
  /// Told before each operation, so that a hang has a name.
  public var progress: ((Int, Operation) -> Void)?
  /// Told of each operation's outcome with the judge.
  public var observe: ((Int, Operation, Outcome) -> Void)?

  public init(_ configuration: RoundConfiguration, cast: @escaping Cast) {
    self.configuration = configuration
    self.cast = cast
  }

  /// - Returns: the first disagreement, nil where there is none.
  public func run() throws -> Disagreement? {
    let directory = try TemporaryDirectory()
    let participants = try cast(configuration, directory)
    guard let judge = participants.first else { return nil }
    let others = participants.dropFirst()
    for (index, operation) in configuration.operations {
      progress?(index, operation)
      if operation == .remount {
        if let failed = try remount(participants, index) { return failed }
        continue
      }
      let expected = judge.perform(operation)
      observe?(index, operation, expected)
      // From a full disk on, everything is up to the allocator.
      if expected.errno == 28 && operation.allocates { return try finish(participants) }
      for other in others {
        let outcome = other.perform(operation)
        guard outcome.agrees(with: expected) else {
          return Disagreement(
            index: index, participant: other.name,
            text: "\(operation): \(other.name) \(outcome), \(judge.name) \(expected)"
              + firstDifference(outcome, expected))
        }
      }
      if expected.errno == Outcome.failedWithTraces { return try finish(participants) }
    }
    return try compare(judge, Array(others)) ?? finish(participants)
  }

  private func remount(_ participants: [any Participant], _ index: Int) throws -> Disagreement? {
    for participant in participants {
      if let complaint = try participant.remount() {
        return Disagreement(index: index, participant: participant.name, text: complaint)
      }
    }
    return nil
  }

  private func compare(
    _ judge: any Participant, _ others: [any Participant]
  ) throws -> Disagreement? {
    let expected = try judge.tree()
    for other in others {
      let differences = try other.tree().differences(from: expected, other.name, judge.name)
      guard !differences.isEmpty else { continue }
      return Disagreement(
        participant: other.name,
        text: "at the end: " + differences.prefix(20).joined(separator: "\n"))
    }
    return nil
  }

  private func finish(_ participants: [any Participant]) throws -> Disagreement? {
    var first: Disagreement?
    for participant in participants {
      if let complaint = try participant.finish(), first == nil {
        first = Disagreement(participant: participant.name, text: complaint)
      }
    }
    return first
  }
}
