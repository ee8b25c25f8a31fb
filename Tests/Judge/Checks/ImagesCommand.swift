import ArgumentParser
import CheckKit
import Foundation
import TestSupport

/// `judge checks images`
struct ImagesCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "images",
    abstract: "Writes whole images of a megabyte, sound and damaged, as inputs of the fuzzer.")

  @Argument(help: "The folder, which must exist.")
  var folder: String

  @Option(
    help: "So many times each sound image with a wrong field, and as often damaged at random.")
  var each: UInt64 = 8

  func run() throws {
    var count = 0
    func write(_ name: String, _ bytes: [UInt8]) throws {
      let file = name.map { $0.isLetter || $0.isNumber ? $0 : "-" }
      try System.write(bytes, to: "\(folder)/\(String(file)).img")
      count += 1
    }
    for (name, image) in FieldSweep.bases {
      guard let bytes = try? image.small.bytes() else { continue }
      try write(name, bytes)
      for seed in 0..<each {
        if let sweep = try FieldSweep(bytes, seed: seed) {
          try write("\(name)-field-\(seed)", sweep.bytes)
        }
        try write("\(name)-damage-\(seed)", try Damage(bytes, seed: seed).bytes)
      }
    }
    // Others need more groups, or a journal.
    let areas = ["inode.", "map.", "xattr.", "inline.", "directory.", "connection."]
    for recipe in Recipe.all where areas.contains(where: { recipe.name.hasPrefix($0) }) {
      guard let sound = try? recipe.base.small.bytes() else { continue }
      let planter = try Planter(sound)
      guard (try? recipe.plant(planter)) != nil, planter.bytes != sound else { continue }
      try write(recipe.name, planter.bytes)
    }
    print("\(count) images")
  }
}
