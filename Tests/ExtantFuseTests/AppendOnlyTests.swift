import TestSupport
import Testing

/// chattr +a and +i, file by file and directory by directory as the kernel's ext4 has it.
@Suite(.enabled(if: SideBySide.canRun), .serialized)
struct AppendOnlyTests {
  private static let append: UInt32 = 0x20
  private static let immutable: UInt32 = 0x10
  private static let now = Status.Time(seconds: 0, nanoseconds: 0x3fff_ffff)
  private static let omitted = Status.Time(seconds: 0, nanoseconds: 0x3fff_fffe)
  private static let past = Status.Time(seconds: 1000, nanoseconds: 0)

  private typealias Action = (name: String, run: @Sendable (Place) throws(SystemFailure) -> Void)

  /// A file with the flag, and others without it beside it.
  private struct Place: Sendable {
    var directory: String
    var file: String { directory + "/file" }
    var other: String { directory + "/other" }
    var fresh: String { directory + "/fresh" }
    var opened: OpenFile

    func appending(
      _ body: (OpenFile) throws(SystemFailure) -> Void
    ) throws(SystemFailure) { try body(try OpenFile(file, [.write, .append])) }
  }

  private static let actions: [Action] = {
    var actions: [Action] = [
      ("open to write", { (at) throws(SystemFailure) in _ = try OpenFile(at.file, [.write]) }),
      (
        "open to append",
        { (at) throws(SystemFailure) in try at.appending { (_) throws(SystemFailure) in } }
      ),
      (
        "open to append, O_TRUNC",
        { (at) throws(SystemFailure) in _ = try OpenFile(at.file, [.write, .append, .truncate]) }
      ),
      (
        "O_RDONLY, O_TRUNC",
        { (at) throws(SystemFailure) in _ = try OpenFile(at.file, [.truncate]) }
      ),
      (
        "append",
        { (at) throws(SystemFailure) in
          try at.appending { (file) throws(SystemFailure) in try file.append([1, 2, 3]) }
        }
      ),
      (
        "pwrite",
        { (at) throws(SystemFailure) in
          try at.appending { (file) throws(SystemFailure) in try file.writeAll([1, 2, 3], at: 0) }
        }
      ),
      (
        "overwrite after O_APPEND was let go",
        { (at) throws(SystemFailure) in
          try at.appending { (file) throws(SystemFailure) in
            try file.setAppends(false)
            try file.writeAll([9], at: 0)
          }
        }
      ),
      (
        "ftruncate",
        { (at) throws(SystemFailure) in
          try at.appending { (file) throws(SystemFailure) in try file.truncate(to: 3) }
        }
      ),
      (
        "write, opened before", { (at) throws(SystemFailure) in try at.opened.writeAll([9], at: 1) }
      ),
      ("ftruncate, opened before", { (at) throws(SystemFailure) in try at.opened.truncate(to: 3) }),
      ("grow, opened before", { (at) throws(SystemFailure) in try at.opened.truncate(to: 300) }),
      ("chmod", { (at) throws(SystemFailure) in try System.changeMode(at.file, 0o600) }),
      ("chown", { (at) throws(SystemFailure) in try System.changeOwner(at.file, uid: 1, gid: 1) }),
      (
        "times: now",
        { (at) throws(SystemFailure) in try System.setTimes(at.file, access: now, modification: now)
        }
      ),
      (
        "times: set",
        { (at) throws(SystemFailure) in
          try System.setTimes(at.file, access: past, modification: past)
        }
      ),
      (
        "times: now, omitted",
        { (at) throws(SystemFailure) in
          try System.setTimes(at.file, access: now, modification: omitted)
        }
      ),
      (
        "times: omitted, now",
        { (at) throws(SystemFailure) in
          try System.setTimes(at.file, access: omitted, modification: now)
        }
      ),
      (
        "times: set, now",
        { (at) throws(SystemFailure) in
          try System.setTimes(at.file, access: past, modification: now)
        }
      ),
      (
        "times: omitted",
        { (at) throws(SystemFailure) in
          try System.setTimes(at.file, access: omitted, modification: omitted)
        }
      ),
      ("unlink", { (at) throws(SystemFailure) in try System.unlink(at.file) }),
      ("link", { (at) throws(SystemFailure) in try System.link(at.file, at.fresh) }),
      ("rename", { (at) throws(SystemFailure) in try System.rename(at.file, at.fresh) }),
      ("rename over", { (at) throws(SystemFailure) in try System.rename(at.other, at.file) }),
      (
        "rename over, NOREPLACE",
        { (at) throws(SystemFailure) in try System.rename(at.other, at.file, .noReplace) }
      ),
      (
        "exchange",
        { (at) throws(SystemFailure) in try System.rename(at.file, at.other, .exchange) }
      ),
      (
        "remove an ACL",
        { (at) throws(SystemFailure) in
          try System.removeAttribute(at.file, "system.posix_acl_access")
        }
      ),
      (
        "remove a capability",
        { (at) throws(SystemFailure) in try System.removeAttribute(at.file, "security.capability") }
      ),
    ]
    for name in ["user", "trusted", "security"] {
      actions.append(
        (
          "set \(name).new",
          { (at) throws(SystemFailure) in try System.setAttribute(at.file, name + ".new", [1]) }
        ))
      actions.append(
        (
          "remove \(name).old",
          { (at) throws(SystemFailure) in try System.removeAttribute(at.file, name + ".old") }
        ))
    }
    for mode in [0, 1, 3, 0x10, 0x11] as [Int32] {
      actions.append(
        (
          "fallocate \(mode)",
          { (at) throws(SystemFailure) in
            try at.appending { (file) throws(SystemFailure) in
              try file.fallocate(mode: mode, offset: 4096, length: 4096)
            }
          }
        ))
      actions.append(
        (
          "fallocate \(mode), opened before",
          { (at) throws(SystemFailure) in
            try at.opened.fallocate(mode: mode, offset: 4096, length: 4096)
          }
        ))
    }
    return actions
  }()

