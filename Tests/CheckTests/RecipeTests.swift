import CheckKit
import ExtantCheck
import Foundation
import TestSupport
import Testing

/// Every kind of issue, planted: found exactly, repaired, and clean by e2fsck then.
@Suite struct RecipeTests {
  @Test(.enabled(if: Environment.hasTools), arguments: Recipe.all.map(\.name))
  func everyRecipeIsFoundAndRepaired(_ name: String) throws {
    let recipe = try #require(Recipe.all.first { $0.name == name })
    let problem = try RecipeRunner().run(recipe)
    #expect(problem == nil)
  }

  /// `make defects` writes them again.
  @Test(.enabled(if: Environment.hasTools), arguments: Recipe.all.map(\.name))
  func theReportIsTheOneInImages(_ name: String) throws {
    let recipe = try #require(Recipe.all.first { $0.name == name })
    let expected = try #require(try DefectReports()[recipe])
    let lines = try RecipeRunner().lines(recipe)
    #expect(lines == expected)
  }

  @Test(.enabled(if: Environment.hasTools), arguments: BaseImage.named.map(\.name))
  func aSoundImageHasNoIssues(_ name: String) throws {
    let image = try #require(BaseImage.named.first { $0.name == name }?.image)
    let problem = try RecipeRunner().runSound(image)
    #expect(problem == nil)
  }

  @Test func namesAreDifferent() {
    #expect(Set(Recipe.all.map(\.name)).count == Recipe.all.count)
  }

  @Test func codesAreDifferent() {
    #expect(Set(IssueKind.all.map(\.code)).count == IssueKind.all.count)
  }
}
