/// One call by one actor.
public struct Step: Equatable, Sendable, CustomStringConvertible {
  public var actor: Actor
  public var call: Call

  public init(_ actor: Actor, _ call: Call) {
    self.actor = actor
    self.call = call
  }

  public static func root(_ call: Call) -> Step { Step(.root, call) }
  public static func owner(_ call: Call) -> Step { Step(.owner, call) }
  public static func member(_ call: Call) -> Step { Step(.member, call) }
  public static func other(_ call: Call) -> Step { Step(.other, call) }
  public static func guest(_ call: Call) -> Step { Step(.guest, call) }

  public var description: String { "\(actor): \(call)" }
}

/// The filesystem that a case is asked on.
public enum Stage: String, CaseIterable, Sendable {
  /// 4 KiB blocks, room for all.
  case ordinary
  /// 1 KiB blocks, inodes of 256 bytes.
  case smallBlocks
  /// 32 MiB, to be filled; 4 KiB blocks.
  case full
  /// The same, with 1 KiB blocks.
  case fullSmallBlocks
  /// The same without a journal.
  case fullWithoutJournal

  var size: String {
    switch self {
    case .ordinary, .smallBlocks: "512M"
    default: "32M"
    }
  }

  var blockSize: Int { self == .smallBlocks || self == .fullSmallBlocks ? 1024 : 4096 }

  var options: [String] {
    switch self {
    case .ordinary, .smallBlocks: ["-N", "140000"]
    case .full, .fullSmallBlocks: ["-N", "2048"]
    case .fullWithoutJournal: ["-N", "2048", "-O", "^has_journal"]
    }
  }
}

/// A short script, and what of the outcome is looked at.
public struct Case: Sendable {
  public struct Traits: OptionSet, Sendable {
    public var rawValue: Int
    public init(rawValue: Int) { self.rawValue = rawValue }
    /// Access times are compared, too: before each step the clock moves on.
    public static let accessTimes = Self(rawValue: 1)
    /// At the end: what SEEK_DATA and st_blocks say of the files, after fsync.
    public static let maps = Self(rawValue: 2)
    /// Takes seconds: not in the short run of `make test`.
    public static let slow = Self(rawValue: 4)
  }

  /// "area/what/which"; no two cases have the same.
  public var name: String
  public var traits: Traits
  public var stage: Stage
  public var steps: [Step]

  public init(
    _ name: String, _ traits: Traits, on stage: Stage = .ordinary, _ steps: [Step]
  ) {
    self.name = name
    self.traits = traits
    self.stage = stage
    self.steps = steps
  }

  public init(_ name: String, on stage: Stage = .ordinary, _ steps: [Step]) {
    self.init(name, [], on: stage, steps)
  }

  public var area: String { String(name.prefix { $0 != "/" }) }
}
