extension Case {
  /// create, mkdir, unlink, rmdir, link, symlink, mknod: of and on each kind, by everybody.
  static var nameCases: [Case] {
    creation + removal + links + symlinks + limits
  }

  private static let makers: [(String, @Sendable (String) -> Call)] = [
    ("create", { .create($0, 0o7777) }), ("mkdir", { .mkdir($0, 0o7777) }),
    ("symlink", { .symlink("x", $0) }), ("fifo", { .mknod($0, .fifo | 0o7777) }),
    ("regular", { .mknod($0, .regular | 0o666) }), ("socket", { .mknod($0, .socket | 0o666) }),
    ("character", { .mknod($0, .character | 0o666, 5, 300) }),
    ("block", { .mknod($0, .block | 0o666, 300, 70000) }), ("bind", { .bind($0) }),
    ("link", { .link("source", $0) }),
  ]

  private static var creation: [Case] {
    var cases: [Case] = []
    for (name, maker) in makers {
      for kind in Kind.allCases {
        cases.append(
          Case(
            "names/\(name)/over \(kind)",
            [.root(.create("source"))] + kind.make("a") + [
              .owner(maker("a")), .root(maker("a")), .root(maker("a/b")), .root(maker("a/")),
            ]))
      }
      for (actor, mode) in pairs(Actor.allCases, [0o755, 0o770, 0o2775, 0o1777, 0o555] as [Mode]) {
        cases.append(
          Case(
            "names/\(name)/by \(actor) in \(mode)",
            [.root(.create("source", 0o666)), .root(.chown("source", actor.uid, actor.gid))]
              + Kind.directory.make("d", mode) + [
                .root(.umask(0o027)), Step(actor, maker("d/n")), .root(.umask(0)),
                Step(actor, maker("d/m")),
              ]))
      }
      cases.append(
        Case(
          "names/\(name)/nowhere",
          [
            .root(.create("source")), .root(maker("none/a")), .root(maker("")), .root(maker(".")),
            .root(maker("..")), .root(.symlink("loop", "loop")), .root(maker("loop")),
            .root(maker("loop/a")), .root(.symlink("gone", "dangling")), .root(maker("dangling")),
            .root(maker("dangling/a")), .root(maker("new/")),
          ]))
    }
    return cases
  }

  private static var removal: [Case] {
    var cases: [Case] = []
    for (kind, actor) in pairs(Kind.allCases, Actor.allCases) {
      for mode in [0o755, 0o777, 0o1777, 0o775, 0o1775] as [Mode] {
        // A sticky directory that is somebody else's.
        cases.append(
          Case(
            "names/remove/\(kind) by \(actor) from \(mode)",
            Kind.directory.make("d", mode, owner: .root) + [.root(.chown("d", 0, Actor.owner.gid))]
              + kind.make("d/a", 0o600) + [
                Step(actor, .unlink("d/a")), Step(actor, .rmdir("d/a")),
                .root(.lstat("d/a")),
              ]))
      }
    }
    cases += [
      Case(
        "names/rmdir/not empty",
        [
          .root(.mkdir("d")), .root(.create("d/f")), .root(.rmdir("d")), .root(.unlink("d/f")),
          .root(.rmdir("d/.")), .root(.rmdir("d/..")), .root(.rmdir("d/")), .root(.rmdir("d")),
        ]),
      Case(
        "names/rmdir/through a link",
        [
          .root(.mkdir("d")), .root(.symlink("d", "l")), .root(.rmdir("l")), .root(.rmdir("l/")),
          .root(.unlink("l/")), .root(.unlink("l")), .root(.unlink("d")), .root(.unlink("d/")),
        ]),
      Case(
        "names/rmdir/while open",
        [
          .root(.mkdir("d")), .root(.open(1, "d", [.directory])), .root(.rmdir("d")),
          .root(.fstat(1)), .root(.fsync(1)), .root(.fchmod(1, 0o700)), .root(.fstat(1)),
        ]),
    ]
    for kind in Kind.allCases where kind != .directory && kind != .socket {
      cases.append(
        Case(
          "names/unlink/\(kind) while open",
          kind.make("a") + [
            .root(.link("a", "b")), .root(.open(1, "a", [.path, .noFollow])),
            .root(.open(2, "a", [.readWrite, .nonBlocking])), .root(.unlink("a")),
            .root(.fstat(1)), .root(.unlink("b")), .root(.fstat(1)), .root(.fchmod(2, 0o600)),
            .root(.fstat(1)), .root(.write(2, 5)), .root(.fstat(2)), .root(.fsync(2)),
            .root(.linkDescriptor(2, "c")),
          ]))
    }
    return cases
  }

