import PosixKit
import TestSupport
import Testing

/// The short run of `make posix`, and the proof that its comparison sees what is wrong.
@Suite("POSIX, call by call", .enabled(if: Environment.hasKernelMounts), .serialized)
struct PosixTests {
  static let program = Environment.products + "/extant"

  @Test("no two cases have one name")
  func names() {
    let names = Case.all.map(\.name)
    #expect(Set(names).count == names.count)
    #expect(Self.onceDifferent.subtracting(names) == [])
  }

  @Test(
    "our mount answers as the kernel's ext4 does",
    .enabled(if: Environment.hasFuse && System.exists(program)))
  func mount() throws {
    let report = try Suite(
      Self.sample(of: Set(Case.all.map(\.area)), Self.onceDifferent),
      candidate: .extant(Self.program)
    ).run()
    for result in report.failures { Issue.record("\(Suite.Report.words(result))") }
    #expect(report.complaints == [])
  }

  @Test("two mounts of the kernel's ext4 answer alike")
  func kernelsAgree() throws {
    let report = try Suite(
      Self.sample(of: ["names", "rename", "modes", "times", "privileges", "flags", "open"]),
      candidate: .kernel("second")
    ).run()
    for result in report.results where !result.differences.isEmpty {
      Issue.record("\(Suite.Report.words(result))")
    }
    #expect(report.complaints == [])
  }

  /// Where all participants have lost the same rights, they agree.
  @Test("actors have their rights, and root its own again after each", arguments: Actor.allCases)
  func actors(_ actor: Actor) throws {
    let test = Case(
      "actors/\(actor)",
      [
        Step(actor, .create("a")), .root(.lstat("a")), .root(.chown("a", 6002, 6003)),
        .root(.chmod("a", 0o6755)), .root(.mknod("d", .character | 0o600, 1, 3)),
        .root(.setInodeFlags("a", [.immutable, .extents])), .root(.unlink("a")),
        Step(actor, .chown("d", 0, 7)), .root(.create("b")),
      ])
    let report = try Suite([test], candidate: .kernel("second")).run()
    let entries = try #require(report.results.first).judge.entries
    #expect(
      entries.map(\.answer) == [
        "OK", "0100644 links 1", "OK", "OK", "OK", "OK", "EPERM", actor == .root ? "OK" : "EPERM",
        "OK",
      ])
    #expect(
      entries.first?.changes == ["+a file 0644 \(actor.uid):\(actor.gid) links 1 size 0 #1"])
  }

  @Test("an ext4 that is mounted or made otherwise is told apart", arguments: Canary.all)
  func canary(_ canary: Canary) throws {
    let cases = Case.all.filter { $0.name.hasPrefix(canary.cases) }
    let report = try Suite(
      cases, candidate: .kernel("canary", options: canary.options, make: canary.make)
    ).run()
    #expect(report.results.contains { !$0.differences.isEmpty }, "\(canary)")
  }

  /// The smallest cases in which our mount once answered otherwise.
  static let onceDifferent: Set<String> = [
    // chown(2) of -1 twice: set-user-ID, and who may do it.
    "modes/chown/file 06755 by root", "modes/chown/file 04700 by member",
    "modes/chown/fifo 02644 by other", "privileges/chown of nothing/06711 by root",
    // What is refused first, and what was changed by then.
    "flags/set/immutable of file by root", "flags/set/journalData of file by owner",
    "flags/inherit/journalData", "flags/project/7 of directory",
    // A full disk: times, sizes, cached pages, the last block.
    "space/full/write", "space/full/copy", "space/full/allocate",
    "space/full/zero more than there is", "space/fullSmallBlocks/write",
  ]

  /// Every so many of the cases that wait for nothing, and those of the given names.
  static func sample(of areas: Set<String>, _ names: Set<String> = []) -> [Case] {
    let quick = Case.all.filter { areas.contains($0.area) && !$0.traits.contains(.slow) }
    let chosen = Set(quick.enumerated().filter { $0.offset % 9 == 0 }.map(\.element.name))
    return Case.all.filter { chosen.contains($0.name) || names.contains($0.name) }
  }
}

/// A kernel's ext4 that is known to answer some cases otherwise.
struct Canary: Sendable, CustomStringConvertible {
  var options: String
  var make: [String] = []
  var cases: String
  var description: String { "\(options) \(make.joined(separator: " "))" }

  static let all = [
    Canary(options: "noatime", cases: "times/read"),
    Canary(options: "grpid", cases: "names/create/by"),
    Canary(options: "nosuid", cases: "privileges/execute/06777 after nothing"),
    Canary(options: "nodev", cases: "open/both/character"),
    Canary(options: "rw", make: ["-I", "128"], cases: "times/range"),
  ]
}
