extension Case {
  /// FS_IOC_SETFLAGS for each kind and actor, and what append-only and immutable forbid.
  static var flagCases: [Case] { settings + forbidding }

  static let bits: [(String, InodeBits)] = [
    ("secureRemove", .secureRemove), ("undelete", .undelete), ("compress", .compress),
    ("sync", .sync), ("immutable", .immutable), ("append", .append), ("noDump", .noDump),
    ("noAccessTime", .noAccessTime), ("journalData", .journalData), ("noTail", .noTail),
    ("directorySync", .directorySync), ("top", .top), ("dax", .dax),
    ("projectInherit", .projectInherit), ("casefold", .casefold),
    ("indexed", InodeBits(rawValue: 0x1000)), ("huge", InodeBits(rawValue: 0x40000)),
    ("verity", InodeBits(rawValue: 0x10_0000)), ("valueInode", InodeBits(rawValue: 0x20_0000)),
    ("inline", InodeBits(rawValue: 0x1000_0000)), ("encrypt", InodeBits(rawValue: 0x800)),
    ("unknown", InodeBits(rawValue: 0x8000_0000)), ("nothing", []),
  ]

  private static var settings: [Case] {
    var cases: [Case] = []
    for (bit, kind) in pairs(bits, Kind.allCases) {
      for actor in Actor.allCases {
        // What the kernel says of both flags depends on CAP_SYS_RESOURCE, which root need not have.
        let askedWithoutExtents: [Step] =
          bit.1 == .journalData && (actor == .root || actor == .guest)
          ? [] : [Step(actor, .setInodeFlags("a", bit.1)), Step(actor, .inodeFlags("a"))]
        cases.append(
          Case(
            "flags/set/\(bit.0) of \(kind) by \(actor)",
            kind.make("a", 0o666) + [
              Step(actor, .inodeFlags("a")),
              Step(actor, .setInodeFlags("a", bit.1.union(.extents))),
              Step(actor, .inodeFlags("a")),
            ] + askedWithoutExtents + [
              Step(actor, .setInodeFlags("a", .extents)), Step(actor, .inodeFlags("a")),
            ]))
      }
      if kind == .directory {
        cases.append(
          Case(
            "flags/inherit/\(bit.0)",
            kind.make("a", 0o777) + [
              .root(.setInodeFlags("a", bit.1.union(.extents))), .root(.create("a/f")),
              .root(.mkdir("a/d")), .root(.symlink("x", "a/s")),
              .root(.mknod("a/p", .fifo | 0o600)),
              .root(.inodeFlags("a/f")), .root(.inodeFlags("a/d")),
            ]))
      }
    }
    for (kind, project) in pairs([Kind.file, .directory], [0, 1, 7] as [UInt32]) {
      cases.append(
        Case(
          "flags/project/\(project) of \(kind)",
          kind.make("a") + [.root(.setProject("a", project)), .owner(.setProject("a", project))]))
    }
    return cases
  }