  @Test(arguments: [append, immutable, append | immutable])
  func files(_ flag: UInt32) throws {
    try SideBySide.check { (root) in
      try Self.actions.enumerated().map { (index, action) in
        let directory = root + "/\(index)"
        try System.makeDirectory(directory)
        let path = directory + "/file"
        try System.write([UInt8](repeating: 7, count: 11), to: path)
        try System.write([1], to: directory + "/other")
        for name in ["user", "trusted", "security"] {
          try System.setAttribute(path, name + ".old", [1])
        }
        try System.setTimes(path, access: Self.past, modification: Self.past)
        let place = Place(directory: directory, opened: try OpenFile(path, [.write]))
        let flags = try place.opened.flags()
        try place.opened.setFlags(flags | flag)
        let outcome = SideBySide.outcome { () throws(SystemFailure) in try action.run(place) }
        let status = try place.opened.statusNow()
        let names = try System.names(in: directory).map { String(decoding: $0, as: UTF8.self) }
        let bytes = try place.opened.read(20, at: 0)
        try place.opened.setFlags(flags)
        let times = try place.opened.status()
        return "\(action.name): \(outcome) \(status.permissions) \(status.size) \(names) \(bytes) "
          + "\(times.accessTime == Self.past) \(times.modificationTime == Self.past)"
      }
    }
  }

  @Test(arguments: [append, immutable, append | immutable])
  func directories(_ flag: UInt32) throws {
    try SideBySide.check { (root) in
      let inside = root + "/inside"
      let outside = root + "/outside"
      try System.makeDirectory(inside)
      try System.makeDirectory(inside + "/sub")
      for name in ["one", "two"] { try System.write([1], to: inside + "/" + name) }
      try System.write([1], to: outside)
      let directory = try OpenFile(inside, .directory)
      let flags = try directory.flags()
      try directory.setFlags(flags | flag)
      func path(_ name: String) -> String { inside + "/" + name }
      let actions: [(String, () throws(SystemFailure) -> Void)] = [
        ("create", { () throws(SystemFailure) in _ = try OpenFile(path("a"), [.write, .create]) }),
        ("mkdir", { () throws(SystemFailure) in try System.makeDirectory(path("b")) }),
        ("mknod", { () throws(SystemFailure) in try System.makeNode(path("c"), mode: 0o10644) }),
        ("symlink", { () throws(SystemFailure) in try System.symbolicLink("x", at: path("d")) }),
        ("link", { () throws(SystemFailure) in try System.link(outside, path("e")) }),
        (
          "create what is there",
          { () throws(SystemFailure) in
            _ = try OpenFile(path("one"), [.write, .create, .exclusive])
          }
        ),
        (
          "mkdir what is there",
          { () throws(SystemFailure) in try System.makeDirectory(path("sub")) }
        ),
        ("write", { () throws(SystemFailure) in try System.write([2], to: path("one")) }),
        ("unlink", { () throws(SystemFailure) in try System.unlink(path("one")) }),
        ("unlink nothing", { () throws(SystemFailure) in try System.unlink(path("none")) }),
        ("rmdir", { () throws(SystemFailure) in try System.removeDirectory(path("sub")) }),
        ("rename", { () throws(SystemFailure) in try System.rename(path("one"), path("f")) }),
        (
          "rename over", { () throws(SystemFailure) in try System.rename(path("one"), path("two")) }
        ),
        ("rename out", { () throws(SystemFailure) in try System.rename(path("one"), root + "/g") }),
        ("rename in over", { () throws(SystemFailure) in try System.rename(outside, path("two")) }),
        (
          "exchange",
          { () throws(SystemFailure) in try System.rename(outside, path("two"), .exchange) }
        ),
        (
          "exchange within",
          { () throws(SystemFailure) in try System.rename(path("one"), path("two"), .exchange) }
        ),
        ("rename in", { () throws(SystemFailure) in try System.rename(outside, path("h")) }),
        ("chmod", { () throws(SystemFailure) in try System.changeMode(inside, 0o700) }),
        (
          "times: now",
          { () throws(SystemFailure) in
            try System.setTimes(inside, access: Self.now, modification: Self.now)
          }
        ),
        (
          "times: set",
          { () throws(SystemFailure) in
            try System.setTimes(inside, access: Self.past, modification: Self.past)
          }
        ),
        ("xattr", { () throws(SystemFailure) in try System.setAttribute(inside, "user.x", [1]) }),
        (
          "rename itself",
          { () throws(SystemFailure) in try System.rename(inside, root + "/moved") }
        ),
      ]
      let lines = actions.map { (name, run) in "\(name): \(SideBySide.outcome(run))" }
      let names = try System.names(in: inside).map { String(decoding: $0, as: UTF8.self) }
      try directory.setFlags(flags)
      return lines + names
    }
  }

  /// What a mapping has dirtied before the file became immutable is written, as in the kernel.
  @Test func mappedPagesAreKeptWhenAFileBecomesImmutable() throws {
    try SideBySide.check { (root) in
      let file = try OpenFile(root + "/file", [.write, .create])
      try file.writeAll([1, 2, 3], at: 0)
      let flags = try file.flags()
      let line = try file.whileMapped { (poke) throws(SystemFailure) -> String in
        poke(9, 1)
        try file.setFlags(flags | Self.immutable)
        try file.dropCache()
        return "\(try file.read(3, at: 0))"
      }
      try file.sync()
      try file.setFlags(flags)
      return [line]
    }
  }
}
