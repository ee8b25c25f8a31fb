import TestSupport
import Testing

/// Who changes a file takes set-user-ID, set-group-ID and capabilities from it, and the mode that
/// execve(2) goes by says so at once.
@Suite(.enabled(if: SideBySide.canRun), .serialized)
struct SetIDTests {
  private typealias Action = (name: String, run: @Sendable (String) throws(SystemFailure) -> Void)

  /// The files' owner and group.
  private static let owner: UInt32 = 1000
  private static let group: UInt32 = 777
  /// nil is root.
  private static let users: [User?] = [
    nil, .nobody, User(uid: 65534, gid: 65534, groups: [group]), User(uid: owner, gid: group),
    User(uid: owner, gid: owner), User(uid: owner, gid: owner, groups: [5, group]),
  ]
  private static let capability: [UInt8] =
    [0, 0, 0, 2, 0, 4, 0, 0] + [UInt8](repeating: 0, count: 12)

  private static func withFile(
    _ flags: OpenFile.Flags = [.write],
    _ body: @escaping @Sendable (OpenFile) throws(SystemFailure) -> Void
  ) -> @Sendable (String) throws(SystemFailure) -> Void {
    { (path) throws(SystemFailure) in try body(try OpenFile(path, flags)) }
  }

  private static let changes: [Action] = [
    ("write", withFile { (file) throws(SystemFailure) in try file.writeAll([1], at: 5) }),
    ("extend", withFile { (file) throws(SystemFailure) in try file.writeAll([1], at: 8192) }),
    ("leap", withFile { (file) throws(SystemFailure) in try file.writeAll([1], at: 1 << 20) }),
    (
      "append",
      withFile([.write, .append]) { (file) throws(SystemFailure) in try file.append([1]) }
    ),
    ("direct", withFile { (file) throws(SystemFailure) in try file.writeDirect(1, 4096, at: 0) }),
    (
      "direct, extending",
      withFile { (file) throws(SystemFailure) in try file.writeDirect(1, 4096, at: 8192) }
    ),
    ("mapped", withFile { (file) throws(SystemFailure) in try file.writeMapped([1], at: 0) }),
    ("open", withFile { (_) throws(SystemFailure) in }),
    ("O_TRUNC", withFile([.write, .truncate]) { (_) throws(SystemFailure) in }),
    ("O_RDONLY and O_TRUNC", withFile([.truncate]) { (_) throws(SystemFailure) in }),
    ("truncate", withFile { (file) throws(SystemFailure) in try file.truncate(to: 100) }),
    (
      "truncate to the size",
      withFile { (file) throws(SystemFailure) in try file.truncate(to: 8192) }
    ),
    ("grow", withFile { (file) throws(SystemFailure) in try file.truncate(to: 9000) }),
    ("allocate", fallocate(0, 0, 4096)), ("allocate past the end", fallocate(1, 8192, 4096)),
    ("punch", fallocate(3, 0, 4096)), ("punch past the end", fallocate(3, 1 << 20, 4096)),
    ("zero", fallocate(0x10, 0, 4096)), ("fallocate nothing", fallocate(0, 0, 0)),
    (
      "copy",
      { (path) throws(SystemFailure) in
        let target = try OpenFile(path, [.write])
        let source = try OpenFile(path + ".source")
        _ = try source.copyRange(from: 0, to: target, at: 0, count: 4096)
      }
    ),
    ("chmod", { (path) throws(SystemFailure) in try System.changeMode(path, 0o6777) }),
    (
      "chown",
      { (path) throws(SystemFailure) in try System.changeOwner(path, uid: owner, gid: .max) }
    ),
    (
      "chgrp",
      { (path) throws(SystemFailure) in try System.changeOwner(path, uid: .max, gid: group) }
    ),
    ("xattr", { (path) throws(SystemFailure) in try System.setAttribute(path, "user.x", [1]) }),
    ("ACL", setACL(named: true)), ("an ACL that says no more than the mode", setACL(named: false)),
  ]

  private static func fallocate(
    _ mode: Int32, _ offset: Int64, _ length: Int64
  ) -> @Sendable (String) throws(SystemFailure) -> Void {
    withFile { (file) throws(SystemFailure) in
      try file.fallocate(mode: mode, offset: offset, length: length)
    }
  }

  private static func setACL(
    named: Bool
  ) -> @Sendable (String) throws(SystemFailure) -> Void {
    func entry(_ tag: UInt64, _ bits: UInt64, _ id: UInt64 = UInt64(UInt32.max)) -> [UInt8] {
      Bytes.of(tag, count: 2) + Bytes.of(bits, count: 2) + Bytes.of(id, count: 4)
    }
    let list =
      Bytes.of(2, count: 4) + entry(1, 7) + (named ? entry(2, 4, 5) : []) + entry(4, 5)
      + (named ? entry(0x10, 5) : []) + entry(0x20, 5)
    return { (path) throws(SystemFailure) in
      try System.setAttribute(path, "system.posix_acl_access", list)
    }
  }