  private static var links: [Case] {
    var cases: [Case] = []
    for (kind, actor) in pairs(Kind.allCases, Actor.allCases) {
      cases.append(
        Case(
          "names/link/\(kind) by \(actor)",
          kind.make("a", 0o666) + [
            Step(actor, .link("a", "b")), Step(actor, .link("a", "c", follow: true)),
            Step(actor, .link("a", "a")), .root(.chmod("a", 0o640)), .root(.unlink("a")),
          ]))
    }
    return cases + [
      Case(
        "names/link/count",
        [.root(.create("a"))] + (0..<20).map { .root(.link("a", "b\($0)")) }
          + (0..<20).map { .root(.unlink("b\($0)")) }),
      Case(
        "names/link/65000 of a file", .slow,
        [
          .root(.create("a")), .root(.mkdir("d")),
          .root(.many(.links, "d/l", 65_010, target: "a")), .root(.lstat("a")),
          .root(.unlink("d/l7")), .root(.link("a", "again")), .root(.link("a", "more")),
        ]),
      Case(
        "names/link/65000 directories", .slow,
        [
          .root(.mkdir("d")), .root(.many(.directories, "d/l", 65_010)), .root(.lstat("d")),
          .root(.rmdir("d/l7")), .root(.lstat("d")), .root(.mkdir("d/more")), .root(.lstat("d")),
        ]),
    ]
  }

  private static var symlinks: [Case] {
    [0, 1, 59, 60, 61, 255, 1023, 1024, 4093, 4094, 4095, 4096].map { length in
      let target = String(repeating: "t", count: length)
      return Case(
        "names/symlink/target of \(length)",
        [
          .root(.umask(0o077)), .owner(.symlink(target, "s")), .root(.readlink("s")),
          .root(.lstat("s")), .other(.readlink("s")), .root(.chmod("s", 0o600)),
          .root(.lchown("s", 1, 2)), .root(.utimes("s", SetTime(5), SetTime(6), follow: false)),
        ])
    } + [
      Case(
        "names/symlink/depth",
        [.root(.create("l0"))] + (1...45).map { .root(.symlink("l\($0 - 1)", "l\($0)")) }
          + [38, 39, 40, 41, 42].flatMap { depth -> [Step] in
            [
              .root(.open(1, "l\(depth)")), .root(.truncate("l\(depth)", 1)),
              .root(.open(1, "l\(depth)", .noFollow)),
            ]
          })
    ]
  }

  private static var limits: [Case] {
    var cases: [Case] = []
    for (name, maker) in makers {
      cases.append(
        Case(
          "names/\(name)/length",
          [.root(.create("source"))]
            + [1, 254, 255, 256, 257].map {
              .root(maker(String(repeating: "n", count: $0)))
            } + [
              .root(maker(String(repeating: "é", count: 127))),
              .root(maker(String(repeating: "é", count: 128))),
            ]))
      let part = String(repeating: "p", count: 250) + "/"
      let deep = (1...16).map { String(repeating: part, count: $0) }
      cases.append(
        Case(
          "names/\(name)/path",
          [.root(.create("source"))] + deep.map { .root(.mkdir(String($0.dropLast()))) }
            + [4094, 4095, 4096, 4097].compactMap { length -> Step? in
              guard let base = deep.last else { return nil }
              return .root(maker(base + String(repeating: "q", count: length - base.utf8.count)))
            }))
    }
    let odd = ["\u{1}", "\n", "a b", "\\", "*", "-", "...", "é", "🙂", "\u{7f}", "\"", "'"]
    cases.append(
      Case(
        "names/odd", odd.flatMap { [.root(.create($0)), .root(.create($0))] } + [.root(.list("."))])
    )
    return cases
  }
}
