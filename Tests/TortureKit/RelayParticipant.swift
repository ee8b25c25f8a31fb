import TestSupport

/// One image that goes from hand to hand: at each remount another one opens it and goes on.
/// So each reads what the others wrote.
public final class RelayParticipant: Participant {
  public typealias Runner = (Image) throws -> any Participant

  public let name = "relay"
  private let image: Image
  private let runners: [Runner]
  private var turn = 0
  private var current: any Participant

  public init(_ image: Image, _ runners: [Runner]) throws {
    self.image = image
    self.runners = runners
    current = try runners[0](image)
  }

  public func perform(_ operation: Operation) -> Outcome {
    var outcome = current.perform(operation)
    // How many nodes a tree keeps depends on everybody who had it.
    if case .map(var map) = outcome.answer {
      map.overhead = 0
      outcome.answer = .map(map)
    }
    return outcome
  }

  public func tree() throws -> Tree { try current.tree() }

  /// The next runner must see the tree that the last one left.
  public func remount() throws -> String? {
    let before = try current.tree()
    let from = current.name
    if let complaint = try current.finish() { return "after \(from): \(complaint)" }
    turn = (turn + 1) % runners.count
    current = try runners[turn](image)
    let differences = try current.tree().differences(from: before, current.name, from)
    guard differences.isEmpty else {
      return "what \(from) left is not what \(current.name) sees: "
        + differences.prefix(20).joined(separator: "\n")
    }
    return nil
  }

  public func finish() throws -> String? { try current.finish() }
}
