import TestSupport

/// FS_IOC_FIEMAP, as linux/fiemap.h lays it out, and EXTANT_IOC_FIEMAP, which is laid out alike.
public struct Fiemap: Sendable {
  /// The ioctl's number.
  let request: UInt64
  /// How many extents one call may bring.
  let capacity: Int

  public static let kernel = Fiemap(request: 0xC020_660B, capacity: 512)
  static let extant = Fiemap(request: 0xFFC8_E402, capacity: 291)

  private static let headerBytes = 32
  private static let extentBytes = 56

  public func extents(of file: OpenFile) throws(SystemFailure) -> [FileMap.Run] {
    var runs: [FileMap.Run] = []
    var start: UInt64 = 0
    while true {
      var argument = [UInt8](repeating: 0, count: Self.headerBytes + capacity * Self.extentBytes)
      Self.put(start, 8, at: 0, &argument)
      Self.put(UInt64.max - start, 8, at: 8, &argument)
      Self.put(1, 4, at: 16, &argument)  // FIEMAP_FLAG_SYNC
      Self.put(UInt64(capacity), 4, at: 24, &argument)
      try file.control(request, &argument)
      let count = Int(Self.get(4, at: 20, argument))
      guard count > 0 else { return runs }
      for index in 0..<count {
        let place = Self.headerBytes + index * Self.extentBytes
        let logical = Self.get(8, at: place, argument)
        let length = Self.get(8, at: place + 16, argument)
        let flags = Self.get(4, at: place + 40, argument)
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
