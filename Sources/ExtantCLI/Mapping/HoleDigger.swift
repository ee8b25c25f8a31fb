import Extant
import ExtantBase
import ExtantFuse
import SystemPackage

/// Turns blocks that hold only zeros into holes.
struct HoleDigger {
  private let location: Location
  private let start: UInt64
  private let end: UInt64

  init(_ location: Location, _ offset: Int64, _ length: Int64?) throws {
    self.location = location
    guard offset >= 0, length ?? 1 > 0 else { throw CommandFailure("\(location): invalid range") }
    start = UInt64(offset)
    let (end, overflow) = start.addingReportingOverflow(UInt64(length ?? Int64.max))
    self.end = overflow ? UInt64(Int64.max) : end
  }

  /// - Returns: the number of bytes punched.
  func run() throws -> UInt64 {
    guard let image = location.image else { return try runOnHost() }
    let world = try ImageWorld(image: image, writing: true)
    do {
      let file = try at("\(location)") { () throws(FileSystemError) in
        try world.fileSystem.open(PathText.bytes(location.path), .readWrite)
      }
      defer { file.close() }
      let block = UInt64(world.fileSystem.superblock.blockSize)
      let freed = try dig(try world.reader(location.path), block) { range in
        try at("\(location)") { () throws(FileSystemError) in try file.punchHole(range) }
      }
      try world.close()
      return freed
    } catch {
      try? world.close()
      throw error
    }
  }

  private func runOnHost() throws -> UInt64 {
    do {
      let file = try FileDescriptor.open(
        FilePath(platformString: PathText.c(location.path)), .readWrite, options: .closeOnExec)
      defer { try? file.close() }
      let block = try FileMap(file, location.path).blockSize
      return try dig(try HostWorld().reader(location.path), block) { range in
        try MountedFile.fallocate(
          file, mode: FallocateMode([.punchHole, .keepSize]).rawValue,
          offset: Int64(range.lowerBound), length: Int64(range.upperBound - range.lowerBound))
      }
    } catch let error as Errno {
      throw CommandFailure("\(location): \(error)")
    }
  }

  private func dig(
    _ reader: any WorldReader, _ block: UInt64, _ punch: (Range<UInt64>) throws -> Void
  ) throws -> UInt64 {
    var freed: UInt64 = 0
    for range in try zeroRanges(reader, block) {
      try punch(range)
      freed += range.upperBound - range.lowerBound
    }
    return freed
  }

  /// Whole blocks of zeros in what is data.
  private func zeroRanges(
    _ reader: any WorldReader, _ block: UInt64
  ) throws -> [Range<UInt64>] {
    var ranges: [Range<UInt64>] = []
    var offset = (start + block - 1) / block * block
    while offset < end, let data = try reader.data(from: offset) {
      offset = max(offset, data.lowerBound / block * block)
      while offset < min(data.upperBound, end) {
        try Interruption.check()
        let bytes = try reader.read(Int(block), at: offset)
        if offset + UInt64(bytes.count) > end { return ranges }
        if !bytes.isEmpty, bytes.allSatisfy({ $0 == 0 }) {
          if let last = ranges.last, last.upperBound == offset {
            ranges[ranges.count - 1] = last.lowerBound..<offset + block
          } else {
            ranges.append(offset..<offset + block)
          }
        }
        offset += block
      }
    }
    return ranges
  }
}
