import CheckKit
import ExtantCheck
import TestSupport
import Testing

/// -n calls broken what e2fsck -n does, and -p asks for a person where e2fsck -p does, but for what
/// docs/FSCK.md says.
@Suite(
  .enabled(if: Environment.hasTools && System.exists(Environment.products + "/extant")))
struct ModesTests {
  /// Of the recipes that have no difference, one in so many is judged here; `judge checks modes` judges all.
  private static let stride = 12

  static let sample: [String] = {
    let different = Set(ModeDifference.known.map(\.recipe))
    let names = Recipe.all.map(\.name).filter { !different.contains($0) }
    return Swift.stride(from: 5, to: names.count, by: stride).map { names[$0] }
  }()

  private func differences(_ name: String) throws -> Set<String> {
    let recipe = try #require(Recipe.all.first { $0.name == name })
    let planter = try Planter(try recipe.base.bytes())
    try recipe.plant(planter)
    let judge = try ImageJudge()
    let verdicts = try judge.compareModes(in: ImageJudge.modes) {
      try System.write(planter.bytes, to: $0)
    }
    return Set(verdicts.filter { !$0.agrees }.map(\.mode))
  }

  @Test(arguments: ModeDifference.known.map(\.recipe))
  func eachKnownDifferenceIsOne(_ name: String) throws {
    let known = try #require(ModeDifference.known.first { $0.recipe == name })
    #expect(try differences(name) == known.modes)
  }

  @Test(arguments: sample)
  func thereIsNoOther(_ name: String) throws {
    #expect(try differences(name) == [])
  }

  /// The codes in the tables of docs/FSCK.md on -n and on -p are those of the known differences.
  @Test(arguments: [
    ("\nWithout `-f`, `-n` looks", "\n`-p` asks for a person", ModeDifference.believed),
    (
      "\n`-p` asks for a person, with 4, where e2fsck", "\nWhere e2fsck gives up",
      ModeDifference.deciding.map(\.recipe)
    ),
  ])
  func theDocumentHasThemAll(_ first: String, _ last: String, _ recipes: [String]) throws {
    let document = String(
      decoding: try System.contents(Environment.packageRoot + "/docs/FSCK.md"), as: UTF8.self)
    let start = try #require(document.range(of: first))
    let end = try #require(document.range(of: last))
    let rows = document[start.upperBound..<end.lowerBound].split(separator: "\n")
      .filter { $0.hasPrefix("| ") }
    let codes = Set(IssueKind.all.map(\.code))
    let firstCells = rows.compactMap { $0.split(separator: "|").first }
    let words = firstCells.flatMap { $0.split(separator: "`").map(String.init) }
    let known = ModeDifference.known.filter { recipes.contains($0.recipe) }
    #expect(known.count == Set(recipes).count && known.allSatisfy { $0.code != nil })
    #expect(Set(words).intersection(codes) == Set(known.compactMap(\.code)))
  }
}
