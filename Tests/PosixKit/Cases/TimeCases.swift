extension Case {
  /// Which of the three times each operation changes, and what times can be set.
  static var timeCases: [Case] { changes + settings + ranges }

  /// What is there before each: a file with contents, a directory with an entry, a symlink.
  private static let scene: [Step] = [
    .root(.mkdir("d", 0o777)), .root(.create("d/f", 0o666)), .root(.open(1, "d/f", .readWrite)),
    .root(.write(1, 10_000)), .root(.symlink("f", "d/s")), .root(.mkdir("d/e", 0o777)),
    .root(.mknod("d/p", .fifo | 0o666)), .root(.setLongAttribute("d/f", "user.a", 10)),
    .root(.create("d/x", 0o666)), .root(.open(2, "d/x", .readWrite)),
  ]

  private static let operations: [(String, [Call])] = [
    ("read", [.pread(1, 10, at: 0), .pread(1, 10, at: 0), .pread(1, 10, at: 100_000)]),
    ("read nothing", [.pread(1, 0, at: 0)]),
    ("read empty", [.pread(2, 10, at: 0)]),
    ("read mapped", [.readMapped(1, 100, at: 0), .readMapped(1, 100, at: 0)]),
    ("read direct", [.open(3, "d/f", .direct), .readDirect(3, 4096, at: 0)]),
    ("read without access time", [.open(3, "d/f", .noAccessTime), .pread(3, 10, at: 0)]),
    ("write", [.pwrite(1, 10, at: 0), .pwrite(1, 0, at: 0), .pwrite(1, 10, at: 20_000)]),
    ("write mapped", [.writeMappedSync(1, 100, at: 0)]),
    ("write direct", [.open(3, "d/f", [.readWrite, .direct]), .writeDirect(3, 4096, at: 0)]),
    ("truncate", [.truncate("d/f", 5), .truncate("d/f", 5), .truncate("d/f", 50)]),
    ("ftruncate", [.ftruncate(1, 5), .ftruncate(1, 5), .ftruncate(1, 50)]),
    ("open", [.open(3, "d/f"), .open(3, "d/f", [.create, .readWrite]), .close(3)]),
    ("open truncate", [.open(3, "d/f", [.truncate, .writeOnly])]),
    ("open truncate empty", [.open(3, "d/x", [.truncate, .writeOnly])]),
    ("create", [.create("d/n"), .create("d/n")]),
    ("mkdir", [.mkdir("d/n"), .mkdir("d/n")]),
    ("mknod", [.mknod("d/n", .fifo | 0o600)]),
    ("symlink", [.symlink("x", "d/n"), .readlink("d/n"), .readlink("d/n")]),
    ("link", [.link("d/f", "d/n"), .link("d/f", "d/n"), .link("d/s", "d/e/m")]),
    ("unlink", [.unlink("d/f"), .fstat(1)]),
    ("unlink one of two", [.link("d/f", "g"), .unlink("d/f")]),
    ("rmdir", [.rmdir("d/e"), .rmdir("d/e")]),
    ("rename", [.rename("d/f", "d/n"), .rename("d/n", "d/x"), .rename("d/x", "d/x")]),
    ("rename away", [.rename("d/f", "d/e/f"), .rename("d/e", "e")]),
    ("exchange", [.rename("d/f", "d/e", .exchange)]),
    ("whiteout", [.rename("d/f", "d/n", .whiteout)]),
    ("chmod", [.chmod("d/f", 0o600), .chmod("d/f", 0o600), .chmod("d/e", 0o700)]),
    ("fchmod", [.fchmod(1, 0o600)]),
    ("chown", [.chown("d/f", 1, 2), .chown("d/f", .max, .max), .lchown("d/s", 1, 2)]),
    ("fchown", [.fchown(1, 7, 7), .fchown(1, .max, .max)]),
    ("setxattr", [.setLongAttribute("d/f", "user.b", 5), .setLongAttribute("d/f", "user.b", 5)]),
    ("removexattr", [.removeAttribute("d/f", "user.a"), .removeAttribute("d/f", "user.a")]),
    ("getxattr", [.attribute("d/f", "user.a"), .attributeNames("d/f")]),
    ("acl", [.setAccessList("d/f", AccessList(.userObject(6), .groupObject(4), .other(0)))]),
    ("setflags", [.setInodeFlags("d/f", [.noDump, .extents]), .inodeFlags("d/f")]),
    ("allocate", [.fallocate(1, [], 0, 4096), .fallocate(1, [], 0, 40_960)]),
    ("allocate beyond", [.fallocate(1, .keepSize, 40_960, 4096)]),
    ("punch", [.fallocate(1, [.punchHole, .keepSize], 0, 4096)]),
    ("punch beyond", [.fallocate(1, [.punchHole, .keepSize], 100_000, 4096)]),
    ("zero", [.fallocate(1, .zero, 0, 4096), .fallocate(1, .zero, 20_000, 10)]),
    ("collapse", [.fallocate(1, .collapse, 0, 4096)]),
    ("insert", [.fallocate(1, .insert, 0, 4096)]),
    (
      "copy",
      [.copyRange(1, at: 0, to: 2, place: 0, 100), .copyRange(1, at: 99_999, to: 2, place: 0, 1)]
    ),
    ("sendfile", [.sendfile(1, to: 2, 100)]),
    ("list", [.list("d"), .walk("d", .plain, pause: 0, count: 0, kept: 0)]),
    ("fsync", [.fsync(1), .fdatasync(1)]),
    ("lookup", [.lstat("d/none"), .lstat("d/f"), .access("d/f", .read)]),
    ("readlink", [.readlink("d/s"), .readlink("d/s")]),
    ("follow", [.open(3, "d/s"), .truncate("d/s", 7)]),
    ("execute", [.execute("d/f")]),
  ]

  private static var changes: [Case] {
    operations.flatMap { name, calls in
      [
        Case("times/\(name)", .accessTimes, scene + calls.map { .root($0) }),
        // Old access times are brought forward by a read, relatime says.
        Case(
          "times/\(name), old times", .accessTimes,
          scene + [
            .root(.utimes("d/f", SetTime(1000, 5), SetTime(2000, 6))),
            .root(.utimes("d/s", SetTime(1000, 5), SetTime(2000, 6), follow: false)),
            .root(.utimes("d", SetTime(3000), SetTime(2000))),
          ] + calls.map { .root($0) }),
        Case(
          "times/\(name), by another", .accessTimes,
          scene + [.root(.chmod("d", 0o777))] + calls.map { .other($0) }),
      ]
    }
  }

  private static var settings: [Case] {
    let values: [(String, SetTime)] = [
      ("now", .now), ("omit", .omit), ("set", SetTime(1_000_000, 7)),
      ("wrong", SetTime(5, 1_000_000_000)), ("negative", SetTime(5, -1)),
    ]
    return pairs(pairs(values, values), Actor.allCases).map { times, actor in
      let (access, modification) = times
      return Case(
        "times/set/\(access.0) \(modification.0) by \(actor)", .accessTimes,
        Kind.file.make("a", 0o622) + [
          Step(actor, .utimes("a", access.1, modification.1)),
          .root(.open(1, "a", .readWrite)), Step(actor, .futimes(1, access.1, modification.1)),
        ])
    }
      + Kind.allCases.map { kind in
        Case(
          "times/set/\(kind)", .accessTimes,
          kind.make("a") + [
            .root(.utimes("a", SetTime(1, 2), SetTime(3, 4), follow: false)),
            .root(.utimes("a", .omit, .now, follow: false)),
            .root(.utimes("a", SetTime(9), SetTime(9), follow: true)),
            .other(.utimes("a", .now, .now, follow: false)),
            .root(.chmod("a", 0o666)), .other(.utimes("a", .now, .now, follow: false)),
          ])
      }
  }

  private static var ranges: [Case] {
    let seconds: [Int64] = [
      0, 1, -1, 0x7FFF_FFFF, 0x8000_0000, -0x8000_0000, -0x8000_0001, 0xFFFF_FFFF, 0x1_0000_0000,
      0x1_7FFF_FFFF, 0x1_8000_0000, 0x3_7FFF_FFFF, 0x3_8000_0000, 0x4_0000_0000, .max, .min,
      253_402_300_800,
    ]
    return seconds.map { second in
      Case(
        "times/range/\(second)", .accessTimes,
        [.root(.create("f")), .root(.mkdir("d"))]
          + ["f", "d"].flatMap { path -> [Step] in
            [
              .root(.utimes(path, SetTime(second), SetTime(1))),
              .root(.utimes(path, SetTime(1), SetTime(second, 999_999_999))),
              .root(.utimes(path, SetTime(second, 1), SetTime(second, 2))),
            ]
          } + [.root(.open(1, "f")), .root(.dropPages(1)), .root(.dropCaches), .root(.lstat("f"))])
    }
  }
}