  @Test(arguments: [0o6777, 0o6666, 0o2767, 0o4666, 0o2666, 0o6755] as [UInt32])
  func whoChangesAFileTakesItsPrivileges(_ mode: UInt32) throws {
    try SideBySide.check { (root) in
      try Self.users.flatMap { user in
        try Self.changes.map { change in
          let path = root + "/" + change.name
          defer { try? System.unlink(path) }
          try System.write([UInt8](repeating: 7, count: 8192), to: path)
          try System.write([UInt8](repeating: 7, count: 8192), to: path + ".source")
          try System.changeOwner(path, uid: Self.owner, gid: Self.group)
          try System.changeMode(path, mode)
          try System.setAttribute(path, "security.capability", Self.capability)
          // The kernel has the mode cached.
          let keeper = try OpenFile(path)
          _ = try keeper.status()
          let outcome = SideBySide.outcome(as: user) { () throws(SystemFailure) in
            try change.run(path)
          }
          let cached = try System.cachedMode(path) & 0o7777
          let status = try System.status(path)
          let capability = (try? System.attribute(path, "security.capability")) != nil
          return "\(change.name) of \(String(mode, radix: 8)) by \(user?.description ?? "root"): "
            + "\(outcome) \(status.permissions), to execve \(String(cached, radix: 8)), "
            + "\(capability ? "a" : "no") capability, \(status.size) bytes"
        }
      }
    }
  }

  /// The kernel's FUSE client refuses this mode itself, so ours is asked through its ioctl.
  @Test func collapsingTakesPrivilegesEvenWhereItFails() throws {
    try SideBySide.check { (root) in
      let isOurs = root.hasSuffix("/mount")
      return try [(0, 4096), (0, 100), (0, 1 << 20)].map { (range: (Int64, Int64)) in
        let path = root + "/file"
        try System.write([UInt8](repeating: 7, count: 12288), to: path)
        try System.changeMode(path, 0o6777)
        _ = try System.status(path)
        let outcome = SideBySide.outcome(as: .nobody) { () throws(SystemFailure) in
          let file = try OpenFile(path, [.write])
          if isOurs {
            try file.fallocateByIoctl(FallocateBits.collapse, range.0, range.1)
          } else {
            try file.fallocate(mode: FallocateBits.collapse, offset: range.0, length: range.1)
          }
        }
        return "\(range): \(outcome), to execve "
          + String(try System.cachedMode(path) & 0o7777, radix: 8)
      }
    }
  }

  @Test func changingTheOwnerTakesSetIDOfAllButDirectories() throws {
    let kinds: [(name: String, type: UInt32)] = [
      ("file", 0o100000), ("fifo", 0o010000), ("socket", 0o140000), ("device", 0o020000),
      ("disk", 0o060000), ("directory", 0o040000),
    ]
    let owners: [(uid: UInt32, gid: UInt32)] = [
      (Self.owner, Self.group), (Self.owner, .max), (.max, Self.group), (.max, Self.owner),
      (.max, .max), (0, 0),
    ]
    // Of root, the kernel's FUSE client sends a chown to nobody like what it sends ahead of a write.
    let toNobody = (0..<4).map { "file \([0o6755, 0o6745, 0o7777, 0o2644][$0]) to -1:-1 by root" }
    try SideBySide.check(knownDifferences: toNobody) { (root) in
      try kinds.flatMap { kind in
        try [0o6755, 0o6745, 0o7777, 0o2644].flatMap { (mode: UInt32) in
          try owners.flatMap { owner in
            try [nil, Self.users[3], Self.users[4], Self.users[5]].map { user in
              let path = root + "/" + kind.name
              if kind.type == 0o040000 {
                try System.makeDirectory(path)
              } else {
                try System.makeNode(path, mode: kind.type | 0o644, major: 1, minor: 3)
              }
              defer { try? System.unlink(path); try? System.removeDirectory(path) }
              try System.changeOwner(path, uid: Self.owner, gid: Self.group)
              try System.changeMode(path, mode)
              let outcome = SideBySide.outcome(as: user) { () throws(SystemFailure) in
                try System.changeOwner(path, uid: owner.uid, gid: owner.gid)
              }
              let status = try System.status(path)
              let (uid, gid) = (Int32(bitPattern: owner.uid), Int32(bitPattern: owner.gid))
              return "\(kind.name) \(mode) to \(uid):\(gid) by \(user?.description ?? "root"): "
                + "\(outcome) \(status.permissions) \(status.uid):\(status.gid)"
            }
          }
        }
      }
    }
  }
}
