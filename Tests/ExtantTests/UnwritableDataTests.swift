import ExtantBase
import TestSupport
import Testing

@testable import Extant

/// Contents that a commit makes part of a file, and that cannot be written: as with the kernel their blocks
/// become unwritten ones, the file's fsync is told, and nobody else is harmed.
@Suite struct UnwritableDataTests {
  enum History: CaseIterable, CustomTestStringConvertible {
    case preallocated, delayed, zeroed, shifted, overwritten
    var testDescription: String { "\(self)" }
  }

  static let kinds: [(blockSize: Int, options: [String])] = [
    (4096, []), (1024, []), (4096, ["-O", "^has_journal"]), (1024, ["-J", "size=1"]),
  ]

  /// Contents of 20 blocks; those of `marked` cannot be written.
  private static func blocks(_ blockSize: Int, marked: [Int]) -> [UInt8] {
    var bytes = pattern(20 * blockSize)
    for block in marked {
      bytes.replaceSubrange(
        block * blockSize..<block * blockSize + BadSectorDevice.mark.count,
        with: BadSectorDevice.mark)
    }
    return bytes
  }

  private static func open(_ image: EngineImage) throws -> (BadSectorDevice, FileSystem) {
    let device = try BadSectorDevice(image.image.path)
    var options = FileSystem.Options()
    options.writeBackInterval = 0
    let fs = try FileSystem(device: device, options: options)
    device.refuseMarked(true)
    return (device, fs)
  }

  @Test(arguments: History.allCases, kinds)
  func theyAreTheirFilesMisfortune(
    history: History, kind: (blockSize: Int, options: [String])
  ) throws {
    let size = kind.blockSize
    let image = try EngineImage(size: "16M", blockSize: size, options: kind.options)
    let (device, fs) = try Self.open(image)
    let bad = try fs.create("/bad")
    let marked = [0, 5, 6, 13, 19]
    var expected = Self.blocks(size, marked: marked)
    func zero(_ blocks: [Int]) {
      for block in blocks {
        expected.replaceSubrange(
          block * size..<(block + 1) * size, with: [UInt8](repeating: 0, count: size))
      }
    }
    switch history {
    case .preallocated, .shifted:
      try bad.allocate(0..<UInt64(20 * size))
      try fs.sync()
      try bad.writeAll(expected, at: 0)
      zero(marked)
      if history == .shifted {
        try bad.collapse(UInt64(size)..<UInt64(4 * size))
        expected.removeSubrange(size..<4 * size)
      }
    case .delayed:
      try bad.writeAll(expected, at: 0)
      zero(marked)
    case .zeroed:
      try bad.writeAll(pattern(20 * size, seed: 3), at: 0)
      try fs.sync()
      try bad.zeroRange(0..<UInt64(20 * size))
      try bad.writeAll(expected, at: 0)
      zero(marked)
    case .overwritten:
      // Old blocks keep what they had, new ones show nothing.
      try bad.writeAll(pattern(10 * size, seed: 3), at: 0)
      try fs.sync()
      try bad.writeAll(expected, at: 0)
      zero(marked.filter { $0 >= 10 })
    }
    let good = try fs.create("/good")
    try good.writeAll(pattern(300_000), at: 0)

    try good.sync()
    fs.flushPeriodically()
    try good.writeAll(pattern(300_000, seed: 2), at: 0)
    try good.sync()
    #expect(fs.journal.abortReason == nil)
    #expect(try bad.contents() == expected)
    #expect(throws: FileSystemError.self) { try bad.sync() }
    if history != .overwritten {
      // Nothing of them is left to be tried, or told, again.
      try bad.sync()
      #expect(fs.cache.dirtyByteCount == 0)
    }

    // Who syncs everything is another listener.
    device.refuseMarked(false)
    #expect(throws: FileSystemError.self) { try fs.sync() }
    try fs.sync()

    // What is written there afterwards is taken as ever.
    let again = pattern(size, seed: 9)
    try bad.writeAll(again, at: UInt64(5 * size + 100))
    expected.replaceSubrange(5 * size + 100..<6 * size + 100, with: again)
    try bad.sync()
    bad.close()
    good.close()
    try fs.close()
    try image.use { fs in
      for (path, contents) in [("/bad", expected), ("/good", pattern(300_000, seed: 2))] {
        let file = try fs.open(path, .read)
        #expect(try file.contents() == contents, "\(path)")
        file.close()
      }
    }
  }

