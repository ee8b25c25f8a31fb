import ArgumentParser
import CheckKit
import Foundation
import TestSupport

/// What holds the checker against planted defects, corrupt images, random damage and e2fsck.
struct ChecksCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "checks",
    abstract: "Holds extant fsck against planted defects and against e2fsck.",
    subcommands: [
      BasesCommand.self, RecipesCommand.self, ReportsCommand.self, SharedCommand.self,
      ModesCommand.self, DamageCommand.self, SweepCommand.self, RandomCommand.self,
      ReplayCommand.self,
      RepairCrashCommand.self, SeedsCommand.self, ImagesCommand.self,
    ])
}

/// `judge checks recipes`
struct RecipesCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "recipes", abstract: "Plants every defect, finds it, repairs it.")

  @OptionGroup var wanted: NameOption

  @Flag(name: .shortAndLong, help: "Also name those that went well.")
  var verbose = false

  func run() throws {
    let runner = try RecipeRunner()
    let recipes = Recipe.all.filter { wanted.takes($0.name) }
    var failures = 0
    for recipe in recipes {
      let problem: String?
      do { problem = try runner.run(recipe) } catch { problem = "\(error)" }
      if let problem {
        failures += 1
        print("FAILED \(recipe.name): \(problem)")
      } else if verbose {
        print("ok     \(recipe.name)")
      }
    }
    print("\(recipes.count) recipes, \(failures) failed")
    if failures > 0 { throw ExitCode(1) }
  }
}

/// `judge checks bases`
struct BasesCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "bases", abstract: "Checks the sound images: nothing may be found.")

  @Option(help: "Only the image of this name.")
  var only: String?

  func run() throws {
    let runner = try RecipeRunner()
    var failures = 0
    for (name, image) in BaseImage.named where only.map({ $0 == name }) ?? true {
      let problem: String?
      do { problem = try runner.runSound(image) } catch { problem = "\(error)" }
      failures += problem == nil ? 0 : 1
      print("\(problem == nil ? "ok    " : "FAILED") \(name)\(problem.map { ": " + $0 } ?? "")")
    }
    if failures > 0 { throw ExitCode(1) }
  }
}

/// `judge checks seeds`
struct SeedsCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "seeds", abstract: "Makes the fuzzer's seed images in Images/seeds again.")

  func run() throws { try FuzzSeed.pack() }
}

/// `judge checks reports`
struct ReportsCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "reports", abstract: "Writes what is said of each defect to Images/defects again.")

  func run() throws { try DefectReports.write { print($0) } }
}
