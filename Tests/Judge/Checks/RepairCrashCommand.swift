import ArgumentParser
import CheckKit
import TestSupport

/// `judge checks crash`
struct RepairCrashCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "crash",
    abstract: "Interrupts the writing of repairs at every write, and checks what is left.")

  @OptionGroup var wanted: NameOption

  @Option(help: "Only every so many of them.")
  var every = 1

  func run() throws {
    var failures = 0
    var states = 0
    let recipes = Recipe.all.filter { $0.outcome == .repaired && wanted.takes($0.name) }
    for (index, recipe) in recipes.enumerated() where index % max(every, 1) == 0 {
      do {
        let planter = try Planter(try recipe.base.bytes())
        try recipe.plant(planter)
        let result = try RepairCrash().run(planter.bytes)
        states += result.states
        let way = result.goesThroughJournal ? "journal" : "in place"
        if let problem = result.problem {
          failures += 1
          print("FAILED \(recipe.name) (\(way)): \(problem)")
        } else {
          print("ok     \(recipe.name) (\(way)): \(result.states) states")
        }
      } catch {
        failures += 1
        print("FAILED \(recipe.name): \(error)")
      }
    }
    print("\(states) states, \(failures) failures")
    if failures > 0 { throw ExitCode(1) }
  }
}
