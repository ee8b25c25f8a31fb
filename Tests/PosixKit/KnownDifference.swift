/// Cases in which we cannot, or will not, answer as the kernel's ext4 does.
public struct KnownDifference: Sendable {
  /// The cases' names; a "*" at the end of one stands for anything.
  public var cases: [String]
  public var reason: String

  /// One that no case shows any more is a fault of this list (`KnownDifference.stale`).
  public static let all: [KnownDifference] = [
    KnownDifference(
      cases: ["open/O_TMPFILE/*"], reason: "libfuse 3.14 has no operation for O_TMPFILE"),
    KnownDifference(
      cases: ["read", "read empty", "read mapped", "write mapped", "copy", "sendfile"].flatMap {
        ["times/\($0)", "times/\($0), old times", "times/\($0), by another"]
      } + ["times/set/symlink"],
      reason: "the kernel answers from its cache, and tells a FUSE daemon of no access"),
    KnownDifference(
      cases: ["times/list", "times/list, old times"],
      reason: "libfuse 3.14 does not pass on with which flags a directory was opened: O_NOATIME"),
    KnownDifference(
      cases: [
        "read", "read append", "exclusive", "directory", "no follow", "no access time", "unknown",
      ]
      .map { "open/use \($0)/directory" },
      reason: "the kernel's FUSE client seeks in directories by itself, past their ends, too"),
    KnownDifference(
      cases: ["open/use direct write/file", "open/use direct write/symlink"],
      reason: "O_DIRECT is taken at any place and length, not only at whole sectors"),
    KnownDifference(
      cases: ["immutable", "append-only", "both"].flatMap { flag in
        ["unlink of directory", "rmdir of file", "rename over of directory"].flatMap { call in
          ["root", "owner"].map { "flags/\(flag)/\(call) by \($0)" }
        }
      },
      reason: "EPERM comes after EISDIR and ENOTDIR: the kernel knows no flags of a FUSE inode"),
    KnownDifference(
      cases: pairs(["immutable", "both"], ["file", "directory"]).flatMap { flag, kind in
        ["root", "owner"].map { "flags/\(flag)/access of \(kind) by \($0)" }
      },
      reason: "access(2) asks the kernel alone, which knows no flags of a FUSE inode"),
    KnownDifference(
      cases: ["flags/append-only/append descriptor of file by *"],
      reason: "F_SETFL asks the kernel alone, which knows no flags of a FUSE inode"),
    KnownDifference(
      cases: ["immutable", "append-only", "both"].map { "flags/\($0)/map of file by *" },
      reason: "mmap(2) asks the kernel alone, which knows no flags of a FUSE inode"),
    KnownDifference(
      cases: ["data/fallocate unshare/17592186040320 for *"]
        + ["ordinary", "smallBlocks"].map {
          "data/fallocate unshare/\(Int64.max - 10) for 10 in \($0)"
        },
      reason: "the kernel's FUSE client refuses UNSHARE_RANGE before it looks at the range"),
    KnownDifference(
      cases: ["17592186044415", "17592186044416", "1125899906842624", "\(Int64.max)"].flatMap {
        end in
        ["ordinary", "smallBlocks"].map { "data/size/write at \(end) in \($0)" }
      }
        + [17_592_186_040_320, 4_398_046_511_104].map { "data/size/write at \($0) in smallBlocks" },
      reason:
        "the kernel's FUSE client seeks by itself, past the largest file that ext4 can have, too"),
    KnownDifference(
      cases: pairs(["trusted.a", "trusted.overlay.opaque"], Kind.allCases).map {
        "attributes/\($0)/\($1) by guest"
      },
      reason: "a FUSE daemon is told the fsuid of who lists trusted.*, and no capabilities"),
    KnownDifference(
      cases: ["zero", "zero keep size"].map { "data/fallocate \($0)/4096 for 100000 in ordinary" }
        + ["allocate", "keep size"].map { "data/fallocate \($0)/4096 for 100000 in smallBlocks" }
        + ["allocate", "keep size", "zero", "zero keep size"].map {
          "data/fallocate \($0)/0 for \(1 << 30) in ordinary"
        },
      reason: "the kernel keeps a tree block that the extents need no more; st_blocks counts it"),
    KnownDifference(
      cases: pairs(["04755", "02755", "06755", "06666", "06711"], ["member", "other"]).map {
        "privileges/chown of nothing/\($0) by \($1)"
      } + ["02745", "02644"].map { "privileges/chown of nothing/\($0) by other" },
      reason: """
        of a file that somebody has open to write, chown(2) of -1 twice and what the kernel sends \
        ahead of a write are the same request, to the bit; refusing it would refuse writes
        """),
    KnownDifference(
      cases: pairs(
        pairs(convertible, ["file", "directory"]) + pairs(convertibleDirectory, ["directory"]),
        ["root", "owner", "guest"]
      ).map { "flags/set/\($0.0) of \($0.1) by \($1)" }
        + ["file", "directory"].map { "flags/set/append of \($0) by root" },
      reason: "without the flag of extents the kernel gives a file a block map, which we refuse to"),
    KnownDifference(
      cases: pairs(pairs(Case.bits.map(\.0), ["fifo", "character"]), ["member", "other"]).map {
        "flags/set/\($0.0) of \($0.1) by \($1)"
      },
      reason: "EPERM for strangers is the kernel's FUSE client's: it asks us nothing of such a file"
    ),
    KnownDifference(
      cases: pairs(["file", "directory", "fifo"], ["root", "owner"]).map {
        "acl/set 600 users/\($0) by \($1)"
      } + ["acl/inherit 600 users/*"],
      reason: "E2BIG: the kernel's FUSE client takes no access control list of more than a page"),
    KnownDifference(
      cases: [Stage.full, .fullSmallBlocks, .fullWithoutJournal].map {
        "space/\($0)/mapped write to a hole"
      },
      reason: "a store into a mapping asks nobody; that there is no room is told by msync(2)"),
  ]

  /// What SETFLAGS takes, and passes over or sets, of files of any kind.
  private static let convertible = [
    "secureRemove", "undelete", "compress", "sync", "noDump", "noAccessTime", "noTail", "dax",
    "indexed", "verity", "inline", "encrypt", "nothing",
  ]
  private static let convertibleDirectory = ["directorySync", "top", "projectInherit"]

  func covers(_ test: Case) -> Bool {
    cases.contains { $0.hasSuffix("*") ? test.name.hasPrefix($0.dropLast()) : test.name == $0 }
  }

  func explains(_ test: Case, _ differences: [Difference]) -> Bool {
    covers(test) && !differences.isEmpty
  }

  /// The entries that a run of all cases does not bear out: every case that one covers must differ.
  public static func stale(in report: Suite.Report) -> [String] {
    all.flatMap { entry -> [String] in
      let covered = report.results.filter { entry.covers($0.test) }
      if covered.isEmpty { return ["no case is known to differ since \(entry.reason)"] }
      return covered.filter { $0.differences.isEmpty }.map {
        "\($0.test.name) no longer differs, although \(entry.reason)"
      }
    }
  }
}
