import TestSupport

/// Our own mount, made and undone by the command line tool as a user does.
public struct FuseDoor: MountDoor {
  public let name = "mount"
  public let image: Image
  public let dirtiesWholeFolios = false
  private let point: String
  private let program: String
  private let options: String

  /// - Parameter program: the path of `extant`.
  public init(image: Image, point: String, program: String, options: String = "noatime") {
    self.image = image
    self.point = point
    self.program = program
    self.options = options
  }

  public func mount() throws -> Mount {
    if !System.exists(point) { try System.makeDirectory(point) }
    try Program.succeed([program, "mount", "-o", options, image.path, point])
    let program = program
    return Mount(point: point) { (point) throws(SystemFailure) in
      _ = try Program.succeed([program, "umount", point])
    }
  }

  /// EXTANT_IOC_FALLOCATE of extant_fallocate.h.
  private static let fallocateRequest: UInt64 = 0x4018_E401

  public func fallocate(
    _ file: OpenFile, _ mode: FallocateMode, _ offset: Int64, _ length: Int64
  ) throws(SystemFailure) {
    do throws(SystemFailure) {
      return try file.fallocate(mode: mode.rawValue, offset: offset, length: length)
    } catch {
      // EOPNOTSUPP: the kernel's FUSE client does not pass this mode on.
      guard error.errno == 95 else { throw error }
    }
    var argument = [UInt8](repeating: 0, count: 24)
    Fiemap.put(UInt64(bitPattern: offset), 8, at: 0, &argument)
    Fiemap.put(UInt64(bitPattern: length), 8, at: 8, &argument)
    Fiemap.put(UInt64(UInt32(bitPattern: mode.rawValue)), 4, at: 16, &argument)
    try file.control(Self.fallocateRequest, &argument)
    // The kernel learns the new size by asking.
    _ = try file.status()
  }

  public func seek(
    _ file: OpenFile, _ offset: Int64, hole: Bool
  ) throws(SystemFailure) -> Int64 {
    try hole ? file.seekHole(from: offset) : file.seekData(from: offset)
  }

  public func extents(of file: OpenFile) throws(SystemFailure) -> [FileMap.Run] {
    try Fiemap.extant.extents(of: file)
  }
}
