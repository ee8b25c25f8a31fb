import Extant
import ExtantBase
import TestSupport

/// What Images/make-images.sh wrote down of a fixture image.
struct Manifest {
  struct Line: Equatable {
    var path: [UInt8]
    var mode: UInt32
    var links: UInt32
    var uid: UInt32
    var gid: UInt32
    /// Nil for directories.
    var size: UInt64?
    var modificationTime: Timestamp
    var device: String
    /// cksum's CRC of a file's contents or a link's target; "-" for all else.
    var contents: String
    /// logical:physical:length in blocks, "u" after unwritten ones; "-" where there are none.
    var extents: String
    /// name=hex, sorted, separated by commas; "-" where there are none.
    var attributes: String
  }

  var lines: [Line]

  init?(_ text: String) {
    lines = []
    for row in text.split(separator: "\n") {
      let fields = row.split(separator: "\t", omittingEmptySubsequences: false).map(String.init)
      guard fields.count == 11, let mode = UInt32(fields[1], radix: 8),
        let links = UInt32(fields[2]), let uid = UInt32(fields[3]), let gid = UInt32(fields[4]),
        let time = Self.time(fields[6])
      else { return nil }
      lines.append(
        Line(
          path: Self.unquoted(fields[0]), mode: mode, links: links, uid: uid, gid: gid,
          size: UInt64(fields[5]), modificationTime: time, device: fields[7],
          contents: fields[8], extents: fields[9], attributes: fields[10]))
    }
  }

  /// stat's %.9Y: of a time before 1970 the fraction counts away from it.
  private static func time(_ text: String) -> Timestamp? {
    let parts = text.split(separator: ".")
    guard parts.count == 2, let seconds = Int64(parts[0]), let fraction = UInt32(parts[1]) else {
      return nil
    }
    guard text.hasPrefix("-"), fraction > 0 else {
      return Timestamp(seconds: seconds, nanoseconds: fraction)
    }
    return Timestamp(seconds: seconds - 1, nanoseconds: 1_000_000_000 - fraction)
  }

  /// What bash's printf %q quoted.
  private static func unquoted(_ text: String) -> [UInt8] {
    var bytes = Array(text.utf8)
    let isDollar = text.hasPrefix("$'")
    if isDollar { bytes = Array(bytes.dropFirst(2).dropLast()) }
    var result: [UInt8] = []
    var index = 0
    while index < bytes.count {
      guard bytes[index] == UInt8(ascii: "\\"), index + 1 < bytes.count else {
        result.append(bytes[index])
        index += 1
        continue
      }
      let digits = bytes[(index + 1)...].prefix(3).filter { (0x30...0x37).contains($0) }
      if isDollar, digits.count == 3 {
        result.append(digits.reduce(0) { $0 &* 8 &+ ($1 - 0x30) })
        index += 4
      } else {
        result.append(bytes[index + 1])
        index += 2
      }
    }
    return result
  }
}

/// The CRC of POSIX's cksum.
enum Checksum {
  private static let table: [UInt32] = (0..<256).map { index in
    (0..<8).reduce(UInt32(index) << 24) { crc, _ in
      crc & 0x8000_0000 != 0 ? crc << 1 ^ 0x04C1_1DB7 : crc << 1
    }
  }

  static func of(_ bytes: [UInt8]) -> String {
    var crc: UInt32 = 0
    func add(_ byte: UInt8) { crc = crc << 8 ^ table[Int(UInt8(crc >> 24) ^ byte)] }
    for byte in bytes { add(byte) }
    var length = bytes.count
    while length > 0 {
      add(UInt8(length & 0xff))
      length >>= 8
    }
    return String(~crc)
  }
}
