extension Case {
  /// fallocate, sparse files, coherence of the ways to read and write, limits of size.
  static var dataCases: [Case] { allocation + coherence + copies + sizes }

  private static var allocation: [Case] {
    let modes: [(String, FallocateFlags)] = [
      ("allocate", []), ("keep size", .keepSize), ("punch", [.punchHole, .keepSize]),
      ("punch alone", .punchHole), ("zero", .zero), ("zero keep size", [.zero, .keepSize]),
      ("collapse", .collapse), ("collapse keep size", [.collapse, .keepSize]), ("insert", .insert),
      ("unshare", .unshare), ("punch and zero", [.punchHole, .zero, .keepSize]),
      ("unknown", FallocateFlags(rawValue: 0x4000)),
    ]
    let ranges: [(Int64, Int64)] = [
      (0, 0), (-1, 10), (0, -1), (0, 1), (0, 4096), (4096, 4096), (5000, 3000), (4096, 100_000),
      (12_288, 4096), (20_480, 4096), (65_536, 8192), (0, 1 << 30), (1 << 40, 4096),
      (17_592_186_040_320, 4096), (17_592_186_040_320, 8192), (.max - 10, 10), (.max - 4095, 4096),
      (1024, 1024),
    ]
    var cases: [Case] = []
    for (mode, range) in pairs(modes, ranges) {
      for stage in [Stage.ordinary, .smallBlocks] where range.1 != 1 << 30 || stage == .ordinary {
        cases.append(
          Case(
            "data/fallocate \(mode.0)/\(range.0) for \(range.1) in \(stage)", .maps, on: stage,
            [
              .root(.open(1, "f", [.create, .readWrite])), .root(.write(1, 20_000, fill: 5)),
              .root(.pwrite(1, 3000, at: 40_960, fill: 6)), .root(.fsync(1)),
              .root(.fallocate(1, mode.1, range.0, range.1)), .root(.pread(1, 9000, at: 0)),
              .root(.pread(1, 9000, at: 36_864)), .root(.pwrite(1, 100, at: 6000, fill: 7)),
              .root(.fallocate(1, mode.1, range.0, range.1)), .root(.ftruncate(1, 30_000)),
            ]))
      }
    }
    for (mode, kind) in pairs(modes, Kind.allCases) {
      cases.append(
        Case(
          "data/fallocate \(mode.0)/on \(kind)",
          kind.make("a", 0o666) + [
            .root(.open(1, "a", [.readWrite, .nonBlocking])), .root(.open(2, "a", .nonBlocking)),
            .root(.fallocate(1, mode.1, 0, 4096)), .root(.fallocate(2, mode.1, 0, 4096)),
          ]))
    }
    return cases
  }

  /// Each way to write, then each way to read, with the pages cached before.
  private static var coherence: [Case] {
    let writes: [(String, Call)] = [
      ("write", .pwrite(1, 4096, at: 4096, fill: 9)),
      ("mapped", .writeMapped(1, 4096, at: 4096, fill: 9)),
      ("synced mapping", .writeMappedSync(1, 4096, at: 4096, fill: 9)),
      ("direct", .writeDirect(2, 4096, at: 4096, fill: 9)),
      ("punch", .fallocate(1, [.punchHole, .keepSize], 4096, 4096)),
      ("zero", .fallocate(1, .zero, 4096, 4096)),
      ("collapse", .fallocate(1, .collapse, 4096, 4096)),
      ("insert", .fallocate(1, .insert, 4096, 4096)), ("truncate", .ftruncate(1, 6000)),
      ("extend", .ftruncate(1, 50_000)), ("copy", .copyRange(1, at: 0, to: 1, place: 8192, 4096)),
      ("append", .write(3, 4096, fill: 9)),
      ("direct past the end", .writeDirect(2, 8192, at: 16_384)),
    ]
    let reads: [(String, [Call])] = [
      ("read", [.pread(1, 24_576, at: 0)]), ("mapped", [.readMapped(1, 8192, at: 0)]),
      ("direct", [.readDirect(2, 24_576, at: 0)]),
      ("another descriptor", [.open(5, "f"), .pread(5, 24_576, at: 0)]),
      ("dropped pages", [.dropPages(1), .pread(1, 24_576, at: 0)]),
      (
        "seek",
        [.fsync(1), .dropPages(1), .seek(1, 0, .hole), .seek(1, 0, .data), .seek(1, 0, .end)]
      ),
      ("then write", [.pwrite(1, 10, at: 5000, fill: 3), .readDirect(2, 8192, at: 0)]),
    ]
    return pairs(writes, reads).map { write, read in
      Case(
        "data/coherence/\(write.0) then \(read.0)", .maps,
        [
          .root(.open(1, "f", [.create, .readWrite])),
          .root(.open(2, "f", [.readWrite, .direct])),
          .root(.open(3, "f", [.writeOnly, .append])), .root(.write(1, 8192, fill: 1)),
          .root(.write(1, 8192, fill: 2)), .root(.readMapped(1, 16_384, at: 0)),
          .root(write.1),
        ] + read.1.map { .root($0) } + [
          .root(.dropPages(1)), .root(.pread(1, 65_536, at: 0)), .root(.fstat(1)),
        ])
    }
  }

