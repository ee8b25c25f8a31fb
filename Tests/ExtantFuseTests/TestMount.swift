import TestSupport

/// A fresh image under a mount of ours, made by the command line tool as a user does.
///
/// The directory's name tells what a killed run left behind (TemporaryDirectory); the mount and the
/// daemon end with this value in any case.
final class TestMount {
  let directory: TemporaryDirectory
  let image: Image
  private(set) var mount: Mount?
  var options: String

  static var program: String { Environment.products + "/extant" }
  static var shim: String { Environment.products + "/libextant-fallocate.so" }
  static let canRun = Environment.hasFuse && Environment.hasTools && System.exists(program)
  /// With the preloadable library, and programs to try it on.
  static func canPreload(_ programs: String...) -> Bool {
    canRun && System.exists(shim) && programs.allSatisfy { Environment.find($0) != nil }
  }

  var point: String { directory("mount") }

  init(
    size: String = "64M", blockSize: Int = 4096, options: String = "rw", make: [String] = []
  ) throws {
    directory = try TemporaryDirectory()
    image = try Image.make(
      at: directory("image"), size: size, blockSize: blockSize, options: make)
    self.options = options
    try System.makeDirectory(directory("mount"))
    try start()
  }

  func callAsFunction(_ name: String) -> String { point + "/" + name }

  func start() throws {
    // An earlier mount ends before it could take this one for its own.
    mount = nil
    try Program.succeed([Self.program, "mount", "-o", options, image.path, point])
    mount = Mount(point: point) { (point) throws(SystemFailure) in
      _ = try Program.succeed([Self.program, "umount", point])
    }
  }

  func stop() throws {
    try mount?.unmount()
    mount = nil
  }

  /// Unmounts after `body`, when it has closed its files, and asks e2fsck.
  func whileMounted(_ body: () throws -> Void) throws -> String? {
    try body()
    try stop()
    return try image.complaint()
  }

  /// The daemon's process, as the mount itself tells.
  func daemon() throws -> Int32 {
    var identity = [UInt8](repeating: 0, count: 40)
    try OpenFile(point, [.directory]).control(0x8028_E400, &identity)
    return Int32(bitPattern: UInt32(Bytes.integer(identity, at: 16, count: 4)))
  }

  /// Runs a program with the preloaded library.
  func preloaded(_ arguments: [String]) throws -> ProgramResult {
    try Program.run(arguments, environment: "LD_PRELOAD=" + Self.shim)
  }
}

/// Structures of ioctls, little-endian as on every machine this runs on.
enum Bytes {
  static func integer(_ bytes: [UInt8], at offset: Int, count: Int) -> UInt64 {
    (0..<count).reduce(0) { $0 | UInt64(bytes[offset + $1]) << UInt64(8 * $1) }
  }

  static func of(_ value: UInt64, count: Int) -> [UInt8] {
    (0..<count).map { UInt8(truncatingIfNeeded: value >> UInt64(8 * $0)) }
  }
}

extension OpenFile {
  /// EXTANT_IOC_FALLOCATE, and the fstat(2) that tells the kernel the size.
  func fallocateByIoctl(_ mode: Int32, _ offset: Int64, _ length: Int64) throws(SystemFailure) {
    var argument =
      Bytes.of(UInt64(bitPattern: offset), count: 8)
      + Bytes.of(UInt64(bitPattern: length), count: 8)
      + Bytes.of(UInt64(UInt32(bitPattern: mode)), count: 4) + [0, 0, 0, 0]
    try control(0x4018_E401, &argument)
    _ = try status()
  }
}

/// The errno of what `body` throws, 0 where it throws nothing.
func errno(_ body: () throws(SystemFailure) -> Void) -> Int32 {
  do throws(SystemFailure) { try body() } catch { return error.errno }
  return 0
}

enum FallocateBits {
  static let collapse: Int32 = 0x08
  static let insert: Int32 = 0x20
  static let punchHole: Int32 = 0x03
  static let zeroRange: Int32 = 0x10
}
