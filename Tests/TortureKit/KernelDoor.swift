import TestSupport

/// The kernel's ext4 on a loop device: the judge.
public struct KernelDoor: MountDoor {
  public let name: String
  public let image: Image
  private let point: String

  public init(image: Image, point: String, name: String = "kernel") {
    self.image = image
    self.point = point
    self.name = name
  }

  public func mount() throws -> Mount {
    try image.mountInKernel(at: point, options: "rw,nodev,noatime")
  }

  public func fallocate(
    _ file: OpenFile, _ mode: FallocateMode, _ offset: Int64, _ length: Int64
  ) throws(SystemFailure) {
    try file.fallocate(mode: mode.rawValue, offset: offset, length: length)
  }

  public func extents(of file: OpenFile) throws(SystemFailure) -> [FileMap.Run] {
    try Fiemap.extents(of: file)
  }
}

/// FS_IOC_FIEMAP, as linux/fiemap.h lays it out.
enum Fiemap {
  private static let request: UInt64 = 0xC020_660B
  private static let headerBytes = 32
  private static let extentBytes = 56

  static func extents(of file: OpenFile) throws(SystemFailure) -> [FileMap.Run] {
    var runs: [FileMap.Run] = []
    var start: UInt64 = 0
    while true {
      let capacity = 512
      var argument = [UInt8](repeating: 0, count: headerBytes + capacity * extentBytes)
      put(start, 8, at: 0, &argument)
      put(UInt64.max - start, 8, at: 8, &argument)
      put(1, 4, at: 16, &argument)  // FIEMAP_FLAG_SYNC
      put(UInt64(capacity), 4, at: 24, &argument)
      try file.control(request, &argument)
      let count = Int(get(4, at: 20, argument))
      guard count > 0 else { return runs }
      for index in 0..<count {
        let place = headerBytes + index * extentBytes
        let logical = get(8, at: place, argument)
        let length = get(8, at: place + 16, argument)
        let flags = get(4, at: place + 40, argument)
        runs.append(.init(range: logical..<logical + length, isUnwritten: flags & 0x800 != 0))
        start = logical + length
        if flags & 1 != 0 { return runs }
      }
    }
  }

  static func put(_ value: UInt64, _ width: Int, at place: Int, _ bytes: inout [UInt8]) {
    for index in 0..<width {
      bytes[place + index] = UInt8(truncatingIfNeeded: value >> (8 * UInt64(index)))
    }
  }

  static func get(_ width: Int, at place: Int, _ bytes: [UInt8]) -> UInt64 {
    (0..<width).reduce(0) { $0 | UInt64(bytes[place + $1]) << (8 * UInt64($1)) }
  }
}
