extension Case {
  /// Set-user-ID, set-group-ID and file capabilities: what takes them away, from whom, and what
  /// execve then makes of them.
  static var privilegeCases: [Case] { changes + execution + inheritance }

  private static let modes: [Mode] = [0o4755, 0o2755, 0o6755, 0o2745, 0o6666, 0o2644, 0o6711]

  private static let operations: [(String, [Call])] = [
    ("write", [.pwrite(1, 3, at: 0)]),
    ("extending write", [.pwrite(1, 3, at: 9000)]),
    ("empty write", [.pwrite(1, 0, at: 0)]),
    ("mapped write", [.writeMappedSync(1, 3, at: 0)]),
    ("direct write", [.writeDirect(3, 4096, at: 0)]),
    ("appending write", [.write(4, 3)]),
    ("truncate", [.truncate("f", 3)]),
    ("truncate to the same", [.truncate("f", 5000)]),
    ("ftruncate", [.ftruncate(1, 3)]),
    ("longer ftruncate", [.ftruncate(1, 7000)]),
    ("open to truncate", [.open(2, "f", [.truncate, .writeOnly])]),
    ("allocate", [.fallocate(1, [], 0, 20_000)]),
    ("allocate, same size", [.fallocate(1, .keepSize, 0, 4096)]),
    ("punch", [.fallocate(1, [.punchHole, .keepSize], 0, 4096)]),
    ("punch beyond", [.fallocate(1, [.punchHole, .keepSize], 40_960, 4096)]),
    ("zero", [.fallocate(1, .zero, 0, 4096)]),
    ("collapse", [.fallocate(1, .collapse, 0, 4096)]),
    ("insert", [.fallocate(1, .insert, 0, 4096)]),
    ("unaligned collapse", [.fallocate(1, .collapse, 1, 4096)]),
    ("copy", [.copyRange(5, at: 0, to: 1, place: 0, 50)]),
    ("empty copy", [.copyRange(5, at: 9999, to: 1, place: 0, 50)]),
    ("sendfile", [.sendfile(5, to: 1, 50)]),
    ("setxattr", [.setLongAttribute("f", "user.a", 5)]),
    ("access list", [.setAccessList("f", AccessList(.userObject(7), .groupObject(5), .other(5)))]),
    (
      "long access list",
      [
        .setAccessList(
          "f", AccessList(.userObject(7), .user(1, 7), .groupObject(5), .mask(7), .other(5)))
      ]
    ),
    ("chmod to the same", [.chmod("f", 0o6755)]),
    ("chown to the same", [.chown("f", 6001, 6001)]),
    ("chown of nothing", [.chown("f", .max, .max)]),
    ("chgrp", [.chown("f", .max, 6010)]),
    ("fchown", [.fchown(1, .max, 6010)]),
    ("touch", [.utimes("f", .now, .now)]),
    ("link", [.link("f", "g")]),
    ("rename", [.rename("f", "g")]),
    ("read", [.pread(1, 10, at: 0)]),
    ("sync", [.fsync(1)]),
    ("flags", [.setInodeFlags("f", [.noDump, .extents])]),
  ]

  /// VFS_CAP_REVISION_2 with CAP_NET_BIND_SERVICE permitted.
  static let capability: [UInt8] = [1, 0, 0, 2, 0, 4] + [UInt8](repeating: 0, count: 14)

  private static func scene(_ mode: Mode, _ group: UInt32) -> [Step] {
    [
      .root(.create("f", 0o666)), .root(.create("from", 0o666)),
      .root(.open(5, "from", .readWrite)),
      .root(.write(5, 1000)), .root(.open(1, "f", .readWrite)), .root(.write(1, 5000)),
      .root(.open(3, "f", [.readWrite, .direct])), .root(.open(4, "f", [.writeOnly, .append])),
      .root(.fsync(1)), .root(.chown("f", 6001, group)), .root(.chmod("f", mode)),
    ]
  }

