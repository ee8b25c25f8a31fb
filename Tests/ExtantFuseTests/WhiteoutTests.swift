import TestSupport
import Testing

/// What an overlay filesystem asks of its upper layer.
@Suite(.enabled(if: SideBySide.canRun), .serialized)
struct WhiteoutTests {
  private static func describe(_ path: String) -> String {
    guard let status = try? System.status(path) else { return "nothing" }
    return "\(String(status.mode, radix: 8)) \(status.uid):\(status.gid) \(status.links) "
      + "\(status.deviceMajor):\(status.deviceMinor)"
  }

  @Test func renameLeavesAWhiteout() throws {
    try SideBySide.check { (root) in
      for (name, mode) in [("one", 0o777), ("two", 0o2777)] as [(String, UInt32)] {
        try System.makeDirectory(root + "/" + name)
        try System.changeOwner(root + "/" + name, uid: 0, gid: 55)
        try System.changeMode(root + "/" + name, mode)
      }
      var lines: [String] = []
      func rename(
        _ old: String, _ new: String, _ flags: System.RenameFlags, as user: User? = nil
      ) {
        let outcome = SideBySide.outcome(as: user) { () throws(SystemFailure) in
          try System.rename(root + old, root + new, flags)
        }
        let directories = ["/one", "/two"].map { Self.describe(root + $0) }
        lines.append(
          "\(old) \(new) \(flags.rawValue): \(outcome), \(Self.describe(root + old)), "
            + "\(Self.describe(root + new)), \(directories)")
      }
      func file(_ name: String) throws -> String {
        try System.write([1], to: root + name)
        return name
      }
      rename(try file("/one/a"), "/one/b", .whiteout)
      rename(try file("/one/c"), "/two/c", .whiteout)
      rename(try file("/one/d"), try file("/two/d"), .whiteout)
      rename(try file("/one/e"), "/two/e", [.whiteout, .noReplace])
      rename(try file("/one/f"), try file("/two/f"), [.whiteout, .noReplace])
      rename(try file("/one/g"), try file("/two/g"), [.whiteout, .exchange])
      rename(try file("/two/h"), "/one/h", .whiteout, as: .nobody)
      rename(try file("/one/i"), "/one/i", .whiteout)
      try System.link(root + (try file("/one/j")), root + "/one/k")
      rename("/one/j", "/one/k", .whiteout)
      rename("/one/a", "/one/l", .whiteout)
      rename("/one/nothing", "/two/nothing", .whiteout)
      try System.makeDirectory(root + "/one/directory")
      try System.write([1], to: root + "/one/directory/inside")
      rename("/one/directory", "/two/directory", .whiteout)
      rename("/two/directory", "/two/again", .whiteout)
      try System.symbolicLink("a", at: root + "/one/link")
      rename("/one/link", "/two/link", .whiteout)
      return lines
        + (try ["/one", "/two", "/two/again"].flatMap { directory in
          try System.names(in: root + directory).map { String(decoding: $0, as: UTF8.self) }
        })
    }
  }

