extension Case {
  /// A disk without room: what was promised holds, what needs room says so, what gives room works.
  static var spaceCases: [Case] { Self.stages.flatMap { promises($0) + changes($0) } + figures }

  private static let stages: [Stage] = [.full, .fullSmallBlocks, .fullWithoutJournal]

  private static func promises(_ stage: Stage) -> [Case] {
    let pieces = (0..<64).map { Int64($0 * 2 * 65_536) }
    return pairs([Actor.root, .owner], ["write", "mapped", "direct", "whole"]).map { actor, how in
      let writing: [Step]
      switch how {
      case "write": writing = pieces.map { Step(actor, .pwrite(1, 4096, at: $0, fill: 3)) }
      case "mapped":
        writing = pieces.map { Step(actor, .writeMappedSync(1, 4096, at: $0, fill: 3)) }
      case "direct": writing = pieces.map { Step(actor, .writeDirect(2, 4096, at: $0, fill: 3)) }
      default:
        writing = (0..<8).map { Step(actor, .pwrite(1, 1 << 20, at: Int64($0 << 20), fill: 3)) }
      }
      return Case(
        "space/\(stage)/preallocated, \(how) by \(actor)", .slow, on: stage,
        [
          Step(actor, .open(1, "p", [.create, .readWrite])),
          Step(actor, .fallocate(1, [], 0, 8 << 20)),
          Step(actor, .open(2, "p", [.readWrite, .direct])), Step(actor, .fsync(1)),
          .root(.fillDisk("fill")),
        ] + writing + [
          Step(actor, .fsync(1)), Step(actor, .fdatasync(1)), Step(actor, .dropPages(1)),
          Step(actor, .pread(1, 5000, at: 2 * 65_536)),
        ])
    }
      + [1, 2, 3, 4, 5, 30].map { extents in
        Case(
          "space/\(stage)/overwriting \(extents) extents", .slow, on: stage,
          [.root(.open(1, "w", [.create, .readWrite]))]
            + (0..<extents).flatMap { index -> [Step] in
              [.root(.pwrite(1, 8192, at: Int64(index * 32_768))), .root(.fsync(1))]
            } + [.root(.fillDisk("fill"))]
            + (0..<extents).map { .root(.pwrite(1, 8192, at: Int64($0 * 32_768), fill: 9)) } + [
              .root(.fsync(1)), .root(.dropPages(1)), .root(.pread(1, 40_000, at: 0)),
            ])
      }
  }

  /// What is asked of a full disk.
  private static let operations: [(String, [Call])] = [
    ("write", [.pwrite(1, 4096, at: 1 << 20), .fsync(1)]),
    ("hole", [.pwrite(1, 4096, at: 4096 * 5), .fsync(1)]),
    (
      "append inside the last block",
      [.ftruncate(1, 1000), .fsync(1), .pwrite(1, 10, at: 1000), .fsync(1)]
    ),
    ("allocate", [.fallocate(1, [], 1 << 20, 1 << 20)]),
    ("allocate more than there is", [.fallocate(1, [], 0, 1 << 30), .fstat(1)]),
    (
      "zero more than there is",
      [
        .pread(1, 9000, at: 0), .fallocate(1, .zero, 0, 1 << 30), .pread(1, 9000, at: 0), .fstat(1),
      ]
    ),
    ("punch", [.fallocate(1, [.punchHole, .keepSize], 0, 4096)]),
    ("zero", [.fallocate(1, .zero, 0, 4096), .fsync(1)]),
    ("collapse", [.fallocate(1, .collapse, 0, 4096)]),
    ("truncate", [.ftruncate(1, 100), .fsync(1)]),
    ("truncate up", [.ftruncate(1, 1 << 30)]),
    ("remove and write", [.unlink("fill"), .pwrite(1, 100_000, at: 1 << 20), .fsync(1)]),
    ("chmod", [.chmod("f", 0o600), .chown("f", 0, 5), .utimes("f", SetTime(1), SetTime(2))]),
    ("rename", [.rename("f", "g"), .rename("g", "f")]),
    ("rename over", [.rename("f", "fill")]),
    ("unlink", [.unlink("f"), .fstat(1)]),
    ("small attribute", [.setLongAttribute("f", "user.a", 10)]),
    ("large attribute", [.setLongAttribute("f", "user.a", 900)]),
    ("inline symlink", [.symlink("x", "s")]),
    ("long symlink", [.symlink(String(repeating: "s", count: 100), "s")]),
    ("mkdir", [.mkdir("d")]), ("create", [.create("n")]), ("link", [.link("f", "l")]),
    ("mknod", [.mknod("p", .fifo | 0o600)]),
    ("mapped write to a hole", [.writeMappedSync(1, 10, at: 4096 * 5)]),
    ("direct write", [.open(2, "f", [.readWrite, .direct]), .writeDirect(2, 4096, at: 1 << 20)]),
    ("copy", [.copyRange(1, at: 0, to: 1, place: 1 << 20, 4096)]),
  ]

  private static func changes(_ stage: Stage) -> [Case] {
    operations.map { name, calls in
      Case(
        "space/\(stage)/\(name)", .slow, on: stage,
        [
          .root(.open(1, "f", [.create, .readWrite])), .root(.write(1, 16_384)),
          .root(.ftruncate(1, 65_536)), .root(.fsync(1)), .root(.fillDisk("fill")),
        ] + calls.map { .root($0) })
    }
      + [
        Case(
          "space/\(stage)/an ordinary user's share", .slow, on: stage,
          [
            .owner(.fillDisk("fill by a user")), .owner(.open(1, "b", [.create, .readWrite])),
            .owner(.write(1, 4096)), .owner(.fsync(1)),
            .root(.open(2, "c", [.create, .readWrite])),
            .root(.write(2, 4096)), .root(.fsync(2)), .guest(.open(3, "e", [.create, .readWrite])),
            .guest(.write(3, 4096)), .root(.fillDisk("fill by root")), .root(.write(2, 4096)),
          ]),
        Case(
          "space/\(stage)/no inode left", .slow, on: stage,
          [
            .root(.mkdir("d")), .root(.many(.files, "d/", 5000)), .root(.create("n")),
            .root(.mkdir("m")), .root(.symlink("x", "s")), .root(.link("d/0", "l")),
            .root(.rename("d/1", "k", .whiteout)), .root(.unlink("d/2")), .root(.create("n")),
          ]),
      ]
  }

  private static var figures: [Case] {
    Stage.allCases.map { stage in
      Case("space/statfs/\(stage)", on: stage, [.root(.statfs(".")), .owner(.statfs("."))])
    }
  }
}
