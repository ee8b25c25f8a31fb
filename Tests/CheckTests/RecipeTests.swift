import CheckKit
import ExtantCheck
import Foundation
import TestSupport
import Testing

/// Every kind of issue, planted: found exactly, repaired, and clean by e2fsck then.
@Suite struct RecipeTests {
  /// And what is said of it is what Images/defects has: `make defects` writes that again.
  @Test(.enabled(if: Environment.hasTools), arguments: Recipe.all.map(\.name))
  func everyRecipeIsFoundAndRepaired(_ name: String) throws {
    let recipe = try #require(Recipe.all.first { $0.name == name })
    let lines = try #require(Self.reports[recipe])
    let problem = try RecipeRunner().run(recipe, expecting: lines)
    #expect(problem == nil)
  }

  private static let reports: DefectReports = {
    do { return try DefectReports() } catch { fatalError("Images/defects: \(error)") }
  }()

  @Test(.enabled(if: Environment.hasTools), arguments: BaseImage.named.map(\.name))
  func aSoundImageHasNoIssues(_ name: String) throws {
    let image = try #require(BaseImage.named.first { $0.name == name }?.image)
    let problem = try RecipeRunner().runSound(image)
    #expect(problem == nil)
  }

  /// What breaks an image to us and not to e2fsck -fn stands in docs/FSCK.md.
  @Test func whereE2fsckSaysOtherwiseIsDocumented() throws {
    let document = String(
      decoding: try System.contents(Environment.packageRoot + "/docs/FSCK.md"), as: UTF8.self)
    for recipe in Recipe.all {
      guard case .clean = recipe.e2fsck else { continue }
      for kind in recipe.expects where kind.entry.severity > .notice {
        #expect(document.contains("`\(kind.code)`"), "\(recipe.name)")
      }
    }
  }

  @Test func namesAreDifferent() {
    #expect(Set(Recipe.all.map(\.name)).count == Recipe.all.count)
  }

  @Test func codesAreDifferent() {
    #expect(Set(IssueKind.all.map(\.code)).count == IssueKind.all.count)
  }
}
