/// How bad a kind of issue is.
public enum Severity: String, Sendable, CaseIterable, Comparable {
  /// Worth knowing; the image is sound. It does not change the exit code by itself.
  case notice
  /// Bookkeeping that follows from the rest: counts, bitmaps, checksums, copies.
  case minor
  /// A structure is damaged; names, data or attributes may be lost.
  case major
  /// Nothing can be made of the image.
  case fatal

  public static func < (a: Self, b: Self) -> Bool { a.rank < b.rank }
  private var rank: Int {
    switch self {
    case .notice: 0
    case .minor: 1
    case .major: 2
    case .fatal: 3
    }
  }
}

/// What the catalogue says of a kind of issue.
public struct IssueEntry: Sendable, Equatable {
  public var severity: Severity
  /// What is wrong, as the end of a sentence that starts with the place: "has a wrong checksum".
  public var summary: String
  /// What the repair does, as an order: "Clear the inode".
  public var repair: String
  /// Whether `-p` may repair it unasked: nothing a user had can get lost.
  public var isSafe: Bool

  public init(_ severity: Severity, _ summary: String, repair: String, isSafe: Bool = false) {
    self.severity = severity
    self.summary = summary
    self.repair = repair
    self.isSafe = isSafe
  }
}

/// The kinds of issue of one area: an enum with one case for each.
///
/// A raw value is the second half of the code that users and scripts see, in words with hyphens;
/// once published it stays.
public protocol IssueArea: RawRepresentable<String>, CaseIterable, Hashable, Sendable {
  var entry: IssueEntry { get }
}
