import ExtantBase
import SystemPackage

/// A recording in the format of the Linux device-mapper target log-writes, which tools such as
/// `replay-log` read: each write at its time, with flushes, FUA writes, discards and marks.
///
/// Layout, little-endian, in sectors of 512 bytes: a sector that starts with magic (8 bytes), version
/// 1 (8), number of entries (8) and sector size (4); then for each entry a sector that starts with
/// the first sector written (8), the number of sectors (8), flags (8) and the length of its text
/// (8), behind which a mark has its text; then, of a write, the sectors written.
///
/// Source: the kernel's Documentation/admin-guide/device-mapper/log-writes.rst.
public enum LogWrites {
  public static let magic: UInt64 = 0x6a_7366_7773_6872
  public static let version: UInt64 = 1
  /// In bytes.
  public static let sectorSize = 512
  /// In bytes: where a mark's text begins in its sector.
  static let entryHead = 32

  /// Bits of an entry's flags.
  public struct Flags: OptionSet, Sendable, Hashable {
    public var rawValue: UInt64
    public init(rawValue: UInt64) { self.rawValue = rawValue }
    public static let flush = Self(rawValue: 1)
    /// Force unit access: durable by itself.
    public static let fua = Self(rawValue: 2)
    public static let discard = Self(rawValue: 4)
    public static let mark = Self(rawValue: 8)
  }

  /// The whole log. Events and failed flushes are left out: the format has no word for them.
  ///
  /// Throws `.unsupported` for a write or discard that is not made of whole sectors.
  public static func encode(_ requests: [RecordedRequest]) throws(FileSystemError) -> [UInt8] {
    var body: [UInt8] = []
    var count: UInt64 = 0
    for (index, request) in requests.enumerated() {
      switch request {
      case .write(let write):
        let sectors = try sectors(write.offset, UInt64(write.bytes.count))
        append(&body, sectors, write.isDurable ? .fua : [])
        body += write.bytes
      case .flush:
        let failed = index + 1 < requests.count && requests[index + 1] == .flushFailed
        if failed { continue }
        append(&body, 0..<0, .flush)
      case .discard(let range):
        append(
          &body, try sectors(range.lowerBound, range.upperBound - range.lowerBound), .discard)
      case .mark(let text):
        append(&body, 0..<0, .mark, Array(text.utf8))
      case .flushFailed, .event: continue
      }
      count += 1
    }
    var head: [UInt8] = []
    for word in [magic, version, count] { append(&head, word) }
    head += (0..<4).map { UInt8(truncatingIfNeeded: sectorSize >> (8 * $0)) }
    return padded(head) + body
  }

  /// Writes the log to a file, which is made or overwritten.
  public static func write(
    _ requests: [RecordedRequest], to path: String
  ) throws(FileSystemError) {
    let bytes = try encode(requests)
    do {
      let file = try FileDescriptor.open(
        FilePath(path), .writeOnly, options: [.create, .truncate],
        permissions: [.ownerReadWrite, .groupRead, .otherRead])
      try file.closeAfter { _ = try file.writeAll(bytes) }
    } catch {
      throw .io(DeviceFailure(.write, error as? Errno ?? .ioError, device: path))
    }
  }

  private static func sectors(
    _ offset: UInt64, _ count: UInt64
  ) throws(FileSystemError) -> Range<UInt64> {
    let size = UInt64(sectorSize)
    guard offset % size == 0, count % size == 0 else {
      throw .unsupported(
        Unsupported(
          "log of unaligned writes",
          "\(count) bytes at \(offset) are not whole sectors of \(sectorSize) bytes"))
    }
    return offset / size..<(offset + count) / size
  }

  private static func append(
    _ log: inout [UInt8], _ sectors: Range<UInt64>, _ flags: Flags, _ text: [UInt8] = []
  ) {
    // A text is cut to what fits its sector, with a NUL.
    let text = text.prefix(sectorSize - entryHead - 1)
    var entry: [UInt8] = []
    for word in [sectors.lowerBound, UInt64(sectors.count), flags.rawValue, UInt64(text.count)] {
      append(&entry, word)
    }
    log += padded(entry + text)
  }

  private static func append(_ bytes: inout [UInt8], _ word: UInt64) {
    for shift in 0..<8 { bytes.append(UInt8(truncatingIfNeeded: word >> UInt64(8 * shift))) }
  }

  private static func padded(_ bytes: [UInt8]) -> [UInt8] {
    bytes + [UInt8](repeating: 0, count: sectorSize - bytes.count)
  }
}
