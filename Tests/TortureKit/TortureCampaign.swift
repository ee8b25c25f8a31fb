import TestSupport

/// Many rounds, each on fresh images, with seeds drawn from one.
public struct TortureCampaign {
  public enum Member: String, CaseIterable, Sendable {
    /// Our mount, through system calls and the public ioctls.
    case mount
    /// Our engine, in this process.
    case engine
    /// A second mount of the kernel's: what must always agree.
    case kernel
    /// One image in the hands of the kernel, our engine and, where it can be, our mount, in turns.
    case relay
  }

  public var seed: UInt64
  /// Operations over all rounds.
  public var count: Int
  public var roundLength = 2000
  public var blockSizes = [1024, 4096]
  /// Where in `profiles` the first round begins.
  public var firstProfile = 0
  public var members: [Member]
  /// Where `extant` is.
  public var program: String
  public var keepsGoing = false
  /// Told of each round that ended, and of operations as they begin.
  public var report: ((String) -> Void)?
  public var progress: ((Int, Operation) -> Void)?

  public init(seed: UInt64, count: Int, members: [Member], program: String) {
    self.seed = seed
    self.count = count
    self.members = members
    self.program = program
  }

  /// mke2fs's options, one for each round in turn.
  public static let profiles: [[String]] = [
    [],
    ["-O", "metadata_csum_seed,orphan_file"],
    ["-O", "^metadata_csum"],
    ["-O", "^64bit"],
    ["-O", "^64bit,^metadata_csum,uninit_bg"],
    ["-O", "^has_journal"],
    ["-I", "128"],
    ["-I", "1024"],
    ["-O", "^dir_index"],
    ["-O", "^flex_bg,^resize_inode"],
  ]

  /// The rounds in order; the same campaign has the same ones.
  public var rounds: [RoundConfiguration] {
    var random = SeededGenerator(seed: seed)
    var rounds: [RoundConfiguration] = []
    var left = count
    while left > 0 {
      let length = min(left, roundLength)
      let number = rounds.count
      rounds.append(
        RoundConfiguration(
          seed: random.next(), blockSize: blockSizes[number % blockSizes.count], count: length,
          options: Self.profiles[
            (firstProfile + number / blockSizes.count) % Self.profiles.count],
          remountEvery: members.contains(.relay) ? 60 : nil))
      left -= length
    }
    return rounds
  }

  /// - Returns: what failed, with the words that repeat it.
  public func run() throws -> [(RoundConfiguration, Disagreement)] {
    var failures: [(RoundConfiguration, Disagreement)] = []
    var done = 0
    for configuration in rounds {
      var round = Round(configuration, cast: cast)
      round.progress = progress
      let start = System.monotonicNanoseconds
      let disagreement = try round.run()
      done += configuration.count
      let seconds = Double(System.monotonicNanoseconds - start) / 1e9
      let rate = Int(Double(configuration.count) / max(seconds, 0.001))
      if let disagreement {
        failures.append((configuration, disagreement))
        report?(
          "round \(Seed.text(configuration.seed)) FAILED: \(Self.words(configuration, disagreement))"
        )
        if !keepsGoing { break }
      } else {
        report?(
          "\(done) of \(count) operations; \(configuration.blockSize) bytes, "
            + "mke2fs \(configuration.options.joined(separator: " ")): \(rate)/s, all agree")
      }
    }
    return failures
  }

  /// A failure, and how to see it again.
  public static func words(
    _ configuration: RoundConfiguration, _ disagreement: Disagreement
  ) -> String {
    let place = disagreement.index.map { "operation \($0): " } ?? ""
    let options = configuration.options.joined(separator: " ")
    return
      "\(place)\(disagreement.text)\n  again: judge torture --round \(Seed.text(configuration.seed)) "
      + "--ops \(configuration.count) --block-size \(configuration.blockSize)"
      + (options.isEmpty ? "" : " --mke2fs '\(options)'")
      + (configuration.indices.map { " --only " + $0.map(String.init).joined(separator: ",") } ?? "")
  }

  public var cast: Cast {
    let members = members
    let program = program
    return { configuration, directory in
      func image(_ name: String) throws -> Image {
        try Image.make(
          at: directory(name + ".img"), size: configuration.imageSize,
          blockSize: configuration.blockSize, options: configuration.options)
      }
      let judge = KernelDoor(image: try image("judge"), point: directory("judge"))
      var participants: [any Participant] = [try SyscallParticipant(judge)]
      for member in members {
        let image = try image(member.rawValue)
        let point = directory(member.rawValue)
        switch member {
        case .kernel:
          let door = KernelDoor(image: image, point: point, name: "second kernel")
          participants.append(try SyscallParticipant(door))
        case .mount:
          let door = FuseDoor(image: image, point: point, program: program)
          participants.append(try SyscallParticipant(door))
        case .relay:
          var runners: [RelayParticipant.Runner] = [
            { try SyscallParticipant(KernelDoor(image: $0, point: point)) },
            { try EngineParticipant($0) },
          ]
          if Environment.hasFuse && System.exists(program) {
            runners.append {
              try SyscallParticipant(FuseDoor(image: $0, point: point, program: program))
            }
          }
          participants.append(try RelayParticipant(image, runners))
        case .engine: participants.append(try EngineParticipant(image))
        }
      }
      return participants
    }
  }
}
