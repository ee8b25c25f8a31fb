/// What came of a case on one filesystem.
public struct Transcript: Equatable, Sendable {
  public struct Entry: Equatable, Sendable {
    public var step: String
    /// The call's own answer: OK, a number, bytes, or an errno's name.
    public var answer: String
    /// What it changed, a line for each path.
    public var changes: [String]
  }

  public var entries: [Entry] = []
  /// The case's directory at the end.
  public var end: [String] = []

  /// How many single answers are in it.
  public var checks: Int { entries.count + entries.reduce(end.count) { $0 + $1.changes.count } }
}

/// One answer that two filesystems gave differently.
public struct Difference: Equatable, Sendable, CustomStringConvertible {
  /// The step, or "at the end".
  public var place: String
  public var judge: String
  public var candidate: String

  public var description: String {
    "    \(place)\n      kernel: \(judge)\n      extant: \(candidate)"
  }

  /// All of them, in the order of the steps.
  static func all(_ judge: Transcript, _ candidate: Transcript) -> [Difference] {
    var differences: [Difference] = []
    for (index, pair) in zip(judge.entries, candidate.entries).enumerated() {
      let (a, b) = pair
      let place = "step \(index + 1), \(a.step.prefix(200))"
      if a.answer != b.answer {
        differences.append(Difference(place: place, judge: a.answer, candidate: b.answer))
      }
      if a.changes != b.changes {
        differences.append(
          Difference(
            place: place + ": what changed", judge: joined(a.changes, without: b.changes),
            candidate: joined(b.changes, without: a.changes)))
      }
    }
    if judge.end != candidate.end {
      differences.append(
        Difference(
          place: "at the end", judge: joined(judge.end, without: candidate.end),
          candidate: joined(candidate.end, without: judge.end)))
    }
    return differences
  }

  private static func joined(_ lines: [String], without others: [String]) -> String {
    let own = lines.filter { !others.contains($0) }
    return own.isEmpty ? "nothing" : own.joined(separator: "; ")
  }
}
