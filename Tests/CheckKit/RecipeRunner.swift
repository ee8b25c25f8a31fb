import BlockIO
import Extant
import ExtantBase
import ExtantCheck
import TestSupport

/// Follows a recipe and holds the checker against it, and e2fsck against both.
public struct RecipeRunner {
  private let folder: TemporaryDirectory

  public init() throws { folder = try TemporaryDirectory() }

  /// What went wrong; nil where all is as the recipe says, and as `lines` where they are given.
  public func run(_ recipe: Recipe, expecting lines: [String]? = nil) throws -> String? {
    let base = try recipe.base.bytes()
    let planter = try Planter(base)
    try recipe.plant(planter)
    let planted = planter.bytes
    guard planted != base else { return "the recipe plants nothing" }
    let image = folder("image")
    defer { try? System.unlink(image) }
    try System.write(planted, to: image)

    let said = Self.lines { try check(planted, .report).report }
    if let lines, lines != said {
      return "Images/defects says\n\(lines.joined(separator: "\n"))\nbut found was\n"
        + said.joined(separator: "\n")
    }
    let judged = try Program.run(["e2fsck", "-fn", image])
    switch recipe.e2fsck {
    case .broken:
      // 4: left uncorrected; 8: could not go on, with 4.
      guard judged.status & 4 != 0 else {
        return "e2fsck -fn gave \(judged.status): \(judged.output)"
      }
    case .clean:
      guard judged.status == 0 else {
        return "e2fsck -fn gave \(judged.status) and should find nothing: \(judged.output)"
      }
    case .refuses:
      guard judged.status & ~4 == 8 else {
        return "e2fsck -fn gave \(judged.status) and should give up: \(judged.output)"
      }
    }

    let report: CheckReport
    do {
      report = try check(planted, .report).report
    } catch {
      guard case .refused(let words) = recipe.outcome, "\(error)".contains(words) else {
        return "the check failed: \(error)"
      }
      return nil
    }
    if case .refused = recipe.outcome {
      return "it should have been refused; found: \(Self.text(report))"
    }
    let kinds = Set(report.issues.map(\.kind))
    guard kinds == recipe.expects else {
      let missing = recipe.expects.subtracting(kinds).map(\.code).sorted()
      let extra = kinds.subtracting(recipe.expects).map(\.code).sorted()
      return "missing \(missing), unexpected \(extra); found: \(Self.text(report))"
        + "\ne2fsck: \(judged.output)"
    }

    let (fixed, repaired) = try check(planted, .repair)
    guard fixed.leftCount == 0 else { return "issues are left: \(Self.text(fixed))" }
    try System.write(repaired, to: image)
    let after = try Program.run(["e2fsck", "-fn", image])
    guard after.status == 0 else {
      return
        "after the repair of \(Self.text(fixed))\ne2fsck -fn gave \(after.status): \(after.output)"
    }
    let (second, twice) = try check(repaired, .repair)
    guard second.issues.isEmpty else { return "the second check found \(Self.text(second))" }
    guard twice == repaired else { return "the second check changed something" }
    return try holdsOn(to: planted) ? "memory is held after the check" : nil
  }

  /// What the checker finds in a sound image; nil where it is nothing.
  public func runSound(_ base: BaseImage) throws -> String? {
    let bytes = try base.bytes()
    let (report, repaired) = try check(bytes, .repair)
    guard report.issues.isEmpty else { return "found in a sound image: \(Self.text(report))" }
    return repaired == bytes ? nil : "a sound image was changed"
  }

  /// Checks an image in memory: what was found, and the image with its repairs.
  public func check(
    _ bytes: [UInt8], _ mode: CheckOptions.Mode
  ) throws -> (report: CheckReport, repaired: [UInt8]) {
    let report = try Checker.check(try ImageBytes.device(bytes), Self.options(mode))
    return (report, try report.repaired.map { try ImageBytes.contents($0) } ?? bytes)
  }

  private static func options(_ mode: CheckOptions.Mode) -> CheckOptions {
    var options = CheckOptions(mode)
    options.isForced = true
    options.time = BaseImage.time + 100
    // Nobody else has the image.
    options.pause = { _ in }
    options.applyFastCommits = { (device) throws(FileSystemError) in
      try FileSystem.applyFastCommits(on: device)
    }
    return options
  }

  /// Whether anything has the image, and so what was found of it, when nobody has the report any more.
  private func holdsOn(to bytes: [UInt8]) throws -> Bool {
    weak var held: MemoryDevice?
    func check() throws {
      let device = try ImageBytes.device(bytes)
      held = device
      _ = try Checker.check(device, Self.options(.repair))
    }
    try check()
    return held != nil
  }

  /// One line an issue.
  public static func text(_ report: CheckReport) -> String {
    report.issues.isEmpty
      ? "nothing"
      : report.issues.prefix(40).map {
        "\n    \($0.kind.code) \($0.place) \($0.found.map { "\($0)" } ?? "")"
      }
      .joined()
  }
}