  private static var copies: [Case] {
    let ranges: [(Int64, Int64, Int)] = [
      (0, 0, 100), (0, 50, 10), (0, 5000, 20_000), (5000, 0, 20_000), (100_000, 0, 10),
      (0, 100_000, 10), (0, 0, 0), (-1, 0, 10), (0, -1, 10), (10, 9, 100), (10, 200, 1_000_000),
      (0, .max - 5, 10), (4096, 8192, 4096),
    ]
    return ranges.flatMap { range -> [Case] in
      [true, false].map { isSame in
        Case(
          "data/copy/\(range) \(isSame ? "in a file" : "to another")", .maps,
          [
            .root(.open(1, "f", [.create, .readWrite])), .root(.write(1, 10_000, fill: 1)),
            .root(.pwrite(1, 5000, at: 30_000, fill: 2)),
            .root(.open(2, isSame ? "f" : "g", [.create, .readWrite])),
            .root(.open(3, "f")), .root(.open(4, "f", [.writeOnly, .append])),
            .root(.copyRange(1, at: range.0, to: 2, place: range.1, range.2)),
            .root(.copyRange(3, at: range.0, to: 3, place: range.1, range.2)),
            .root(.copyRange(4, at: range.0, to: 2, place: range.1, range.2)),
            .root(.copyRange(1, at: range.0, to: 4, place: range.1, range.2)),
            .root(.pread(2, 50_000, at: 0)),
          ])
      }
    }
      + Kind.allCases.map { kind in
        Case(
          "data/copy/with \(kind)",
          kind.make("a") + [
            .root(.open(1, "f", [.create, .readWrite])), .root(.write(1, 100)),
            .root(.open(2, "a", [.readWrite, .nonBlocking])), .root(.open(3, "a", .nonBlocking)),
            .root(.copyRange(1, at: 0, to: 2, place: 0, 10)),
            .root(.copyRange(3, at: 0, to: 1, place: 0, 10)),
          ])
      }
  }

  private static var sizes: [Case] {
    let ends: [Int64] = [
      0, 1, 4095, 4096, 1 << 20, 1 << 32, 1 << 40, 17_592_186_040_320, 17_592_186_044_415,
      17_592_186_044_416, 1 << 50, .max, -1, .min,
    ]
    var cases: [Case] = []
    for stage in [Stage.ordinary, .smallBlocks] {
      for end in ends + (stage == .smallBlocks ? [4_398_046_510_080, 4_398_046_511_104] : []) {
        cases += [
          Case(
            "data/size/truncate to \(end) in \(stage)", .maps, on: stage,
            [
              .root(.create("f")), .root(.truncate("f", end)), .root(.open(1, "f", .readWrite)),
              .root(.write(1, 10)), .root(.ftruncate(1, end)), .root(.seek(1, 0, .end)),
              .root(.seek(1, 0, .data)), .root(.seek(1, 0, .hole)), .root(.seek(1, end, .data)),
              .root(.seek(1, end, .hole)),
            ]),
          Case(
            "data/size/write at \(end) in \(stage)", .maps, on: stage,
            [
              .root(.open(1, "f", [.create, .readWrite])), .root(.pwrite(1, 10, at: end)),
              .root(.pwrite(1, 4096, at: end)), .root(.pread(1, 10, at: end)),
              .root(.seek(1, end, .start)), .root(.write(1, 1)), .root(.seek(1, 0, .current)),
              .root(.seek(1, 0, .end)), .root(.seek(1, 1, .data)), .root(.seek(1, 1, .hole)),
            ]),
        ]
      }
    }
    return cases
  }
}