  /// Nobody rewrites what failed: the device shows zeros, or what old blocks held, and never what lay in
  /// them before.
  @Test(arguments: History.allCases, kinds)
  func theDeviceShowsNothingOfThem(
    history: History, kind: (blockSize: Int, options: [String])
  ) throws {
    let size = kind.blockSize
    let image = try EngineImage(size: "16M", blockSize: size, options: kind.options)
    // So that any free block holds something that would be seen.
    try image.use { fs in
      let filler = try fs.create("/filler")
      let bytes = [UInt8](repeating: 0xee, count: 100_000)
      var offset: UInt64 = 0
      while let count = try? filler.write(bytes, at: offset), count > 0 { offset += UInt64(count) }
      filler.close()
      try fs.sync()
      try fs.unlink(FileName("filler"), in: .root)
    }
    let (_, fs) = try Self.open(image)
    let bad = try fs.create("/bad")
    let marked = [1, 2, 9, 18]
    let bytes = Self.blocks(size, marked: marked)
    var atMarked = [UInt8](repeating: 0, count: size)
    switch history {
    case .preallocated, .shifted:
      try bad.allocate(0..<UInt64(20 * size))
      try fs.sync()
    case .delayed: break
    case .zeroed:
      try bad.writeAll(pattern(20 * size, seed: 3), at: 0)
      try fs.sync()
      try bad.zeroRange(0..<UInt64(20 * size))
    case .overwritten:
      atMarked = [UInt8](repeating: 7, count: size)
      try bad.writeAll([UInt8](repeating: 7, count: 20 * size), at: 0)
      try fs.sync()
    }
    try bad.writeAll(bytes, at: 0)
    var first = 0
    if history == .shifted {
      try bad.insert(length: UInt64(size), at: 0)
      first = 1
    }
    #expect(throws: FileSystemError.self) { try fs.sync() }
    bad.close()
    try? fs.close()
    try image.use { fs in
      let file = try fs.open("/bad", .read)
      let seen = try file.contents()
      for block in 0..<20 {
        let start = (first + block) * size
        let wanted =
          marked.contains(block) ? atMarked : Array(bytes[block * size..<(block + 1) * size])
        #expect(Array(seen[start..<start + size]) == wanted, "block \(block)")
      }
      file.close()
    }
  }

  /// Every second block of a large extent: the commit that makes them unwritten splits it into
  /// thousands.
  @Test func manyOfThemSplitAnExtentInOneCommit() throws {
    let image = try EngineImage(size: "16M", blockSize: 1024, options: ["-J", "size=1"])
    let (_, fs) = try Self.open(image)
    let bad = try fs.create("/bad")
    let count = 6000
    try bad.allocate(0..<UInt64(count * 1024))
    try fs.sync()
    let block = [UInt8](repeating: 0x55, count: 1016)
    var bytes: [UInt8] = []
    for index in 0..<count {
      bytes += index % 2 == 0 ? BadSectorDevice.mark : [1, 2, 3, 4, 5, 6, 7, 8]
      bytes += block
    }
    try bad.writeAll(bytes, at: 0)
    let good = try fs.create("/good")
    try good.sync()
    #expect(fs.journal.abortReason == nil)
    #expect(throws: FileSystemError.self) { try bad.sync() }
    #expect(try bad.extents(limit: 10_000).count == count)
    bad.close()
    good.close()
    try? fs.close()
    try image.use { fs in
      let file = try fs.open("/bad", .read)
      let seen = try file.contents()
      for index in 0..<count {
        let start = index * 1024
        #expect(seen[start] == (index % 2 == 0 ? 0 : 1))
      }
      file.close()
    }
  }
}
