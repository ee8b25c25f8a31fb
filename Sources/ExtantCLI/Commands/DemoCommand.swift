import ArgumentParser
import BlockIO
import Extant
import ExtantBase
import ExtantFuse
import ExtantMake
import Glibc
import SystemPackage

/// `extant demo`: what the README shows, on an image of its own.
struct DemoCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "demo",
    abstract: "Mounts an image, cuts a file in every way and checks every byte.")

  @Flag(help: "Leave the image behind.")
  var keep = false

  func run() throws {
    // Ctrl-C ends it between two steps, with everything taken away.
    Interruption.watch()
    let directory = try temporaryDirectory()
    defer { if !keep { cleanUp(directory) } }
    let image = directory + "/demo.img"
    let mountpoint = directory + "/mnt"
    try Output.line("A new ext4 image of 64 MiB: \(image)")
    try make(image)
    guard unsafe mkdir(mountpoint, 0o700) == 0 else {
      throw CommandFailure("\(mountpoint): \(Errno(rawValue: Glibc.errno))")
    }
    try mount(image: image, at: mountpoint, options: MountOptions())
    try Output.line("Mounted at \(mountpoint) through FUSE.\n")
    do {
      var demo = try DemoFile(path: mountpoint + "/clip")
      try demo.run()
    } catch {
      _ = try? unmount(mountpoint)
      throw error
    }
    try unmount(mountpoint)
    try Output.line("Unmounted. What e2fsck says:")
    try check(image)
    if keep { try Output.line("The image is \(image).") }
  }

  private func temporaryDirectory() throws -> String {
    let base = unsafe getenv("TMPDIR").map { unsafe String(cString: $0) } ?? "/tmp"
    let path = "\(base)/extant-demo.\(getpid())"
    guard unsafe mkdir(path, 0o700) == 0 else {
      throw CommandFailure("\(path): \(Errno(rawValue: Glibc.errno))")
    }
    return path
  }

  private func cleanUp(_ directory: String) {
    unsafe unlink(directory + "/demo.img")
    unsafe rmdir(directory + "/mnt")
    unsafe rmdir(directory)
  }

  private func make(_ image: String) throws {
    let device = try FileDevice(path: image, access: .readWrite, create: 64 << 20)
    defer { try? device.close() }
    var options = MakeOptions()
    options.blockSize = 4096
    options.label = Array("demo".utf8)
    _ = try at(image) { () throws(FileSystemError) in try makeFileSystem(on: device, options) }
  }

  /// Runs e2fsck -fn with our standard output; fails unless it finds the image clean.
  private func check(_ image: String) throws {
    let program =
      ["/sbin/e2fsck", "/usr/sbin/e2fsck"].first { (path: String) in unsafe access(path, X_OK) == 0
      }
      ?? "e2fsck"
    let status = try ChildProcess.run([program, "-fn", image])
    guard status == 0 else { throw CommandFailure("e2fsck -fn gave \(status)") }
    try Output.line("\nEvery byte was right after every step, and e2fsck -fn is clean.")
  }
}

/// The file of the demo, and a plain copy of it in memory.
private struct DemoFile {
  private let path: String
  private let file: FileDescriptor
  private var copy: [UInt8] = []
  private var origin: UInt64?

  private static let mebibyte = 1 << 20

  init(path: String) throws {
    self.path = path
    do {
      file = try FileDescriptor.open(
        FilePath(path), .readWrite, options: [.create, .exclusiveCreate, .closeOnExec],
        permissions: [.ownerReadWrite])
    } catch { throw CommandFailure("\(path): \(error)") }
  }

  mutating func run() throws {
    defer { try? file.close() }
    try Output.line("A file of 8 MiB. " + picture.legend())
    var state: UInt64 = 42
    copy = (0..<8 * Self.mebibyte).map { _ in
      state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
      return UInt8(truncatingIfNeeded: state >> 56)
    }
    let start = Clock.nanoseconds
    do {
      try file.writeAll(toAbsoluteOffset: 0, copy)
    } catch { throw CommandFailure("\(path): \(error)") }
    try finish("write 8 MiB", since: start)

    let size = Self.mebibyte
    try step("allocate 2 MiB at 9 MiB: the file grows, nothing is written", [], 9 * size, 2 * size)
    {
      $0 += [UInt8](repeating: 0, count: 3 * size)
    }
    try step(
      "punch a hole of 1 MiB at 1.5 MiB", [.punchHole, .keepSize], 3 * size / 2, size
    ) { $0.zero(3 * size / 2, size) }
    try step(
      "zero 1 MiB and 1,000 bytes at 5 MiB and 77 bytes", .zeroRange, 5 * size + 77, size + 1000
    ) {
      $0.zero(5 * size + 77, size + 1000)
    }
    try step("collapse 2 MiB at 3 MiB: what follows moves down", .collapseRange, 3 * size, 2 * size)
    {
      $0.removeSubrange(3 * size..<5 * size)
    }
    try step("insert 1.5 MiB at 1 MiB: what follows moves up", .insertRange, size, 3 * size / 2) {
      $0.insert(contentsOf: [UInt8](repeating: 0, count: 3 * size / 2), at: size)
    }
    try step("allocate 1 MiB past the end, size kept", .keepSize, 12 * size, size) { _ in }
    try overwrite(at: size + 1234, count: 200_000)
  }

