extension Case {
  /// Extended attributes and access control lists.
  static var attributeCases: [Case] { spaces + sizes + lists + inheritance + many }

  private static var spaces: [Case] {
    let names = [
      "user.a", "user.", "trusted.a", "security.a", "system.a", "system.posix_acl_access", "a", "",
      "user", "unknown.a", "trusted.overlay.opaque", "security.capability", "security.",
      "system.data", "User.a", "user." + String(repeating: "n", count: 250),
      "user." + String(repeating: "n", count: 251),
    ]
    return pairs(pairs(names, Kind.allCases), Actor.allCases).map {
      let ((name, kind), actor) = $0
      let length = name.utf8.count
      return Case(
        "attributes/\(length > 40 ? "long \(length)" : name)/\(kind) by \(actor)",
        kind.make("a", 0o664) + [
          Step(actor, .setLongAttribute("a", name, 5)), Step(actor, .attribute("a", name)),
          Step(actor, .setAttribute("a", name, [1], .create)),
          Step(actor, .setAttribute("a", name, [2, 3], .replace)),
          Step(actor, .attributeSize("a", name)), Step(actor, .attributeNames("a")),
          Step(actor, .removeAttribute("a", name)), Step(actor, .removeAttribute("a", name)),
          Step(actor, .setAttribute("a", name, [4], .replace)),
          Step(actor, .setAttribute("a", name, [], [.create, .replace])),
          Step(actor, .setAttribute("a", name, [], AttributeFlags(rawValue: 4))),
          Step(actor, .setAttribute("a", name, [])), Step(actor, .attribute("a", name)),
        ])
    }
  }

  private static var sizes: [Case] {
    let counts = [
      0, 1, 16, 60, 100, 150, 200, 500, 950, 990, 1000, 2000, 3000, 3900, 4000, 4030, 4040, 4050,
      4096, 5000, 65_536, 65_537,
    ]
    return pairs([Stage.ordinary, .smallBlocks], counts).flatMap { stage, count -> [Case] in
      [Kind.file, .directory, .symlink].map { kind in
        let name = kind == .symlink ? "trusted.v" : "user.v"
        return Case(
          "attributes/size \(count)/\(kind) in \(stage)", .maps, on: stage,
          kind.make("a") + [
            .root(.setLongAttribute("a", name, count)), .root(.attributeSize("a", name)),
            .root(.setLongAttribute("a", name + "2", 30)), .root(.setLongAttribute("a", name, 20)),
            .root(.setLongAttribute("a", name, count)), .root(.removeAttribute("a", name + "2")),
            .root(.setLongAttribute("a", name + "3", count)), .root(.attributeNames("a")),
          ])
      }
    }
  }

  /// As many as there is room for.
  private static var many: [Case] {
    pairs([Stage.ordinary, .smallBlocks], [0, 1, 20, 100]).map { stage, size in
      Case(
        "attributes/many of \(size) in \(stage)", .maps, on: stage,
        [.root(.create("f"))]
          + (0..<200).map { .root(.setLongAttribute("f", "user.number\($0)", size)) }
          + (0..<200).filter { $0 % 3 == 0 }.map {
            .root(.removeAttribute("f", "user.number\($0)"))
          }
          + (0..<40).map { .root(.setLongAttribute("f", "user.again\($0)", size + 5)) })
    }
  }

  private static let samples: [(String, AccessList)] = [
    ("minimal", AccessList(.userObject(6), .groupObject(4), .other(0))),
    ("user", AccessList(.userObject(7), .user(6003, 6), .groupObject(4), .mask(7), .other(0))),
    ("masked", AccessList(.userObject(7), .user(6003, 7), .groupObject(7), .mask(4), .other(1))),
    (
      "groups",
      AccessList(
        .userObject(6), .groupObject(0), .group(6001, 6), .group(6010, 2), .mask(6), .other(0))
    ),
    (
      "denied user",
      AccessList(.userObject(7), .user(6003, 0), .groupObject(7), .mask(7), .other(7))
    ),
    ("no mask", AccessList(.userObject(7), .user(6003, 7), .groupObject(7), .other(7))),
    ("no owner", AccessList(.groupObject(7), .other(7))),
    (
      "twice",
      AccessList(.userObject(7), .user(1, 7), .user(1, 6), .groupObject(7), .mask(7), .other(7))
    ),
    ("unsorted", AccessList(.other(7), .groupObject(7), .userObject(7))),
    ("wide bits", AccessList(.userObject(15), .groupObject(7), .other(7))),
    ("empty", AccessList()),
    ("only a mask", AccessList(.userObject(7), .groupObject(7), .mask(1), .other(7))),
    (
      "600 users",
      AccessList(
        [.userObject(7)] + (0..<600).map { .user(UInt32(10_000 + $0), 5) } + [
          .groupObject(5), .mask(5), .other(0),
        ])
    ),
  ]

  private static var lists: [Case] {
    var cases: [Case] = []
    for (sample, kind) in pairs(samples, [Kind.file, .directory, .symlink, .fifo]) {
      for actor in [Actor.root, .owner, .member] {
        cases.append(
          Case(
            "acl/set \(sample.0)/\(kind) by \(actor)",
            kind.make("a", 0o2770) + [
              Step(actor, .setAccessList("a", sample.1)),
              Step(actor, .setAccessList("a", sample.1, isDefault: true)),
              .root(.attribute("a", "system.posix_acl_access")),
            ]
              + Actor.allCases.flatMap { who -> [Step] in
                [
                  Step(who, .access("a", .read)), Step(who, .access("a", .write)),
                  Step(who, .access("a", .execute, effective: true)),
                ]
              } + [
                .root(.chmod("a", 0o640)), .root(.attribute("a", "system.posix_acl_access")),
                .root(.chmod("a", 0o0777)), .root(.lchown("a", 6002, 6003)),
                Step(actor, .removeAttribute("a", "system.posix_acl_access")),
                Step(actor, .removeAttribute("a", "system.posix_acl_default")),
              ]))
      }
    }
    return cases
  }

  private static var inheritance: [Case] {
    let makers: [(String, Call)] = [
      ("file", .create("d/n", 0o666)), ("private file", .create("d/n", 0o600)),
      ("directory", .mkdir("d/n", 0o777)), ("fifo", .mknod("d/n", .fifo | 0o666)),
      ("symlink", .symlink("x", "d/n")), ("socket", .bind("d/n")),
      ("set-id", .create("d/n", 0o6777)),
    ]
    return pairs(pairs(samples, makers), [0, 0o077] as [Mode]).map {
      let ((sample, maker), mask) = $0
      return Case(
        "acl/inherit \(sample.0)/\(maker.0) umask \(mask)",
        [
          .root(.mkdir("d", 0o2777)), .root(.setAccessList("d", sample.1, isDefault: true)),
          .root(.umask(mask)), .owner(maker.1), .root(.lstat("d/n")),
          .root(.attribute("d/n", "system.posix_acl_access")),
          .root(.attribute("d/n", "system.posix_acl_default")), .owner(.mkdir("d/m", 0o750)),
          .owner(.create("d/m/k", 0o644)), .owner(.rename("d/n", "n")),
        ])
    }
  }
}