  /// Every change to "a" (and "a/..." where it is a directory), through paths and descriptors.
  private static let changes: [(String, [Call])] = [
    ("write", [.pwrite(1, 3, at: 0), .pwrite(1, 3, at: 100)]),
    ("append", [.open(2, "a", [.writeOnly, .append]), .write(2, 3), .write(1, 3)]),
    ("open", [.open(2, "a"), .open(2, "a", .writeOnly), .open(2, "a", .readWrite)]),
    (
      "open to create", [.open(2, "a", [.create, .writeOnly]), .open(2, "a", [.create, .append])]
    ),
    ("open to truncate", [.open(2, "a", [.truncate, .writeOnly]), .open(2, "a", .truncate)]),
    ("open append and truncate", [.open(2, "a", [.truncate, .writeOnly, .append])]),
    ("open without access time", [.open(2, "a", .noAccessTime)]),
    ("truncate", [.truncate("a", 0), .truncate("a", 100), .ftruncate(1, 0), .ftruncate(1, 100)]),
    // A write that only fails on its way home is told by the next syncfs, once.
    (
      "map",
      [.map(1, writable: true, shared: true), .writeMappedSync(1, 3, at: 0), .fsync(1), .syncfs(1)]
    ),
    ("allocate", [.fallocate(1, [], 0, 9000), .fallocate(1, .keepSize, 0, 20_000)]),
    ("punch", [.fallocate(1, [.punchHole, .keepSize], 0, 4096)]),
    ("zero", [.fallocate(1, .zero, 0, 4096)]),
    ("collapse", [.fallocate(1, .collapse, 0, 4096)]),
    ("insert", [.fallocate(1, .insert, 0, 4096)]),
    ("copy into", [.copyRange(4, at: 0, to: 1, place: 0, 10), .sendfile(4, to: 1, 10)]),
    ("copy from", [.copyRange(1, at: 0, to: 4, place: 0, 10)]),
    ("chmod", [.chmod("a", 0o600), .fchmod(1, 0o600)]),
    ("chown", [.chown("a", 1, 1), .chown("a", .max, .max), .fchown(1, 2, 2)]),
    (
      "times",
      [.utimes("a", .now, .now), .utimes("a", SetTime(1), SetTime(2)), .futimes(1, .now, .now)]
    ),
    ("times omitted", [.utimes("a", .omit, .omit), .utimes("a", .omit, .now)]),
    ("set attribute", [.setLongAttribute("a", "user.n", 3), .setLongAttribute("a", "user.o", 4)]),
    ("set trusted", [.setLongAttribute("a", "trusted.n", 3)]),
    ("set security", [.setLongAttribute("a", "security.n", 3)]),
    ("remove attribute", [.removeAttribute("a", "user.o"), .removeAttribute("a", "user.none")]),
    ("access list", [.setAccessList("a", AccessList(.userObject(6), .groupObject(0), .other(0)))]),
    ("capability", [.setAttribute("a", "security.capability", capability)]),
    ("fsetxattr", [.fsetAttribute(1, "user.n", 3)]),
    ("link", [.link("a", "b")]), ("unlink", [.unlink("a")]), ("rmdir", [.rmdir("a")]),
    ("rename", [.rename("a", "b")]), ("rename over", [.rename("x", "a")]),
    ("exchange", [.rename("a", "x", .exchange)]), ("whiteout", [.rename("a", "b", .whiteout)]),
    ("create in", [.create("a/n"), .mkdir("a/m"), .symlink("x", "a/s"), .mknod("a/p", .fifo)]),
    ("remove in", [.unlink("a/f"), .rmdir("a/d")]),
    ("rename in", [.rename("a/f", "a/g"), .rename("a/f", "b"), .rename("x", "a/y")]),
    ("rename over in", [.rename("x", "a/f")]),
    ("exchange in", [.rename("x", "a/f", .exchange)]),
    ("link in", [.link("x", "a/l"), .link("a/f", "l")]),
    ("change in", [.chmod("a/f", 0o600), .truncate("a/f", 9), .utimes("a/f", .now, .now)]),
    ("read", [.pread(1, 10, at: 0), .list("a")]),
    ("sync", [.fsync(1), .fdatasync(1)]),
    ("descriptor", [.getDescriptorFlags(1), .setDescriptorFlags(1, .read)]),
    ("append descriptor", [.open(2, "a", [.writeOnly, .append]), .setDescriptorFlags(2, .read)]),
    ("flags", [.setInodeFlags("a", .extents), .inodeFlags("a")]),
    ("more flags", [.setInodeFlags("a", [.append, .immutable, .noDump, .extents])]),
    ("access", [.access("a", .write), .access("a", .read), .access("a", [.read, .execute])]),
    ("truncate open", [.unlink("b"), .open(2, "a", [.readWrite, .truncate, .create])]),
  ]

  private static var forbidding: [Case] {
    let flags: [(String, InodeBits)] = [
      ("immutable", .immutable), ("append-only", .append), ("both", [.immutable, .append]),
    ]
    var cases: [Case] = []
    for (flag, change) in pairs(flags, changes) {
      for (kind, actor) in pairs([Kind.file, .directory], [Actor.root, .owner]) {
        let inside: [Step] =
          kind == .directory
          ? [.root(.create("a/f", 0o666)), .root(.mkdir("a/d", 0o777))]
          : [.root(.open(1, "a", .readWrite)), .root(.write(1, 5000))]
        cases.append(
          Case(
            "flags/\(flag.0)/\(change.0) of \(kind) by \(actor)",
            kind.make("a", 0o777) + inside + [
              .root(.create("x", 0o666)), .root(.chown("x", 6001, 6001)),
              .root(.open(4, "x", .readWrite)), .root(.write(4, 100)),
              .root(.setLongAttribute("a", "user.o", 3)),
              .root(.setInodeFlags("a", flag.1.union(.extents))),
            ] + change.1.map { Step(actor, $0) }))
      }
    }
    return cases
  }
}
