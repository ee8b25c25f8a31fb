import TestSupport

/// The verdicts alone, for thousands of images: what survives is not compared.
extension ImageJudge {
  /// What is not as it must be, a line each.
  public func judgeQuickly(_ bytes: [UInt8]) throws -> [String] {
    try System.write(bytes, to: ours)
    let judged = try e2fsck("-fn", ours)
    let check = try extant("-fn")
    var problems: [String] = []
    func say(_ what: String, _ run: ProgramResult) {
      let lines = run.output.split(separator: "\n").suffix(8)
      problems.append("\(what) gave \(run.status): \(lines.joined(separator: " / "))")
    }
    // e2fsck has no verdict where it does not end, or would repair something and exits with 0.
    let isUndecided = judged.status == 124 || judged.status == 0 && judged.output.contains("? no")
    if check.status > 63 || !isUndecided && (judged.status == 0) != (check.status == 0) {
      say("e2fsck -fn", judged)
      say("extant -fn", check)
    }
    let repair = try extant("-fy")
    if repair.status > 63 { say("extant -fy", repair) }
    let after = try e2fsck("-fn", ours)
    let isRefused = repair.status & 8 != 0
    if isRefused {
      // What e2fsck cannot repair either may be refused.
      try System.write(bytes, to: theirs)
      for _ in 1...2 { _ = try e2fsck("-fy", theirs) }
      if try e2fsck("-fn", theirs).status == 0 { say("e2fsck repairs it, extant -fy", repair) }
      return problems
    }
    if after.status != 0 {
      say("extant -fy", repair)
      say("then e2fsck -fn", after)
    }
    let repaired = try System.contents(ours)
    let second = try extant("-fy")
    if second.status != 0 { say("the second extant -fy", second) }
    if try System.contents(ours) != repaired { problems.append("the second -fy wrote something") }
    return problems
  }
}