  private static var changes: [Case] {
    var cases: [Case] = []
    for (operation, mode) in pairs(operations, modes) {
      for actor in Actor.allCases {
        cases.append(
          Case(
            "privileges/\(operation.0)/\(mode) by \(actor)",
            scene(mode, 6001) + operation.1.map { Step(actor, $0) }))
      }
      // A group that the owner is not in.
      cases.append(
        Case(
          "privileges/\(operation.0)/\(mode) by the owner, a foreign group",
          scene(mode, 6099) + operation.1.map { .owner($0) }))
    }
    for (operation, actor) in pairs(operations, [Actor.root, .owner, .other]) {
      cases.append(
        Case(
          "privileges/\(operation.0)/capability, by \(actor)",
          scene(0o777, 6001)
            + [.root(.setAttribute("f", "security.capability", capability))]
            + operation.1.map { Step(actor, $0) } + [.root(.attributeNames("f"))]))
    }
    return cases
  }

  /// A real program, changed in each way: whom does it run as?
  private static var execution: [Case] {
    let ways: [(String, [Call])] = [
      ("nothing", []), ("write", [.pwrite(1, 1, at: 1_000_000)]),
      ("direct write", [.writeDirect(3, 4096, at: 1_040_384)]),
      ("ftruncate", [.ftruncate(1, 1_100_000)]),
      ("allocate", [.fallocate(1, [], 0, 1_200_000)]),
      ("zero", [.fallocate(1, .zero, 1_000_000, 4096)]),
      ("punch", [.fallocate(1, [.punchHole, .keepSize], 1_000_000, 4096)]),
      ("insert", [.fallocate(1, .insert, 991_232, 4096)]),
      ("mapped write", [.writeMappedSync(1, 1, at: 900_000)]),
      ("chgrp", [.chown("id", .max, 6010)]),
      (
        "access list",
        [.setAccessList("id", AccessList(.userObject(7), .groupObject(5), .other(5)))]
      ),
    ]
    return pairs(pairs(ways, [0o6777, 0o4777, 0o2777, 0o777] as [Mode]), [Actor.owner, .other]).map
    {
      let ((way, mode), actor) = $0
      return Case(
        "privileges/execute/\(mode) after \(way.0) by \(actor)",
        [
          .root(.create("id")), .root(.open(1, "id", .readWrite)),
          .root(.open(2, "/usr/bin/id")), .root(.sendfile(2, to: 1, 900_000)),
          .root(.ftruncate(1, 1_048_576)), .root(.fsync(1)), .root(.close(1)),
          .root(.chown("id", 6001, 6001)), .root(.chmod("id", mode)), .member(.execute("id")),
          .root(.open(1, "id", .readWrite)), .root(.open(3, "id", [.readWrite, .direct])),
          .member(.execute("id")),
        ] + way.1.map { Step(actor, $0) } + [
          .root(.close(1)), .root(.close(3)), .member(.execute("id")), .root(.execute("id")),
        ])
    }
  }

  /// What is made in a directory with set-group-ID.
  private static var inheritance: [Case] {
    let calls: [(String, Call)] = [
      ("create", .create("d/n", 0o6777)), ("mkdir", .mkdir("d/n", 0o6777)),
      ("mknod", .mknod("d/n", .fifo | 0o6777)), ("symlink", .symlink("x", "d/n")),
      ("create without execute", .create("d/n", 0o6666)), ("sticky", .mkdir("d/n", 0o1777)),
    ]
    return pairs(pairs(calls, [0o2777, 0o6777, 0o777, 0o3777] as [Mode]), Actor.allCases).map {
      let ((call, mode), actor) = $0
      return Case(
        "privileges/inherit/\(call.0) in \(mode) by \(actor)",
        [.root(.mkdir("d", 0o777)), .root(.chown("d", 6001, 6001)), .root(.chmod("d", mode))]
          + [.root(.umask(0o010)), Step(actor, call.1)])
    }
  }
}
