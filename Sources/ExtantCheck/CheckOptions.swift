import BlockIO
import ExtantBase

/// What a check may do, and whom it tells.
public struct CheckOptions: Sendable {
  public enum Mode: Sendable, Equatable {
    /// `-n`: find everything, change nothing.
    case report
    /// `-p`: repair unless anything is wrong that needs a decision.
    case preen
    /// `-y`: repair everything.
    case repair
    /// Ask for each issue.
    case ask
  }

  public var mode: Mode
  /// `-f`: check an image that says it is clean.
  public var isForced = false
  /// `-b`: the block of the superblock to use instead of the first.
  public var superblock: BlockAddress?
  /// `-B`: in bytes; goes with `superblock`.
  public var blockSize: Int?
  /// `-E journal_only`: replay the journal and do nothing else.
  public var journalOnly = false
  /// `-D`: write every directory anew, sorted and without gaps.
  public var rebuildsDirectories = false
  /// Replays journal and fast commits on the device given, in which all stays in memory; nil where
  /// nobody can. The checker itself knows nothing of fast commits.
  public var applyFastCommits: (@Sendable (OverlayDevice) throws(FileSystemError) -> Void)?
  /// The device of an external journal.
  public var journalPath: String?
  /// Seconds since 1970 for what the repair dates; nil for the clock.
  public var time: Int64?

  /// Waits as many seconds, to see whether another host uses the image (`mmp`); nil sleeps.
  public var pause: (@Sendable (_ seconds: Int) -> Void)?

  /// Whether pass 1 takes no short way for inodes in which nothing is odd; for tests that hold the short
  /// way against the long one.
  package var looksClosely = false

  /// Called with each issue that can be repaired, as it is found. With mode `ask` the answer decides on the repair; else
  /// it is not looked at.
  public var decide: (@Sendable (Issue) throws(FileSystemError) -> Bool)?
  /// Called with each issue that nothing is done about: there is nothing to decide.
  public var note: (@Sendable (Issue) throws(FileSystemError) -> Void)?
  /// Called now and then with the pass and how much of it is done, 0 to 1.
  public var progress: (@Sendable (_ pass: Int, _ done: Double) -> Void)?

  public init(_ mode: Mode) { self.mode = mode }
}