  private mutating func step(
    _ title: String, _ mode: FallocateMode, _ offset: Int, _ length: Int,
    _ change: (inout [UInt8]) -> Void
  ) throws {
    try Interruption.check()
    let start = Clock.nanoseconds
    do {
      try MountedFile.fallocate(
        file, mode: mode.rawValue, offset: Int64(offset), length: Int64(length))
    } catch { throw CommandFailure("\(title): \(error)") }
    let end = Clock.nanoseconds
    change(&copy)
    try finish(title, since: start, until: end)
  }

  private mutating func overwrite(at offset: Int, count: Int) throws {
    let bytes = (0..<count).map { UInt8(truncatingIfNeeded: $0 &* 31 &+ 7) }
    let start = Clock.nanoseconds
    do { try file.writeAll(toAbsoluteOffset: Int64(offset), bytes) } catch {
      throw CommandFailure("\(path): \(error)")
    }
    let end = Clock.nanoseconds
    copy.replaceSubrange(offset..<offset + count, with: bytes)
    try finish("write 200,000 bytes into the inserted hole", since: start, until: end)
  }

  private var picture: MapPicture {
    MapPicture(
      width: 64, lines: 8, isColoured: Output.isTerminal, cellBytes: 128 << 10, origin: origin)
  }

  /// Shows the file as it is now, and compares it with the copy.
  private mutating func finish(_ title: String, since start: UInt64, until end: UInt64? = nil)
    throws
  {
    let time = Clock.text((end ?? Clock.nanoseconds) - start)
    let map = try FileMap(file, path)
    if origin == nil { origin = map.extents.compactMap(\.physical).min() }
    try Output.line(
      "\n\(title): \(time); now \(map.size) bytes in \(map.extents.count) extent"
        + (map.extents.count == 1 ? "" : "s"))
    try Output.write(picture.text(map))
    try compare(map.size)
  }

  private func compare(_ size: UInt64) throws {
    guard size == UInt64(copy.count) else {
      throw CommandFailure("the file has \(size) bytes, the copy \(copy.count)")
    }
    let bytes = try HostWorld().reader(path).read(copy.count, at: 0)
    guard bytes == copy else {
      let place = zip(bytes, copy).enumerated().first { $0.1.0 != $0.1.1 }?.offset ?? bytes.count
      throw CommandFailure("the file differs from the copy at byte \(place)")
    }
    try Output.line("         every byte as in the copy")
  }
}

extension [UInt8] {
  fileprivate mutating func zero(_ offset: Int, _ count: Int) {
    for index in offset..<offset + count { self[index] = 0 }
  }
}

private enum Clock {
  static var nanoseconds: UInt64 {
    var time = timespec()
    unsafe clock_gettime(CLOCK_MONOTONIC, &time)
    return UInt64(time.tv_sec) * 1_000_000_000 + UInt64(time.tv_nsec)
  }

  /// 123 us, or 4.5 ms.
  static func text(_ nanoseconds: UInt64) -> String {
    let microseconds = nanoseconds / 1000
    guard microseconds >= 1000 else { return "\(microseconds) us" }
    return "\(microseconds / 1000).\(microseconds / 100 % 10) ms"
  }
}

/// A program run with our own standard output.
private enum ChildProcess {
  static func run(_ arguments: [String]) throws -> Int32 {
    fflush(nil)
    var pointers = unsafe arguments.map { unsafe strdup($0) }
    unsafe pointers.append(nil)
    defer { for index in unsafe pointers.indices { unsafe free(pointers[index]) } }
    var child: pid_t = 0
    guard let name = arguments.first else { throw CommandFailure("no program") }
    let error = unsafe posix_spawnp(&child, name, nil, nil, pointers, environ)
    guard error == 0 else { throw CommandFailure("\(name): \(Errno(rawValue: error))") }
    var status: Int32 = 0
    guard unsafe waitpid(child, &status, 0) == child, status & 0x7f == 0 else {
      throw CommandFailure("\(name) was ended by a signal")
    }
    return status >> 8 & 0xff
  }
}
