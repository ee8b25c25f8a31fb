import TortureKit

/// An operation, or an attribute whose bytes mean something.
enum ExchangeStep {
  case operation(TortureKit.Operation)
  case setAttribute(String, String, [UInt8])
  /// The bits of FS_IOC_SETFLAGS that are set besides those that are.
  case addFlags(String, UInt32)
}

extension ExchangeRecipe {
  /// A directory with one of everything, made from nothing.
  func creation(_ top: String) -> [ExchangeStep] {
    typealias Op = TortureKit.Operation
    let block = Int64(blockSize)
    var steps: [ExchangeStep] = []
    func add(_ operations: Op...) { steps += operations.map(ExchangeStep.operation) }
    func write(_ name: String, _ offset: Int64, _ count: Int, _ fill: UInt64) {
      add(.write(.path(top + name), offset: offset, count: count, fill: fill))
    }

    add(.makeDirectory(path: top, mode: 0o755), .create(path: top + "/empty", mode: 0o644))
    write("/small", 0, 14, 1)
    write("/large", 0, 100_000, 2)

    // Holes before, between and after data; a tail that ends inside a block; a far end.
    for (index, offset) in [70_000, 1_048_576, 5_000_000].enumerated() {
      write("/sparse", Int64(offset), 3000, UInt64(3 + index))
    }
    add(.truncate(.path(top + "/sparse"), size: 6_000_001))
    write("/far", 1 << 40, 100, 6)

    // Unwritten blocks with data in their midst, and more of them past the end of the file.
    let unwritten = FileReference.path(top + "/unwritten")
    add(.fallocate(unwritten, mode: [], offset: 0, length: 64 * block))
    add(.fallocate(unwritten, mode: .keepSize, offset: 64 * block, length: 40 * block + 1))
    write("/unwritten", 20 * block + 100, 3 * blockSize, 7)

    // Two extents a write: more than four full leaves, a tree of depth 2. And one of depth 1.
    let leaf = Int64((blockSize - 12) / 12)
    for (name, writes) in [("/deep", 2 * leaf + 20), ("/shallow", 30)] {
      let file = FileReference.path(top + name)
      add(.fallocate(file, mode: [], offset: 0, length: 2 * writes * block))
      for index in 0..<writes { write(name, 2 * index * block + 5, 20, UInt64(index)) }
    }
    for index in 0..<40 { write("/holes", Int64(index) * 3 * block, blockSize, UInt64(index)) }

    // Names: an index of one level, and of two.
    let names = top + "/names"
    add(.makeDirectory(path: names, mode: 0o755))
    add(.createMany(directory: names, first: 0, count: 150, nameLength: 40))
    add(.unlinkMany(directory: names, first: 0, count: 40, step: 3, nameLength: 40))
    for name in ["caf\u{e9}", "\u{65e5}\u{672c}\u{8a9e}", String(repeating: "n", count: 255)] {
      add(.create(path: names + "/" + name, mode: 0o600))
    }
    if hasLongDirectories {
      add(.makeDirectory(path: top + "/many", mode: 0o755))
      add(.createMany(directory: top + "/many", first: 0, count: 900, nameLength: 200))
    }

    add(
      .makeDirectory(path: top + "/a", mode: 0o750), .makeDirectory(path: top + "/a/b", mode: 0o711)
    )
    write("/a/b/file", 0, 7, 8)
    add(.link(path: top + "/a/b/file", to: top + "/hard"))
    add(.link(path: top + "/hard", to: top + "/a/another"))
    // The first two targets live in the inode, the others in a block.
    for length in [5, 59, 60, 700] {
      add(.symbolicLink(target: length, path: top + "/link-\(length)"))
    }

    add(
      .makeNode(path: top + "/fifo", mode: 0o010_644, major: 0, minor: 0),
      .makeNode(path: top + "/socket", mode: 0o140_755, major: 0, minor: 0),
      .makeNode(path: top + "/character", mode: 0o020_600, major: 5, minor: 1),
      .makeNode(path: top + "/block", mode: 0o060_660, major: 259, minor: 300_000))
    add(
      .create(path: top + "/set-id", mode: 0o644),
      .changeMode(path: top + "/set-id", mode: 0o6755),
      .makeDirectory(path: top + "/sticky", mode: 0o755),
      .changeMode(path: top + "/sticky", mode: 0o3777),
      .changeMode(path: top + "/empty", mode: 0o000),
      .changeOwner(path: top + "/large", uid: 3_000_000_000, gid: 65_537),
      .changeOwner(path: top + "/link-5", uid: 70_000, gid: 1))

    add(.create(path: top + "/attributes", mode: 0o644))
    func attribute(_ path: String, _ name: String, _ count: Int, _ fill: UInt64) {
      add(.setAttribute(path: top + path, name: name, count: count, fill: fill, flags: 0))
    }
    attribute("/attributes", "user.small", 5, 9)
    attribute("/attributes", "user.empty", 0, 9)
    attribute("/attributes", "user.large", 500, 10)
    attribute("/attributes", "trusted.extant", 3, 11)
    attribute("/a", "user.directory", 20, 12)
    attribute("/link-700", "trusted.link", 20, 13)
    for index in 0..<3 {
      // Blocks of attributes that inodes share.
      add(.create(path: top + "/shared-\(index)", mode: 0o644))
      attribute("/shared-\(index)", "user.shared", 400, 14)
    }
    steps.append(.setAttribute(top + "/small", "system.posix_acl_access", Self.accessList))
    steps.append(.setAttribute(top + "/a", "system.posix_acl_default", Self.defaultList))
    add(
      .makeDirectory(path: top + "/a/heir", mode: 0o755),
      .create(path: top + "/a/heir/file", mode: 0o644))

    // Append only, no dump, no access times; synchronous and the top of directories; immutable.
    add(.create(path: top + "/flags", mode: 0o644), .create(path: top + "/fixed", mode: 0o644))
    steps.append(.addFlags(top + "/flags", 0xE0))
    steps.append(.addFlags(top + "/a/heir", 0x2_0048))
    steps.append(.addFlags(top + "/fixed", 0x10))

    // Where 31 bits of seconds begin and end, and where ext4's 34 bits do.
    let times: [Int64] = [
      -2_147_483_648, -2, 0, 2_147_483_647, 2_147_483_648, 4_294_967_296, 15_032_385_535,
    ]
    for (index, time) in times.enumerated() {
      add(
        .create(path: top + "/time-\(index)", mode: 0o644),
        .setTimes(
          path: top + "/time-\(index)", access: time, modification: times[times.count - 1 - index],
          nanoseconds: index == 2 ? 1 : 999_999_999))
    }
    add(.setTimes(path: top + "/link-60", access: -1, modification: 1, nanoseconds: 5))
    return steps
  }

