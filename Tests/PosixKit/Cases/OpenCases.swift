extension Case {
  /// open(2): each flag on each kind, and what the descriptor then takes; fsync of everything.
  static var openCases: [Case] { flags + modes + synchronising + temporary }

  private static var flags: [Case] {
    let flags: [(String, OpenFlags)] = [
      ("read", .read), ("write", .writeOnly), ("both", .readWrite),
      ("neither", OpenFlags(rawValue: 3)),
      ("append", [.writeOnly, .append]), ("read append", .append),
      ("truncate", [.readWrite, .truncate]), ("read truncate", .truncate),
      ("create", [.create, .readWrite]), ("create exclusive", [.create, .exclusive]),
      ("create directory", [.create, .directory]), ("exclusive", .exclusive),
      ("directory", .directory), ("write directory", [.directory, .writeOnly]),
      ("no follow", .noFollow), ("create no follow", [.create, .noFollow]), ("path", .path),
      ("path no follow", [.path, .noFollow]), ("path directory", [.path, .directory]),
      ("no access time", .noAccessTime), ("direct", .direct),
      ("direct write", [.direct, .readWrite]),
      ("sync", [.sync, .readWrite]), ("data sync", [.dataSync, .readWrite]),
      ("unknown", OpenFlags(rawValue: 1 << 30)),
    ]
    var cases: [Case] = []
    for (flag, kind) in pairs(flags, Kind.allCases) {
      for actor in [Actor.root, .owner, .other, .guest] {
        // Without O_NONBLOCK a fifo would wait for its other end.
        cases.append(
          Case(
            "open/\(flag.0)/\(kind) by \(actor)",
            kind.make("a", 0o744) + [
              Step(actor, .open(1, "a", flag.1.union(.nonBlocking))),
              Step(actor, .open(2, "new", flag.1.union(.nonBlocking))),
              Step(actor, .open(3, "a/", flag.1.union(.nonBlocking))),
              Step(actor, .fstat(1)), Step(actor, .getDescriptorFlags(1)),
            ]))
      }
      if kind == .file || kind == .directory || kind == .symlink {
        cases.append(
          Case(
            "open/use \(flag.0)/\(kind)",
            kind.make("a", 0o755) + [.root(.create("target", 0o644))] + [
              .root(.open(1, "a", flag.1)), .root(.read(1, 10)), .root(.write(1, 5)),
              .root(.pwrite(1, 5, at: 2)), .root(.read(1, 10)), .root(.pread(1, 10, at: 0)),
              .root(.seek(1, 0, .current)), .root(.seek(1, -3, .current)),
              .root(.seek(1, -1, .start)),
              .root(.seek(1, 5, .end)), .root(.write(1, 2)), .root(.ftruncate(1, 3)),
              .root(.fallocate(1, [], 0, 10)), .root(.fchmod(1, 0o700)), .root(.fchown(1, 3, 3)),
              .root(.futimes(1, SetTime(5), SetTime(6))), .root(.fsync(1)), .root(.fdatasync(1)),
              .root(.syncfs(1)), .root(.fsetAttribute(1, "user.a", 3)), .root(.fstat(1)),
              .root(.map(1, writable: false, shared: true)),
              .root(.map(1, writable: true, shared: true)),
              .root(.map(1, writable: true, shared: false)), .root(.linkDescriptor(1, "b")),
              .root(.flock(1, .shared)), .root(.setDescriptorFlags(1, .append)),
              .root(.write(1, 3)), .root(.setDescriptorFlags(1, .direct)),
              .root(.getDescriptorFlags(1)),
            ]))
      }
    }
    return cases
  }

  private static var modes: [Case] {
    ([0, 0o200, 0o400, 0o444, 0o777] as [Mode]).flatMap { mode in
      [Actor.root, .owner].map { actor in
        Case(
          "open/created with \(mode) by \(actor)",
          [
            Step(actor, .open(1, "f", [.create, .readWrite], mode)), Step(actor, .write(1, 5)),
            Step(actor, .pread(1, 5, at: 0)), Step(actor, .open(2, "f", .readWrite)),
            Step(actor, .open(2, "f", [.create, .readWrite], 0o777)), Step(actor, .fstat(1)),
          ])
      }
    }
  }

  private static var synchronising: [Case] {
    let accesses: [(String, OpenFlags)] = [
      ("read", .read), ("write", .writeOnly), ("both", .readWrite), ("path", [.path, .noFollow]),
      ("append", [.writeOnly, .append]),
    ]
    return pairs(pairs(Kind.allCases, accesses), [Actor.root, .owner, .other]).map {
      let ((kind, access), actor) = $0
      return Case(
        "open/sync/\(kind) \(access.0) by \(actor)",
        kind.make("a", 0o666) + [
          Step(actor, .open(1, "a", access.1.union(.nonBlocking))), Step(actor, .fsync(1)),
          Step(actor, .fdatasync(1)), Step(actor, .syncfs(1)), .root(.unlink("a")),
          Step(actor, .fsync(1)), Step(actor, .fdatasync(1)),
        ])
    }
  }

  private static var temporary: [Case] {
    [Actor.root, .owner].map { actor in
      Case(
        "open/O_TMPFILE/by \(actor)",
        [
          .root(.mkdir("d", 0o777)), Step(actor, .open(1, "d", [.temporary, .readWrite], 0o640)),
          Step(actor, .write(1, 10)), Step(actor, .fstat(1)), .root(.linkDescriptor(1, "d/f")),
        ])
    } + [
      Case(
        "open/not O_TMPFILE",
        [
          .root(.mkdir("d")), .root(.create("f")), .root(.open(1, "d", .temporary)),
          .root(.open(1, "f", [.temporary, .readWrite])),
          .root(.open(1, "none", [.temporary, .readWrite])),
        ])
    ]
  }
}
