import TestSupport
import Testing
import TortureKit

/// A full disk beside the kernel's: two images alike, filled alike, and then everything that a user
/// may try. Where the kernel has room, we have; statfs says the same.
@Suite(
  .enabled(
    if: Environment.hasKernelMounts && Environment.hasFuse
      && System.exists(Environment.products + "/extant")))
struct FullDiskKernelTests {
  private static let program = Environment.products + "/extant"

  struct Disk: CustomTestStringConvertible {
    var blockSize: Int
    var options: [String] = []
    /// Root fills it to the last block; an ordinary user leaves what is root's.
    var byRoot = true
    /// For tune2fs.
    var tuning: [String] = []

    var testDescription: String {
      ([String(blockSize)] + options + tuning + [byRoot ? "by root" : "by a user"]).joined(
        separator: " ")
    }

    func image(at path: String) throws -> Image {
      let image = try Image.make(at: path, size: "32M", blockSize: blockSize, options: options)
      if !tuning.isEmpty { try Program.succeed(["tune2fs"] + tuning + [path]) }
      return image
    }
  }

  private typealias Op = TortureKit.Operation

  @Test(arguments: [
    Disk(blockSize: 4096), Disk(blockSize: 1024), Disk(blockSize: 1024, options: ["-m", "0"]),
    Disk(blockSize: 4096, options: ["-O", "^has_journal"]), Disk(blockSize: 1024, byRoot: false),
    Disk(blockSize: 4096, byRoot: false),
    // Root's reserve may be another's. (tune2fs -g is lost on Linux 6.18: it mounts with resgid=0.)
    Disk(blockSize: 4096, byRoot: false, tuning: ["-u", "1234"]),
  ])
  func whereTheKernelHasRoomSoHaveWe(disk: Disk) throws {
    let directory = try Self.openDirectory()
    let points = ["kernel", "extant"].map { directory($0) }
    for point in points { try System.makeDirectory(point) }
    let images = try points.map { try disk.image(at: $0 + ".image") }
    let participants: [any Participant] = [
      try SyscallParticipant(KernelDoor(image: images[0], point: points[0])),
      try SyscallParticipant(
        FuseDoor(
          image: images[1], point: points[1], program: Self.program, options: "allow_other")),
    ]
    let before = try points.map(Self.space)
    #expect(before[0] == before[1])
    for (participant, point) in zip(participants, points) {
      for operation in Self.preparation(disk.blockSize) {
        #expect(participant.perform(operation).errno == 0, "\(participant.name): \(operation)")
      }
      try Self.fill(participant, point, disk)
    }
    // Both leave what they keep back; we may keep a node for the last extent.
    let full = try points.map(Self.space)
    #expect(full[0][2] == 0 && full[1][2] <= 2)
    #expect(full[1][1] >= full[0][1] && full[1][1] <= full[0][1] + 2)
    for operation in Self.attempts(disk.blockSize) {
      let outcomes = participants.map { $0.perform(operation) }
      if case .fallocate(_, .zeroRange, _, _) = operation {
        // The kernel refuses it where a node is missing; here it takes one of those kept back.
        #expect(outcomes[1].errno == 0, "\(operation)")
      } else {
        #expect(outcomes[0].errno == outcomes[1].errno, "\(operation)")
      }
    }
    for participant in participants { #expect(try participant.finish() == nil) }
  }

  /// Through calls and through a mapping, by one who may not touch what is root's.
  @Test(arguments: [1024, 4096])
  func anOrdinaryUserWritesWhatIsPreallocated(blockSize: Int) throws {
    let disk = Disk(blockSize: blockSize, byRoot: false)
    let directory = try Self.openDirectory()
    let point = directory("mount")
    try System.makeDirectory(point)
    let door = FuseDoor(
      image: try disk.image(at: directory("image")), point: point, program: Self.program,
      options: "allow_other")
    let participant = try SyscallParticipant(door)
    try Self.writeInTurns(point, directory("block"), participant, disk)
    #expect(try participant.finish() == nil)
  }

  /// By a program of the user's, and through a mapping of this one's. The file is closed then.
  private static func writeInTurns(
    _ point: String, _ bytes: String, _ participant: any Participant, _ disk: Disk
  ) throws {
    let blockSize = disk.blockSize
    let file = try OpenFile(point + "/f", [.write, .create], mode: 0o666)
    try System.changeMode(point + "/f", 0o666)
    let count = 200
    try file.fallocate(mode: 0, offset: 0, length: Int64(2 * count * blockSize))
    try fill(participant, point, disk)
    #expect(try space(point)[2] <= 2)
    try System.write(Fill.bytes(1, blockSize), to: bytes)
    for index in stride(from: 0, to: count, by: 8) {
      try byUser([
        "dd", "if=" + bytes, "of=" + point + "/f", "bs=\(blockSize)", "count=1",
        "seek=\(2 * index)", "conv=notrunc,fsync", "status=none",
      ])
    }
    for index in stride(from: 1, to: count, by: 8) {
      let offset = Int64(2 * index * blockSize)
      #expect(try file.writeMapped(Fill.bytes(2, blockSize), at: offset) == blockSize)
    }
    try file.sync()
    try file.dropCache()
    for index in 0..<count {
      let expected: [UInt8] =
        switch index % 8 {
        case 0: Fill.bytes(1, blockSize)
        case 1: Fill.bytes(2, blockSize)
        default: [UInt8](repeating: 0, count: blockSize)
        }
      #expect(try file.read(blockSize, at: Int64(2 * index * blockSize)) == expected, "\(index)")
    }
  }

  // MARK: Steps

  private static func preparation(_ blockSize: Int) -> [Op] {
    let block = Int64(blockSize)
    var operations: [Op] = [
      .fallocate(.path("/unwritten"), mode: [], offset: 0, length: 512 * block),
      .fallocate(.path("/behind"), mode: .keepSize, offset: 0, length: 128 * block),
      .write(.path("/whole"), offset: 0, count: 256 * blockSize, fill: 1),
      .write(.path("/other"), offset: 0, count: 64 * blockSize, fill: 1),
      .create(path: "/plain", mode: 0o644), .create(path: "/attributes", mode: 0o644),
      .setAttribute(path: "/attributes", name: "user.long", count: 700, fill: 1, flags: 0),
      .makeDirectory(path: "/empty", mode: 0o755), .makeDirectory(path: "/names", mode: 0o755),
      .createMany(directory: "/names", first: 0, count: 3, nameLength: 20),
    ]
    for extents in [1, 2, 3, 4, 5, 30] {
      for index in 0..<extents {
        let offset = Int64(index) * 2 * block
        operations.append(
          .write(.path("/extents\(extents)"), offset: offset, count: blockSize, fill: 2))
      }
    }
    return operations
  }

  private static func attempts(_ blockSize: Int) -> [Op] {
    let block = Int64(blockSize)
    func path(_ name: String) -> FileReference { .path("/" + name) }
    var operations: [Op] = []
    // What is there already.
    for index in stride(from: Int64(1), to: 400, by: 3) {
      operations.append(
        .write(path("unwritten"), offset: index * block, count: blockSize, fill: 3))
    }
    for index in stride(from: Int64(1), to: 120, by: 5) {
      operations.append(.write(path("behind"), offset: index * block + 5, count: 20, fill: 4))
    }
    operations.append(
      .writeMapped(path("unwritten"), offset: 450 * block, count: 2 * blockSize, fill: 5))
    operations.append(.sync(path("unwritten"), dataOnly: false))
    for extents in [1, 2, 3, 4, 5, 30] {
      for index in 0..<extents {
        operations.append(
          .write(
            path("extents\(extents)"), offset: Int64(index) * 2 * block + 3, count: 50, fill: 6))
      }
    }
    // What changes no more than inodes and blocks that are there.
    operations += [
      .create(path: "/new", mode: 0o644), .link(path: "/plain", to: "/link"),
      .rename(path: "/link", to: "/moved", flags: 0),
      .rename(path: "/names", to: "/empty/names", flags: 0),
      .changeMode(path: "/plain", mode: 0o600), .changeOwner(path: "/plain", uid: 5, gid: 6),
      .setTimes(path: "/plain", access: 5, modification: 6, nanoseconds: 7),
      .setAttribute(path: "/plain", name: "user.a", count: 5, fill: 1, flags: 0),
      .setAttribute(path: "/attributes", name: "user.long", count: 500, fill: 2, flags: 0),
      .removeAttribute(path: "/plain", name: "user.a"), .truncate(path("plain"), size: 100_000),
    ]
    // What takes blocks for data.
    operations += [
      .write(path("plain"), offset: 50_000, count: 10, fill: 1),
      .append(path: "/extents1", count: 2 * blockSize, fill: 1),
      .fallocate(path("plain"), mode: [], offset: 0, length: 4 * block),
      .makeDirectory(path: "/directory", mode: 0o755), .symbolicLink(target: 200, path: "/symlink"),
      .setAttribute(path: "/plain", name: "user.long", count: 700, fill: 1, flags: 0),
    ]
    // What gives back.
    for index in 0..<20 {
      operations.append(
        .fallocate(
          path("whole"), mode: .zeroRange, offset: Int64(10 * index + 1) * block, length: 2 * block)
      )
      operations.append(
        .fallocate(
          path("whole"), mode: [.punchHole, .keepSize], offset: Int64(10 * index + 5) * block,
          length: block))
    }
    operations += [
      .fallocate(path("whole"), mode: .collapseRange, offset: 40 * block, length: 10 * block),
      .fallocate(path("whole"), mode: .insertRange, offset: 20 * block, length: 4 * block),
      .truncate(path("whole"), size: 101 * block + 7), .unlink(path: "/other"),
      .unlinkMany(directory: "/empty/names", first: 0, count: 3, step: 1, nameLength: 20),
      .removeDirectory(path: "/empty/names"), .removeDirectory(path: "/empty"),
      .unlink(path: "/unwritten"), .unlink(path: "/filler"), .sync(path("plain"), dataOnly: false),
      .write(path("plain"), offset: 0, count: 100 * blockSize, fill: 9),
      .makeDirectory(path: "/directory", mode: 0o755),
    ]
    return operations
  }

  /// Until nothing more fits, to the last block.
  private static func fill(
    _ participant: any Participant, _ point: String, _ disk: Disk
  ) throws {
    if disk.byRoot {
      var chunk = 1 << 18
      while chunk >= disk.blockSize {
        let outcome = participant.perform(.append(path: "/filler", count: chunk, fill: 8))
        #expect(outcome.errno == 0 || outcome.errno == 28)
        if outcome.errno != 0 { chunk /= 2 }
      }
    } else {
      try System.write([], to: point + "/filler")
      try System.changeMode(point, 0o777)
      try System.changeMode(point + "/filler", 0o666)
      let result = try Program.run(
        user + ["dd", "if=/dev/zero", "of=" + point + "/filler", "bs=\(disk.blockSize)"])
      #expect(result.status != 0)
    }
    try OpenFile(point, .directory).syncFileSystem()
    try OpenFile(point + "/filler").sync()
  }

  /// One that the user can reach into.
  private static func openDirectory() throws -> TemporaryDirectory {
    let directory = try TemporaryDirectory()
    try System.changeMode(directory.path, 0o755)
    return directory
  }

  private static let user = ["setpriv", "--reuid=1234", "--regid=1234", "--clear-groups"]

  private static func byUser(_ arguments: [String]) throws {
    try Program.succeed(user + arguments)
  }

  /// Blocks, free blocks, blocks that an ordinary user may have, as statfs(2) tells.
  private static func space(_ point: String) throws -> [UInt64] {
    try Program.succeed(["stat", "-f", "-c", "%b %f %a", point])
      .split(whereSeparator: \.isWhitespace).compactMap { UInt64($0) }
  }
}
