import ExtantCheck
import TestSupport

/// The modes that believe an image or decide by themselves, beside e2fsck's.
extension ImageJudge {
  /// `-n` believes what says it is clean, `-p` repairs what needs no decision, `-fp` does so unasked.
  public static let modes = ["-n", "-p", "-fp"]

  /// What both exit with for one image in one mode.
  public struct ModeVerdict: Sendable {
    public var mode: String
    public var e2fsck: Int
    public var extant: Int
    /// The codes of what we found.
    public var codes: Set<String>
    /// What e2fsck printed.
    public var text: String

    /// Whether both say the same: with -n whether the image is broken, with -p whether a person is needed.
    /// e2fsck tells a repair of what follows from others by 0 as well as by 1.
    public var agrees: Bool {
      mode == "-n" ? (e2fsck == 0) == (extant == 0) : (e2fsck & ~1 == 0) == (extant & ~1 == 0)
    }
  }

  /// Runs both on copies of the image in each mode.
  ///
  /// - Parameter place: writes the image to the path that it is given.
  public func compareModes(
    in modes: [String], _ place: (String) throws -> Void
  ) throws -> [ModeVerdict] {
    var verdicts: [ModeVerdict] = []
    for mode in modes {
      try place(theirs)
      let judged = try e2fsck(mode, theirs)
      try place(ours)
      let own = try extant(mode)
      verdicts.append(
        ModeVerdict(
          mode: mode, e2fsck: judged.status, extant: own.status, codes: Self.codes(own.output),
          text: judged.output))
    }
    return verdicts
  }

  /// The codes at the ends of a report's lines.
  private static func codes(_ output: String) -> Set<String> {
    let known = Set(IssueKind.all.map(\.code))
    let lines = output.split(separator: "\n").filter { $0.hasSuffix("]") }
    let words = lines.compactMap { $0.split(separator: "[").last?.dropLast() }
    return Set(words.map(String.init)).intersection(known)
  }
}