  /// Names move and whiteouts come while the blocks of the directories split.
  @Test func directoriesOfManyWhiteoutsAreSound() throws {
    let mount = try TestMount()
    for name in ["one", "two"] { try System.makeDirectory(mount(name)) }
    let count = 1500
    for index in 0..<count {
      try System.write([], to: mount("one/\(index)"))
      try System.rename(
        mount("one/\(index)"), mount("two/a-much-longer-name-than-the-old-one-\(index)"), .whiteout)
    }
    for name in ["one", "two"] { #expect(try System.names(in: mount(name)).count == count) }
    for index in 0..<count { try System.unlink(mount("one/\(index)")) }
    try mount.stop()
    #expect(try mount.image.complaint() == nil)
  }

  /// On the merged directory; `at` makes paths of names.
  private typealias Change = (
    name: String, run: @Sendable (_ at: (String) -> String) throws(SystemFailure) -> Void
  )

  private static let overlayChanges: [Change] = [
    ("create", { (at) throws(SystemFailure) in try System.write([1], to: at("new")) }),
    (
      "copy up",
      { (at) throws(SystemFailure) in try OpenFile(at("0"), [.write]).writeAll([33], at: 3) }
    ),
    ("unlink", { (at) throws(SystemFailure) in try System.unlink(at("1")) }),
    ("rename", { (at) throws(SystemFailure) in try System.rename(at("2"), at("2 moved")) }),
    ("rename over", { (at) throws(SystemFailure) in try System.rename(at("3"), at("4")) }),
    ("rename what is new", { (at) throws(SystemFailure) in try System.rename(at("new"), at("5")) }),
    ("exchange", { (at) throws(SystemFailure) in try System.rename(at("6"), at("7"), .exchange) }),
    ("rmdir", { (at) throws(SystemFailure) in try System.removeDirectory(at("empty")) }),
    ("mkdir again", { (at) throws(SystemFailure) in try System.makeDirectory(at("empty")) }),
    ("unlink inside", { (at) throws(SystemFailure) in try System.unlink(at("full/inside")) }),
    (
      "rmdir of what was full",
      { (at) throws(SystemFailure) in try System.removeDirectory(at("full")) }
    ),
    ("mkdir of that", { (at) throws(SystemFailure) in try System.makeDirectory(at("full")) }),
    (
      "rename an opaque directory",
      { (at) throws(SystemFailure) in try System.rename(at("full"), at("full moved")) }
    ),
    ("chmod", { (at) throws(SystemFailure) in try System.changeMode(at("8"), 0o600) }),
    ("chown", { (at) throws(SystemFailure) in try System.changeOwner(at("9"), uid: 5, gid: 5) }),
    ("xattr", { (at) throws(SystemFailure) in try System.setAttribute(at("10"), "user.a", [1]) }),
    ("link", { (at) throws(SystemFailure) in try System.link(at("11"), at("11 again")) }),
    (
      "rename a symbolic link",
      { (at) throws(SystemFailure) in try System.rename(at("link"), at("link moved")) }
    ),
    (
      "truncate", { (at) throws(SystemFailure) in try OpenFile(at("12"), [.write]).truncate(to: 2) }
    ),
    (
      "mapped write",
      { (at) throws(SystemFailure) in try OpenFile(at("13"), [.write]).writeMapped([33], at: 0) }
    ),
    (
      "create over a whiteout", { (at) throws(SystemFailure) in try System.write([1], to: at("1")) }
    ),
  ]

  @Test(.enabled(if: Environment.find("mount") != nil))
  func anOverlayStandsOnUs() throws {
    try SideBySide.check { (root) in
      for name in ["low", "up", "work", "merged"] { try System.makeDirectory(root + "/" + name) }
      for index in 0..<16 {
        try System.write(Array("low \(index)".utf8), to: root + "/low/\(index)")
      }
      try System.makeDirectory(root + "/low/full")
      try System.write([1], to: root + "/low/full/inside")
      try System.makeDirectory(root + "/low/empty")
      try System.symbolicLink("1", at: root + "/low/link")
      let merged = root + "/merged"
      try Program.succeed(
        ["mount", "-t", "overlay", "overlay", "-o"]
          + ["lowerdir=\(root)/low,upperdir=\(root)/up,workdir=\(root)/work", merged])
      let overlay = Mount(point: merged) { (point) throws(SystemFailure) in
        _ = try Program.succeed(["umount", point])
      }
      var lines: [String] = []
      for change in Self.overlayChanges {
        let outcome = SideBySide.outcome { () throws(SystemFailure) in
          try change.run { merged + "/" + $0 }
        }
        lines.append("\(change.name): \(outcome)")
      }
      for name in try System.names(in: merged).map({ String(decoding: $0, as: UTF8.self) }) {
        let status = try System.status(merged + "/" + name)
        let bytes = status.isRegular ? try System.contents(merged + "/" + name) : []
        lines.append("\(name) \(String(status.mode, radix: 8)) \(status.uid) \(bytes)")
      }
      try overlay.unmount()
      for name in try System.names(in: root + "/up").map({ String(decoding: $0, as: UTF8.self) }) {
        let attributes = try System.attributeNames(root + "/up/" + name).sorted()
        lines.append("up: \(name) \(Self.describe(root + "/up/" + name)) \(attributes)")
      }
      return lines
    }
  }
}
