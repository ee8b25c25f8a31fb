import ArgumentParser
import CheckKit
import TestSupport

/// `judge checks damage`
struct DamageCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "damage",
    abstract: "Damages sound images at random, and repairs them, next to e2fsck.")

  @OptionGroup var seed: SeedOption

  @Option(help: "How many images.")
  var count = 100

  @Option(help: "Only this base image.")
  var base: String?

  @Option(help: "Keep images that fail in this folder.")
  var keep: String?

  func run() throws {
    let judge = try ImageJudge()
    let first = seed.taken(by: "checks damage")
    let bases = BaseImage.named.filter { named in base.map { $0 == named.name } ?? true }
    guard !bases.isEmpty else { throw ValidationError("--base: there is no such image") }
    var originals: [String: Survivors] = [:]
    var failures = 0
    for index in 0..<UInt64(clamping: count) {
      let seed = first &+ index
      // One seed is one image, whatever the others are.
      let (name, image) = bases[Int(seed % UInt64(bases.count))]
      let sound = try image.bytes()
      if originals[name] == nil { originals[name] = try judge.survivors(sound) }
      let damage = try Damage(sound, seed: seed)
      let judgement = try judge.judge(damage.bytes, original: originals[name])
      if index % 100 == 99 { say("\(index + 1) images") }
      guard !judgement.problems.isEmpty else { continue }
      failures += 1
      say("FAILED \(name), seed \(Seed.text(seed)): \(damage.done.joined(separator: "; "))")
      for problem in judgement.problems { say("    \(problem)") }
      if let keep { try System.write(damage.bytes, to: "\(keep)/\(name)-\(Seed.text(seed)).img") }
    }
    say("\(count) images, \(failures) failed")
    if failures > 0 { throw ExitCode(1) }
  }
}
