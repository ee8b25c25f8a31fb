import ExtantCheck
import TestSupport

/// What the checker says of each recipe, in words, as Images/defects keeps it: one file an area.
///
///     inode.bad-mode
///       inode 13 has no kind that there is (found 0x1a4).
public struct DefectReports: Sendable {
  private static var folder: String { Environment.packageRoot + "/Images/defects" }
  private var sections: [String: [String]] = [:]

  /// Those in Images/defects.
  public init() throws {
    let names = System.exists(Self.folder) ? try System.names(in: Self.folder) : []
    for name in names where name.suffix(7).elementsEqual(".report".utf8) {
      let path = Self.folder + "/" + String(decoding: name, as: UTF8.self)
      let text = String(decoding: try System.contents(path), as: UTF8.self)
      var recipe = ""
      for line in text.split(separator: "\n") {
        if line.hasPrefix("  ") {
          sections[recipe, default: []].append(String(line.dropFirst(2)))
        } else {
          recipe = String(line)
          sections[recipe] = []
        }
      }
    }
  }

  /// Nil where there is none.
  public subscript(_ recipe: Recipe) -> [String]? { sections[recipe.name] }

  /// Writes them all again.
  public static func write(_ progress: (String) -> Void) throws {
    let runner = try RecipeRunner()
    var areas: [String: String] = [:]
    for recipe in Recipe.all {
      let area = recipe.name.prefix { $0 != "." }
      do {
        let lines = try runner.lines(recipe)
        areas[String(area), default: ""] +=
          recipe.name + "\n" + lines.map { "  \($0)\n" }.joined()
      } catch {
        progress("\(recipe.name): \(error)")
      }
    }
    if !System.exists(folder) { try System.makeDirectory(folder) }
    for (area, text) in areas {
      try System.write(Array(text.utf8), to: "\(folder)/\(area).report")
    }
  }
}

extension RecipeRunner {
  /// Lines of a report that are kept; the rest are counted.
  private static var lineLimit: Int { 20 }

  /// What -n says of the planted image, a line an issue.
  public func lines(_ recipe: Recipe) throws -> [String] {
    let planter = try Planter(try recipe.base.bytes())
    try recipe.plant(planter)
    return Self.lines { try check(planter.bytes, .report).report }
  }

  static func lines(_ check: () throws -> CheckReport) -> [String] {
    do {
      let issues = try check().issues
      let lines = issues.prefix(lineLimit).map {
        IssueText.sentence($0) + ". [\($0.kind.code)]"
      }
      let rest = issues.count - lines.count
      return rest > 0 ? lines + ["... and \(rest) more"] : lines
    } catch {
      return ["refused: \(error)"]
    }
  }
}
