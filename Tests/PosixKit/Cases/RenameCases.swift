extension Case {
  /// rename and renameat2: each kind over each, every flag, by everybody.
  static var renameCases: [Case] {
    var cases: [Case] = []
    let flags: [(String, RenameFlags)] = [
      ("plain", []), ("noreplace", .noReplace), ("exchange", .exchange), ("whiteout", .whiteout),
      ("whiteout noreplace", [.whiteout, .noReplace]), ("all", [.noReplace, .exchange]),
      ("exchange whiteout", [.exchange, .whiteout]), ("unknown", RenameFlags(rawValue: 8)),
    ]
    for (word, flag) in flags {
      for (from, to) in pairs(Kind.allCases, Kind.allCases) {
        cases.append(
          Case(
            "rename/\(word)/\(from) over \(to)",
            from.make("a", 0o600) + to.make("b", 0o640) + [.root(.rename("a", "b", flag))]))
        cases.append(
          Case(
            "rename/\(word)/\(from) over \(to) in another directory",
            [.root(.mkdir("d")), .root(.mkdir("e"))] + from.make("d/a") + to.make("e/b")
              + [.root(.rename("d/a", "e/b", flag))]))
      }
      for kind in Kind.allCases {
        cases.append(
          Case(
            "rename/\(word)/\(kind) to a new name",
            [.root(.mkdir("d"))] + kind.make("a") + [
              .root(.rename("a", "b", flag)), .root(.rename("b", "d/a", flag)),
              .root(.rename("a", "d/c", flag)), .root(.rename("none", "d/x", flag)),
              .root(.rename("a", "a", flag)), .root(.rename("d/a", "none/x", flag)),
            ]))
        cases.append(
          Case(
            "rename/\(word)/\(kind) over its other name",
            kind.make("a") + [.root(.link("a", "b")), .root(.rename("a", "b", flag))]))
        for actor in Actor.allCases {
          for mode in [0o755, 0o777, 0o1777] as [Mode] {
            cases.append(
              Case(
                "rename/\(word)/\(kind) by \(actor) in \(mode)",
                Kind.directory.make("d", mode, owner: .root)
                  + Kind.directory.make("e", mode, owner: .root) + kind.make("d/a", 0o600)
                  + Kind.file.make("d/o", 0o600, owner: .other) + [
                    Step(actor, .rename("d/a", "d/b", flag)),
                    Step(actor, .rename("d/b", "e/c", flag)),
                    Step(actor, .rename("e/c", "d/o", flag)),
                  ]))
          }
        }
      }
      cases += [
        Case(
          "rename/\(word)/directories that hold something",
          [
            .root(.mkdir("a")), .root(.mkdir("b")), .root(.create("b/f")), .root(.create("a/g")),
            .root(.rename("a", "b", flag)), .root(.unlink("b/f")), .root(.rename("a", "b", flag)),
          ]),
        Case(
          "rename/\(word)/into itself",
          [
            .root(.mkdir("a")), .root(.mkdir("a/b")), .root(.mkdir("a/b/c")),
            .root(.rename("a", "a/x", flag)), .root(.rename("a", "a/b", flag)),
            .root(.rename("a", "a/b/c", flag)), .root(.rename("a/b", "a", flag)),
            .root(.rename("a/b/c", "a", flag)), .root(.rename("a/.", "x", flag)),
            .root(.rename("a/b/..", "x", flag)), .root(.rename("a", "x/.", flag)),
            .root(.rename("a/b", ".", flag)), .root(.rename("..", "x", flag)),
          ]),
        Case(
          "rename/\(word)/slashes and links",
          [
            .root(.mkdir("d")), .root(.create("f")), .root(.symlink("d", "ld")),
            .root(.symlink("f", "lf")), .root(.rename("d/", "e/", flag)),
            .root(.rename("f/", "g", flag)), .root(.rename("f", "g/", flag)),
            .root(.rename("ld/", "h", flag)), .root(.rename("ld", "h", flag)),
            .root(.rename("lf", "f", flag)), .root(.rename("e", "lf/", flag)),
            .root(.rename("lf/x", "y", flag)),
          ]),
        Case(
          "rename/\(word)/names too long",
          [
            .root(.create("a")), .root(.rename("a", String(repeating: "b", count: 255), flag)),
            .root(.rename(String(repeating: "b", count: 255), "a", flag)),
            .root(.rename("a", String(repeating: "b", count: 256), flag)),
          ]),
        Case(
          "rename/\(word)/parents' links and times",
          [
            .root(.mkdir("d")), .root(.mkdir("e")), .root(.mkdir("d/s")), .root(.mkdir("e/t")),
            .root(.create("e/f")), .root(.rename("d/s", "e/t", flag)), .root(.lstat("d")),
            .root(.lstat("e")), .root(.rename("e/t", "d/s", flag)), .root(.lstat("d")),
            .root(.rename("e/t", "e/f", flag)), .root(.lstat("e")), .root(.list("d")),
            .root(.list("e")), .root(.lstat("d/s/..")),
          ]),
      ]
    }
    // A directory can only change its parent if it may be written: ".." changes in it.
    for (mode, actor) in pairs([0o777, 0o755, 0o555] as [Mode], Actor.allCases) {
      cases.append(
        Case(
          "rename/directory's own mode \(mode) by \(actor)",
          [.root(.mkdir("d", 0o777)), .root(.mkdir("e", 0o777))]
            + Kind.directory.make("d/s", mode) + Kind.directory.make("e/t", mode) + [
              Step(actor, .rename("d/s", "e/s")), Step(actor, .rename("e/t", "e/u")),
              Step(actor, .rename("e/u", "d/s", .exchange)),
            ]))
    }
    return cases
  }
}
