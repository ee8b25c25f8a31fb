import TestSupport
import Testing
import TortureKit

/// The harness itself: two kernels agree, and a planted difference is caught and made small.
@Suite("The torture harness", .enabled(if: Environment.hasKernelMounts), .serialized)
struct HarnessTests {
  @Test("two mounts of the kernel's ext4 agree", arguments: [1024, 4096])
  func kernelsAgree(blockSize: Int) throws {
    let configuration = RoundConfiguration(seed: Seed.take(), blockSize: blockSize, count: 1500)
    let disagreement = try Round(configuration, cast: twoKernels { $0 }).run()
    #expect(disagreement == nil, "\(disagreement?.text ?? "")")
  }

  @Test("a participant that drops one byte of some writes is caught, and the round made small")
  func plantedDifferenceIsCaught() throws {
    let cast = twoKernels { Liar($0) }
    let configuration = RoundConfiguration(seed: 42, blockSize: 1024, count: 400)
    let found = try Round(configuration, cast: cast).run()
    #expect(found?.participant == "liar")
    let small = Shrink(configuration, cast: cast).run(trials: 60)
    #expect((small.indices?.count ?? .max) <= 20)
    #expect(try Round(small, cast: cast).run() != nil)
  }

  private func twoKernels(
    _ wrap: @escaping @Sendable (any Participant) -> any Participant
  ) -> Cast {
    { configuration, directory in
      var participants: [any Participant] = []
      for name in ["kernel", "second"] {
        let image = try Image.make(
          at: directory(name + ".img"), size: configuration.imageSize,
          blockSize: configuration.blockSize, options: configuration.options)
        let door = KernelDoor(image: image, point: directory(name), name: name)
        participants.append(try SyscallParticipant(door))
      }
      return [participants[0], wrap(participants[1])]
    }
  }
}

/// Writes one byte less than asked where the length divides by seven.
private final class Liar: Participant {
  let name = "liar"
  private let honest: any Participant

  init(_ honest: any Participant) { self.honest = honest }

  func perform(_ operation: Operation) -> Outcome {
    guard case .write(let file, let offset, let count, let fill) = operation, count % 7 == 0 else {
      return honest.perform(operation)
    }
    let outcome = honest.perform(.write(file, offset: offset, count: count - 1, fill: fill))
    if case .number(let number) = outcome.answer { return Outcome(.number(number + 1)) }
    return outcome
  }

  func tree() throws -> Tree { try honest.tree() }
  func remount() throws -> String? { try honest.remount() }
  func finish() throws -> String? { try honest.finish() }
}
