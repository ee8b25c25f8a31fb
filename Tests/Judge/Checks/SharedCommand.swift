import ArgumentParser
import CheckKit
import TestSupport

/// `judge checks shared`
struct SharedCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "shared",
    abstract: "Checks and repairs the corrupt images beside the repository, next to e2fsck.")

  @OptionGroup var wanted: NameOption

  @Flag(help: "Write docs/FSCK-IMAGES.md.")
  var table = false

  @Flag(name: .shortAndLong, help: "Also name those that went well.")
  var verbose = false

  func run() throws {
    guard SharedImages.isThere else {
      print("\(SharedImages.folderName) is not there: nothing to do")
      return
    }
    let judge = try ImageJudge()
    var rows: [(name: String, judgement: ImageJudge.Judgement)] = []
    var failures = 0
    for entry in try SharedImages.entries() where wanted.takes(entry.name) {
      let judgement = try judge.judge(entry)
      rows.append((entry.name, judgement))
      if judgement.problems.isEmpty {
        if verbose { print("ok     \(entry.name)") }
        continue
      }
      failures += 1
      for problem in judgement.problems { print("FAILED \(entry.name): \(problem)") }
    }
    print("\(rows.count) images, \(failures) failed")
    if table, wanted.only == nil {
      try System.write(Array(SharedTable.text(rows).utf8), to: SharedTable.path)
    }
    if failures > 0, !table { throw ExitCode(1) }
  }
}
