extension Case {
  /// chmod, chown, umask, access, and who may do what with which mode.
  static var modeCases: [Case] {
    var cases: [Case] = []
    for (kind, actor) in pairs(Kind.allCases, Actor.allCases) {
      for mode in [0o644, 0o6755, 0o2644, 0o1777] as [Mode] {
        cases.append(
          Case(
            "modes/chmod/\(kind) \(mode) by \(actor)",
            kind.make("a", mode) + [
              Step(actor, .chmod("a", 0o111)), Step(actor, .chmod("a", 0o6777)),
              Step(actor, .chmod("a", 0o7777)), Step(actor, .chmod("a", 0o2750)),
              .root(.lchown("a", actor.uid, 6099)), Step(actor, .chmod("a", 0o2755)),
              Step(actor, .chmod("a", 0o7700)),
            ]))
      }
      let owners: [(UInt32, UInt32)] = [
        (.max, .max), (6001, 6001), (.max, 6010), (6001, .max), (6003, .max), (.max, 6003),
        (6002, 6002), (0, 0), (100_000, 70_000),
      ]
      for mode in [0o6755, 0o6711, 0o6666, 0o2644, 0o4700, 0o6777] as [Mode] {
        cases.append(
          Case(
            "modes/chown/\(kind) \(mode) by \(actor)",
            kind.make("a", mode)
              + owners.flatMap { owner -> [Step] in
                [
                  Step(actor, .lchown("a", owner.0, owner.1)),
                  Step(actor, .chown("a", owner.0, owner.1)), .root(.lchown("a", 6001, 6001)),
                  .root(.chmod("a", mode)),
                ]
              }))
      }
    }
    for (mask, kind) in pairs([0, 0o022, 0o077, 0o777, 0o111] as [Mode], ["file", "dir", "node"]) {
      let name = "modes/umask/\(mask) \(kind)"
      let made: [Mode] = [0, 0o7777, 0o666, 0o6755, 0o1777]
      cases.append(
        Case(
          name,
          [.root(.umask(mask))]
            + made.enumerated().flatMap { index, mode -> [Step] in
              [Actor.root, .owner].map { actor in
                let path = "\(actor)\(index)"
                switch kind {
                case "file": return Step(actor, .create(path, mode))
                case "dir": return Step(actor, .mkdir(path, mode))
                default: return Step(actor, .mknod(path, .fifo | mode))
                }
              }
            }))
    }
    let bits: [Mode] = [
      0, 0o400, 0o200, 0o100, 0o040, 0o020, 0o010, 0o004, 0o002, 0o001, 0o777, 0o077, 0o707,
    ]
    for (kind, mode) in pairs(Kind.allCases, bits) {
      let kinds: [Access] = [.exists, .read, .write, .execute, [.read, .write]]
      cases.append(
        Case(
          "modes/access/\(kind) \(mode)",
          kind.make("a", mode)
            + Actor.allCases.flatMap { actor -> [Step] in
              kinds.flatMap { access -> [Step] in
                [
                  Step(actor, .access("a", access)),
                  Step(actor, .access("a", access, effective: true)),
                ]
              }
            }))
    }
    for mode in bits {
      cases.append(
        Case(
          "modes/open/\(mode)",
          Kind.file.make("f", mode)
            + Actor.allCases.flatMap { actor -> [Step] in
              [
                Step(actor, .open(1, "f")), Step(actor, .open(1, "f", .writeOnly)),
                Step(actor, .open(1, "f", .readWrite)), Step(actor, .open(1, "f", .truncate)),
                Step(actor, .truncate("f", 3)), Step(actor, .open(1, "f", .noAccessTime)),
                Step(actor, .open(1, "f", .path)), Step(actor, .setLongAttribute("f", "user.x", 3)),
                Step(actor, .attributeSize("f", "user.x")), Step(actor, .attributeNames("f")),
                Step(actor, .utimes("f", .now, .now)), Step(actor, .utimes("f", .omit, .now)),
                Step(actor, .utimes("f", SetTime(1), SetTime(2))),
                Step(actor, .utimes("f", .omit, .omit)),
              ]
            }))
      cases.append(
        Case(
          "modes/directory/\(mode)",
          Kind.directory.make("d", 0o777) + [.root(.create("d/f", 0o666))]
            + [.root(.mkdir("d/s", 0o777)), .root(.chmod("d", mode))]
            + Actor.allCases.flatMap { actor -> [Step] in
              [
                Step(actor, .list("d")), Step(actor, .lstat("d/f")), Step(actor, .open(1, "d/f")),
                Step(actor, .create("d/\(actor)")), Step(actor, .unlink("d/\(actor)")),
                Step(actor, .mkdir("d/s/\(actor)")), Step(actor, .chmod("d/f", 0o666)),
                Step(actor, .rename("d/f", "d/g")), .root(.rename("d/g", "d/f")),
                Step(actor, .access("d/f", .read)), Step(actor, .open(2, "d", .directory)),
              ]
            }))
    }
    return cases
  }
}