  /// Changes to what `creation` made, whoever ran it.
  func changes(_ top: String) -> [ExchangeStep] {
    typealias Op = TortureKit.Operation
    let block = Int64(blockSize)
    var steps: [ExchangeStep] = []
    func add(_ operations: Op...) { steps += operations.map(ExchangeStep.operation) }
    func write(_ name: String, _ offset: Int64, _ count: Int, _ fill: UInt64) {
      add(.write(.path(top + name), offset: offset, count: count, fill: fill))
    }
    func cut(_ name: String, _ mode: FallocateMode, _ first: Int64, _ count: Int64) {
      add(
        .fallocate(.path(top + name), mode: mode, offset: first * block, length: count * block))
    }

    // Into the trees that the other one built.
    cut("/deep", .collapseRange, 33, 51)
    cut("/deep", .insertRange, 100, 7)
    cut("/deep", [.punchHole, .keepSize], 200, 90)
    cut("/deep", .zeroRange, 10, 5)
    write("/deep", 150 * block + 3, 5 * blockSize, 20)
    cut("/shallow", .insertRange, 1, 1)
    write("/holes", 20 * block, 30 * blockSize, 21)
    add(.truncate(.path(top + "/holes"), size: 70 * block + 13))
    cut("/holes", .collapseRange, 5, 11)
    add(.truncate(.path(top + "/far"), size: 100))
    add(.truncate(.path(top + "/unwritten"), size: 30 * block))
    write("/unwritten", 50 * block, 10, 22)
    write("/large", 99_990, 5000, 23)
    add(.append(path: top + "/small", count: 4096, fill: 24))
    write("/sparse", 0, 10_000, 25)

    let names = top + "/names"
    add(
      .createMany(directory: names, first: 1000, count: 100, nameLength: 60),
      .unlinkMany(directory: names, first: 1, count: 40, step: 3, nameLength: 40),
      .rename(path: names + "/caf\u{e9}", to: top + "/coffee", flags: 0),
      .unlink(path: names + "/" + String(repeating: "n", count: 255)))
    if hasLongDirectories {
      add(
        .unlinkMany(
          directory: top + "/many", first: 0, count: 400, step: 2, nameLength: 200),
        .createMany(directory: top + "/many", first: 5000, count: 100, nameLength: 201))
    }

    add(
      .unlink(path: top + "/a/another"), .unlink(path: top + "/link-59"),
      .unlink(path: top + "/socket"), .unlink(path: top + "/link-700"),
      .rename(path: top + "/a", to: top + "/sticky/moved", flags: 0),
      .rename(path: top + "/large", to: top + "/small", flags: 2),
      .rename(path: top + "/empty", to: top + "/set-id", flags: 0),
      .makeDirectory(path: top + "/sticky/moved/heir/inherits", mode: 0o755),
      .symbolicLink(target: 300, path: top + "/link-59"))

    add(
      .removeAttribute(path: top + "/attributes", name: "user.large"),
      .setAttribute(path: top + "/attributes", name: "user.small", count: 300, fill: 26, flags: 2),
      .setAttribute(path: top + "/shared-1", name: "user.shared", count: 400, fill: 27, flags: 2),
      .setAttribute(path: top + "/shared-2", name: "user.other", count: 4, fill: 28, flags: 1),
      .unlink(path: top + "/shared-0"),
      .removeAttribute(path: top + "/large", name: "system.posix_acl_access"),
      .changeMode(path: top + "/sticky/moved/heir/file", mode: 0o640),
      .changeOwner(path: top + "/small", uid: 0, gid: 0),
      .setTimes(path: top + "/time-1", access: 1, modification: 5_000_000_000, nanoseconds: 7))
    return steps
  }

