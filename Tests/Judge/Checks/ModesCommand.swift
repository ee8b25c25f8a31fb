import ArgumentParser
import CheckKit
import Foundation
import TestSupport

/// `judge checks modes`
struct ModesCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "modes",
    abstract: "Runs -n, -p and -fp on each defect and each corrupt image, next to e2fsck.")

  @OptionGroup var wanted: NameOption

  @Flag(name: .shortAndLong, help: "Also name those that agree.")
  var verbose = false

  @Flag(name: .shortAndLong, help: "Show what e2fsck says where they do not.")
  var explain = false

  @Option(help: "Keep images on which they differ in this folder.")
  var keep: String?

  func run() throws {
    let judge = try ImageJudge()
    var (count, differences, known) = (0, 0, 0)
    func compare(_ name: String, _ place: (String) throws -> Void) throws {
      for verdict in try judge.compareModes(in: ImageJudge.modes, place) {
        count += 1
        if !verdict.agrees { differences += 1 }
        let isKnown = (ModeDifference.known + ModeDifference.images).contains {
          $0.recipe == name && $0.modes.contains(verdict.mode)
        }
        if !verdict.agrees, isKnown { known += 1 }
        if let keep, !verdict.agrees { try place("\(keep)/\(name).img") }
        guard verbose || !verdict.agrees else { continue }
        let word = verdict.agrees ? "ok    " : isKnown ? "known " : "DIFFER"
        print(
          "\(word) \(name) \(verdict.mode): e2fsck \(verdict.e2fsck), extant \(verdict.extant) "
            + verdict.codes.sorted().joined(separator: " "))
        if explain, !verdict.agrees {
          for line in verdict.text.split(separator: "\n").prefix(12) { print("         \(line)") }
        }
      }
    }
    for recipe in Recipe.all where wanted.takes(recipe.name) {
      let planter = try Planter(try recipe.base.bytes())
      try recipe.plant(planter)
      try compare(recipe.name) { try System.write(planter.bytes, to: $0) }
    }
    if SharedImages.isThere {
      for entry in try SharedImages.entries() where wanted.takes(entry.name) {
        try compare(entry.name) { try SharedImages.unpack(entry, to: $0) }
      }
    }
    print("\(count) verdicts, \(differences) differ, \(known) of them as docs/FSCK.md says")
  }
}
