import TestSupport

/// Holds `extant fsck`, as a program, beside e2fsck on a broken image.
public struct ImageJudge {
  /// What both made of one image. Exit codes; 256 and more: ended by a signal.
  public struct Judgement: Sendable {
    public var e2fsck: SharedImages.Verdict
    /// Whether e2fsck -fn would have repaired something, which it may forget in its status.
    public var hasAsked = false
    /// Whether e2fsck has no verdict: it did not end, or would repair something and exits with 0.
    public var isUndecided: Bool { e2fsck.check == 124 || e2fsck.check == 0 && hasAsked }
    /// Whether both call the image broken or neither does, where e2fsck has a verdict.
    public var agrees: Bool { isUndecided || (e2fsck.check == 0) == (check == 0) }
    /// Of -fn, -fy, and -fy once more.
    public var check = 0
    public var repair = 0
    public var second = 0
    /// Of e2fsck -fn after our repair.
    public var after = 0
    public var changedBySecond = false
    /// Files that can be read after e2fsck's repair, and those of them that ours has lost; nil where
    /// the kernel could not be asked.
    public var survivors: Int?
    public var lost: [String] = []
    /// How the tree after our repair differs from that after e2fsck's; nil where there are not both.
    public var trees: TreeComparison?
    /// What is not as it must be, a line each.
    public var problems: [String] = []
  }

  private let folder: TemporaryDirectory
  private let program = Environment.products + "/extant"
  /// In seconds, for one run of either program. 124 is the status of what took longer.
  private let limit = "30"

  public init() throws {
    folder = try TemporaryDirectory()
    guard System.exists(program) else { throw SystemFailure(2, "\(program): build it first") }
  }

  var ours: String { folder("ours.img") }
  var theirs: String { folder("theirs.img") }

  /// Judges one of the shared images.
  public func judge(_ entry: SharedImages.Entry) throws -> Judgement {
    try SharedImages.unpack(entry, to: ours)
    let hasAsked =
      try entry.verdict.check == 0 && e2fsck("-fn", ours).output.contains("? no")
    return try judge(entry.verdict, hasAsked: hasAsked)
  }

  /// Judges an image that e2fsck has not seen yet.
  ///
  /// - Parameter original: what could be read before it was damaged.
  public func judge(_ bytes: [UInt8], original: Survivors?) throws -> Judgement {
    try System.write(bytes, to: ours)
    let check = try e2fsck("-fn", ours)
    return try judge(
      SharedImages.Verdict(check: check.status, repair: -1, after: -1), original,
      hasAsked: check.output.contains("? no"))
  }

  /// What can be read in a sound image; nil where the kernel cannot be asked.
  public func survivors(_ bytes: [UInt8]) throws -> Survivors? {
    guard Environment.hasKernelMounts else { return nil }
    try System.write(bytes, to: theirs)
    return try Survivors(ofImage: theirs, folder)
  }

  /// The image is at `ours`.
  ///
  /// - Parameter hasAsked: whether e2fsck -fn would have repaired something. Of a resize inode that is
  ///   wrong it forgets that in its status.
  private func judge(
    _ verdict: SharedImages.Verdict, _ original: Survivors? = nil, hasAsked: Bool = false
  ) throws -> Judgement {
    try copy(ours, to: theirs)
    var result = Judgement(e2fsck: verdict)
    result.hasAsked = hasAsked
    let before = try System.contents(ours)
    let check = try extant("-fn")
    result.check = check.status
    if try System.contents(ours) != before { result.problems.append("-fn changed the image") }
    let repair = try extant("-fy")
    result.repair = repair.status
    let after = try e2fsck("-fn", ours)
    result.after = after.status
    let repaired = try System.contents(ours)
    let second = try extant("-fy")
    result.second = second.status
    result.changedBySecond = try System.contents(ours) != repaired
    let found = result.after == 0 ? try survivorsOfOurs() : nil
    if let found, let original, found.missing(of: original, original: original).isEmpty {
      // Everything is here: what e2fsck would have left of it need not be known.
      result.survivors = original.count
      weigh(check, repair, after, second, &result)
      return result
    }
    if result.e2fsck.after < 0 {
      // Some things it repairs in a second run only.
      result.e2fsck.repair = try e2fsck("-fy", theirs).status
      _ = try e2fsck("-fy", theirs)
      result.e2fsck.after = try e2fsck("-fn", theirs).status
    } else {
      for _ in 1...2 { _ = try e2fsck("-fy", theirs) }
    }
    weigh(check, repair, after, second, &result)
    if Environment.hasKernelMounts, result.after == 0, result.e2fsck.after == 0 {
      try compareFiles(found, original, &result)
    }
    return result
  }

  private func survivorsOfOurs() throws -> Survivors? {
    guard Environment.hasKernelMounts else { return nil }
    return try Survivors(ofImage: ours, folder)
  }

  private func weigh(
    _ check: ProgramResult, _ repair: ProgramResult, _ after: ProgramResult,
    _ second: ProgramResult, _ result: inout Judgement
  ) {
    for (name, run) in [("-fn", check), ("-fy", repair), ("second -fy", second)]
    where run.status > 63 {
      result.problems.append(
        "\(name) ended with \(run.status): \(Self.end(of: run.output))")
      if run.status != 124 { return }
    }
    let verdict = result.e2fsck
    if !result.agrees {
      result.problems.append(
        "-fn gave \(check.status), e2fsck -fn \(verdict.check): \(Self.end(of: check.output))")
    }
    // What e2fsck cannot repair may be refused.
    if verdict.after > 0, repair.status & 8 != 0 { return }
    if after.status != 0 {
      result.problems.append(
        "after -fy (\(repair.status)) e2fsck -fn gave \(after.status): "
          + Self.end(of: after.output) + " | ours: " + Self.end(of: repair.output))
    }
    if second.status != 0 || result.changedBySecond {
      result.problems.append(
        "the second -fy gave \(second.status)"
          + (result.changedBySecond ? " and changed something: " : ": ")
          + Self.end(of: second.output))
    }
  }

  private func compareFiles(
    _ found: Survivors?, _ original: Survivors?, _ result: inout Judgement
  ) throws {
    guard let expected = try Survivors(ofImage: theirs, folder) else { return }
    guard let found else {
      result.problems.append("the kernel does not mount what we repaired")
      return
    }
    result.survivors = expected.count
    result.lost = found.missing(of: expected, original: original)
    result.trees = TreeComparison(found, expected)
    if !result.lost.isEmpty {
      result.problems.append(
        "lost \(result.lost.count) of \(expected.count) files: "
          + result.lost.prefix(10).joined(separator: " "))
    }
  }

  private func copy(_ from: String, to: String) throws {
    try Program.succeed(["cp", "--sparse=always", from, to])
  }

  func e2fsck(_ mode: String, _ image: String) throws -> ProgramResult {
    try Program.run(["timeout", "-s", "KILL", limit, "e2fsck", mode, image]).unkilled
  }

  func extant(_ mode: String) throws -> ProgramResult {
    try Program.run(["timeout", "-s", "KILL", limit, program, "fsck", mode, ours]).unkilled
  }

  /// The last lines, as one.
  private static func end(of output: String) -> String {
    output.split(separator: "\n").suffix(12).joined(separator: " / ")
  }
}

extension ProgramResult {
  /// With 124 for what timeout(1) had to kill.
  fileprivate var unkilled: ProgramResult {
    var copy = self
    if copy.status == 137 || copy.status == 256 + 9 { copy.status = 124 }
    return copy
  }
}