  /// Everything below `top` of some size goes away again.
  func removal(_ top: String) -> [ExchangeStep] {
    typealias Op = TortureKit.Operation
    let operations: [Op] = [
      .unlink(path: top + "/deep"), .unlink(path: top + "/far"), .unlink(path: top + "/holes"),
      .truncate(.path(top + "/shallow"), size: 0), .unlink(path: top + "/attributes"),
      .unlink(path: top + "/shared-1"), .unlink(path: top + "/unwritten"),
      .unlink(path: top + "/hard"),
      .unlinkMany(
        directory: top + "/names", first: 1000, count: 100, step: 1, nameLength: 60),
    ]
    return operations.map(ExchangeStep.operation)
  }

  /// user::rw-, user:1:rw-, group::r--, group:2:r--, mask::rwx, other::r--
  private static let accessList = list([
    (0x01, 6, .max), (0x02, 6, 1), (0x04, 4, .max), (0x08, 4, 2), (0x10, 7, .max),
    (0x20, 4, .max),
  ])
  /// user::rwx, user:4000000000:rwx, group::r-x, mask::rwx, other::---
  private static let defaultList = list([
    (0x01, 7, .max), (0x02, 7, 4_000_000_000), (0x04, 5, .max), (0x10, 7, .max), (0x20, 0, .max),
  ])

  /// posix_acl_xattr_header and its entries, as linux/posix_acl_xattr.h has them.
  private static func list(_ entries: [(tag: UInt16, bits: UInt16, id: UInt32)]) -> [UInt8] {
    var bytes: [UInt8] = [2, 0, 0, 0]
    for entry in entries {
      for half in [entry.tag, entry.bits] {
        bytes += [UInt8(truncatingIfNeeded: half), UInt8(truncatingIfNeeded: half >> 8)]
      }
      for shift in [0, 8, 16, 24] as [UInt32] {
        bytes.append(UInt8(truncatingIfNeeded: entry.id >> shift))
      }
    }
    return bytes
  }
}
