import BlockIO
import Extant
import ExtantBase
import TestSupport
import Testing
import Threading

/// What is read ahead of a sequential reader is of the file's own blocks.
@Suite struct ReadAheadTests {
  @Test func nothingIsReadThatLiesBehindAnExtent() throws {
    let image = try EngineImage()
    let block = 4096
    var neighbours: [Range<UInt64>] = []
    try image.use { fs in
      // In turns, so that behind each extent of one file lies one of the other.
      let file = try fs.create("/a")
      let other = try fs.create("/b")
      for index in 0..<8 {
        let start = UInt64(index * 96 * block)
        try file.allocate(start..<start + UInt64(96 * block))
        try other.allocate(start..<start + UInt64(96 * block))
      }
      try file.writeAll(pattern(8 * 96 * block), at: 0)
      try other.writeAll(pattern(8 * 96 * block, seed: 2), at: 0)
      try fs.sync()
      #expect(try file.extents().count >= 4)
      for extent in try other.extents() {
        let start = try #require(extent.physical)
        neighbours.append(start..<start + extent.length)
      }
      file.close()
      other.close()
    }
    let device = ReadNotingDevice(try FileDevice(path: image.image.path, access: .readWrite))
    var options = FileSystem.Options()
    options.writeBackInterval = 0
    let fs = try FileSystem(device: device, options: options)
    let file = try fs.open("/a", .read)
    device.reads.withLock { $0 = [] }
    // Pieces that end where an extent does, and pieces that do not.
    for piece in [24, 40] {
      for first in stride(from: 0, to: 8 * 96, by: piece) {
        _ = try file.read(piece * block, at: UInt64(first * block))
      }
    }
    file.close()
    // Also what the background still does.
    try fs.close()
    let strays = device.reads.withLock { $0 }.filter { read in
      neighbours.contains { $0.overlaps(read) }
    }
    #expect(strays == [])
  }
}

private final class ReadNotingDevice: ForwardingDevice {
  let base: any BlockDevice
  let reads = Guarded<[Range<UInt64>]>([], .unranked)

  init(_ base: any BlockDevice) { self.base = base }

  func read(into bytes: inout MutableRawSpan, at offset: UInt64) throws(FileSystemError) {
    let end = offset + UInt64(bytes.byteCount)
    reads.withLock { $0.append(offset..<end) }
    try base.read(into: &bytes, at: offset)
  }
}
