import ExtantBase
import ExtantCheck
import Synchronization

/// An issue, and what became of it.
struct Finding {
  enum Outcome {
    case planned
    /// Somebody was asked, and said no.
    case declined
    /// There is nothing to be done.
    case noted
  }

  var issue: Issue
  var outcome: Outcome
}

/// What a check has found so far: kept here so that it can be told of a check that fails, too.
final class Findings: Sendable {
  /// A broken image may have millions; the rest is counted.
  static let limit = 10_000

  private let kept = Mutex<(list: [Finding], counts: [Severity: Int])>(([], [:]))

  func add(_ issue: Issue, _ outcome: Finding.Outcome) {
    kept.withLock {
      $0.counts[issue.kind.entry.severity, default: 0] += 1
      if $0.list.count < Self.limit { $0.list.append(Finding(issue: issue, outcome: outcome)) }
    }
  }

  /// Adds to each finding the path of its inode, where that is known by now.
  func addPaths(_ paths: [InodeNumber: [UInt8]]) {
    kept.withLock { kept in
      for index in kept.list.indices {
        guard let inode = kept.list[index].issue.place.inode, let path = paths[inode],
          kept.list[index].issue.place.path == nil
        else { continue }
        kept.list[index].issue.place.path = path
      }
    }
  }

  var list: [Finding] { kept.withLock { $0.list } }
  var counts: [Severity: Int] { kept.withLock { $0.counts } }
  var total: Int { counts.values.reduce(0, +) }
  var isBroken: Bool { counts.contains { $0.key > .notice } }

  /// "3 major, 1 minor"; nil where there is nothing.
  var summary: String? {
    let counts = counts
    let parts = Severity.allCases.sorted(by: >).compactMap { severity in
      counts[severity].map { "\($0) \(severity.rawValue)" }
    }
    return parts.isEmpty ? nil : parts.joined(separator: ", ")
  }
}
