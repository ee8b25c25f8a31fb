extension Case {
  /// File handles, locks, directories that are read while they change, and filesystem figures.
  static var handleCases: [Case] { handles + locks + reading }

  private static var handles: [Case] {
    var cases: [Case] = []
    for kind in Kind.allCases {
      for drops in [false, true] {
        let drop: [Step] = drops ? [.root(.dropCaches)] : []
        let flags: OpenFlags =
          kind == .symlink || kind == .socket ? .path : [.nonBlocking]
        let word = drops ? ", forgotten" : ""
        cases += [
          Case(
            "handles/\(kind)\(word)",
            kind.make("a") + [.root(.handle(1, "a"))] + drop + [
              .root(.openHandle(1, handle: 1, flags)), .root(.fstat(1)),
              .other(.openHandle(2, handle: 1, flags)),
            ]),
          Case(
            "handles/\(kind) renamed\(word)",
            [.root(.mkdir("d"))] + kind.make("a") + [
              .root(.handle(1, "a")), .root(.rename("a", "d/b")),
            ]
              + drop + [.root(.openHandle(1, handle: 1, flags)), .root(.fstat(1))]),
          Case(
            "handles/\(kind) removed\(word)",
            kind.make("a") + [
              .root(.handle(1, "a")), .root(kind == .directory ? .rmdir("a") : .unlink("a")),
            ] + drop + [.root(.openHandle(1, handle: 1, flags))]),
          Case(
            "handles/\(kind) removed and made again\(word)",
            kind.make("a") + [
              .root(.handle(1, "a")), .root(kind == .directory ? .rmdir("a") : .unlink("a")),
            ] + drop + (0..<4).flatMap { kind.make("b\($0)") }
              + [.root(.openHandle(1, handle: 1, flags))]),
        ]
      }
    }
    cases += [
      Case(
        "handles/removed while open",
        [
          .root(.create("a")), .root(.open(1, "a", .readWrite)), .root(.write(1, 100)),
          .root(.handle(1, "a")), .root(.unlink("a")), .root(.openHandle(2, handle: 1, .readWrite)),
          .root(.pread(2, 10, at: 0)), .root(.fstat(2)), .root(.close(1)),
          .root(.pread(2, 10, at: 5)),
          // A FUSE filesystem hears of the last close a moment after it.
          .root(.close(2)), .root(.pause), .root(.openHandle(3, handle: 1, .read)),
        ]),
      Case(
        "handles/contents",
        [
          .root(.open(1, "a", [.create, .readWrite])), .root(.write(1, 10_000, fill: 4)),
          .root(.handle(1, "a")), .root(.close(1)), .root(.dropCaches),
          .root(.openHandle(2, handle: 1, .readWrite)), .root(.pread(2, 20_000, at: 0)),
          .root(.pwrite(2, 10, at: 0, fill: 8)), .root(.openHandle(3, handle: 1, .truncate)),
          .root(.fstat(2)),
        ]),
      Case(
        "handles/of a directory in directories",
        [
          .root(.mkdir("a")), .root(.mkdir("a/b")), .root(.mkdir("a/b/c")),
          .root(.create("a/b/c/f")), .root(.handle(1, "a/b/c")), .root(.handle(2, "a/b/c/f")),
          .root(.dropCaches), .root(.openHandle(1, handle: 1, .directory)), .root(.fstat(1)),
          .root(.openHandle(2, handle: 2, .read)), .root(.fstat(2)), .root(.lstat("a/b/c/f")),
        ]),
    ]
    return cases
  }

  private static var locks: [Case] {
    var cases: [Case] = []
    let all: [Lock] = [.shared, .exclusive, .unlock]
    for (first, second) in pairs(all, all) {
      cases += [
        Case(
          "locks/flock/\(first) then \(second)",
          [
            .root(.create("f")), .root(.open(1, "f")), .root(.open(2, "f", .writeOnly)),
            .root(.flock(1, first)), .root(.flock(2, second)), .root(.flockInChild(1, second)),
            .root(.flockInChild(2, second)), .root(.close(1)), .root(.flock(2, second)),
          ])
      ]
      for (isOfd, range) in pairs([false, true], [(0, 0), (0, 10), (5, 10), (100, 1)]) {
        let (start, length) = (Int64(range.0), Int64(range.1))
        cases.append(
          Case(
            "locks/\(isOfd ? "ofd" : "posix") \(start) \(length)/\(first) then \(second)",
            [
              .root(.create("f")), .root(.open(1, "f", .readWrite)),
              .root(.open(2, "f", .readWrite)), .root(.lock(1, first, 5, 20, ofd: isOfd)),
              .root(.lock(2, second, start, length, ofd: isOfd)),
              .root(.lockHolder(2, second, start, length, ofd: isOfd)),
              .root(.lockInChild(1, second, start, length, ofd: isOfd)),
              .root(.lockInChild(2, second, start, length)),
              .root(.open(3, "f")), .root(.close(3)),
              .root(.lockInChild(2, .exclusive, start, length)), .root(.close(1)),
              .root(.lockInChild(2, .exclusive, start, length)), .root(.fstat(2)),
            ]))
      }
    }
    for (kind, access) in pairs(Kind.allCases, [OpenFlags.read, .writeOnly, .readWrite, .path]) {
      cases.append(
        Case(
          "locks/on \(kind) \(access)",
          kind.make("a") + [.root(.open(1, "a", access.union(.nonBlocking)))]
            + all.flatMap { lock -> [Step] in
              [
                .root(.lock(1, lock, 0, 0)), .root(.lock(1, lock, 0, 0, ofd: true)),
                .root(.flock(1, lock)), .root(.lock(1, lock, -5, 3)), .root(.lock(1, lock, 5, -3)),
                .root(.lock(1, lock, .max, 1)), .root(.lock(1, lock, 0, .min)),
              ]
            }))
    }
    return cases
  }

  private static var reading: [Case] {
    var cases: [Case] = []
    let walks: [Walk] = [.plain, .unlinking, .creating, .rewinding, .seeking]
    for (walk, count) in pairs(walks, [0, 1, 10, 300]) {
      for pause in Set([0, 1, 7, count / 2, count]).sorted() {
        cases.append(
          Case(
            "directories/\(walk) \(count)/after \(pause)",
            [
              .root(.mkdir("d")), .root(.many(.files, "d/", walk == .creating ? count / 2 : count)),
              .root(.walk("d", walk, pause: pause, count: count, kept: count / 2)),
              .root(.walk("d", .plain, pause: 0, count: count, kept: count / 2)),
            ]))
      }
    }
    cases += [
      Case(
        "directories/types",
        Kind.allCases.flatMap { $0.make("\($0)") }
          + [.root(.list(".")), .root(.list(".."))].dropLast()
      ),
      Case(
        "directories/removed while open",
        [
          .root(.mkdir("d")), .root(.create("d/f")), .root(.open(1, "d", .directory)),
          .root(.unlink("d/f")), .root(.rmdir("d")), .root(.read(1, 10)), .root(.fstat(1)),
          .root(.create("d/g")), .root(.list("d")),
        ]),
    ]
    return cases
  }
}
