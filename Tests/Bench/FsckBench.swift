import ArgumentParser
import Foundation
import TestSupport

/// How long a check takes beside e2fsck's, of an image full of files.
struct FsckBench: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "fsck",
    abstract: "Times extant fsck -fn beside e2fsck -fn on an image full of files, in turn.")

  @Option(help: "How many files.")
  var files = 100_000

  @Option(help: "Pairs of runs.")
  var runs = 9

  @Option(help: "The program to time; the one beside this by default.")
  var program: String?

  @Option(help: "Where to make the image, and leave it; by default it is removed.")
  var keep: String?

  @Option(help: "An image to use instead of a new one.")
  var image: String?

  func run() throws {
    let folder = try TemporaryDirectory()
    let path = image ?? keep ?? folder("image")
    if image == nil { try PopulatedImage.make(at: path, files: files) }
    let extant = (program ?? Environment.products + "/extant")
    var ours: [Double] = []
    var theirs: [Double] = []
    // The first pair warms the cache.
    for pair in 0...runs {
      let a = try Self.seconds([extant, "fsck", "-fn", path])
      let b = try Self.seconds(["e2fsck", "-fn", path])
      guard pair > 0 else { continue }
      ours.append(a)
      theirs.append(b)
    }
    let ratios = zip(ours, theirs).map { $0 / $1 }
    print("\(files) files, \(runs) pairs, warm; milliseconds min/median/max")
    print("extant fsck -fn  \(Self.summary(ours.map { $0 * 1000 }, "%.0f"))")
    print("e2fsck -fn       \(Self.summary(theirs.map { $0 * 1000 }, "%.0f"))")
    print("ratio            \(Self.summary(ratios, "%.2f"))")
  }

  private static func seconds(_ command: [String]) throws -> Double {
    let start = DispatchTime.now().uptimeNanoseconds
    let result = try Program.run(command)
    let end = DispatchTime.now().uptimeNanoseconds
    guard result.status == 0 else {
      throw SystemFailure(5, "\(command.joined(separator: " ")): \(result.output)")
    }
    return Double(end - start) / 1e9
  }

  private static func summary(_ values: [Double], _ format: String) -> String {
    let sorted = values.sorted()
    return [sorted.first, sorted[sorted.count / 2], sorted.last]
      .compactMap { $0.map { String(format: format, $0) } }.joined(separator: " / ")
  }
}
