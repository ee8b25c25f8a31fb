import BlockIO
import ExtantBase
import Glibc
import TestSupport
import Testing
import Threading

@testable import Extant

/// Truncation and deletion that take several transactions, and crashes between these.
@Suite struct StepwiseRemovalTests {
  enum Removal: CaseIterable { case truncate, delete, punch }

  @Test(arguments: Removal.allCases)
  func aCrashBetweenTheStepsIsMendedAtTheNextOpening(_ removal: Removal) throws {
    // 512 groups, and a file in most of them: nine steps, three transactions.
    let image = try LargeShiftTests.image(size: "512M", blockSize: 1024, options: ["-g", "1024"])
    let length: UInt64 = 440 << 20
    var empty: UInt64 = 0
    try image.use { fs in
      empty = fs.statistics().freeBlocks
      let file = try fs.create("/a")
      try file.writeAll(pattern(5000), at: 0)
      try file.allocate(0..<length)
    }
    let device = CopyingDevice(
      OverlayDevice(base: try FileDevice(path: image.image.path, access: .readOnly)))
    let fs = try FileSystem(device: device, options: Self.options)
    let file = try fs.open("/a", .readWrite)
    device.isCopying.withLock { $0 = true }
    switch removal {
    case .truncate: try file.truncate(to: 1000)
    case .delete: try fs.unlink(try FileName("a"), in: .root)
    case .punch: try file.punchHole(4096..<length)
    }
    file.close()
    try fs.sync()
    device.isCopying.withLock { $0 = false }
    let transactions = fs.journal.statistics.commits
    #expect(transactions > 2)
    #expect(fs.journal.statistics.largestTransaction < 256)
    try fs.close()

    let copies = device.copies.withLock { $0 }
    var mended = 0
    for (index, copy) in copies.enumerated() {
      let again = try FileSystem(device: copy.copy(), options: Self.options)
      #expect(again.readOnlyReason == nil)
      let free = again.statistics().freeBlocks
      if let found = try? again.open("/a", .readWrite) {
        let size = found.attributes().size
        switch removal {
        case .truncate:
          #expect(size == 1000 || size == length)
          // Whatever was not begun is all there; whatever was begun is finished.
          if size == 1000 {
            mended += 1
            #expect(free + 2 >= empty)
          }
          #expect(try found.read(1000, at: 0) == Array(pattern(5000).prefix(1000)))
        case .delete:
          #expect(free < empty - (length >> 10) + 100)
          #expect(try found.read(5000, at: 0) == pattern(5000))
        case .punch: #expect(try found.read(4096, at: 0) == Array(pattern(5000).prefix(4096)))
        }
      } else {
        #expect(removal == .delete)
        #expect(free == empty)
        mended += 1
      }
      #expect(again.orphans.withLock { $0.nodes.isEmpty })
      try again.close()
      guard index == copies.count / 2 else { continue }
      try Self.judge(copy, image.directory("copy"))
    }
    #expect(removal == .punch || mended > 2)
  }

  static let options: FileSystem.Options = {
    var options = FileSystem.Options()
    options.writeBackInterval = 0
    return options
  }()

  /// Opens a copy, which recovers it, closes it, and asks e2fsck.
  private static func judge(_ device: OverlayDevice, _ path: String) throws {
    let recovered = device.copy()
    try FileSystem(device: KeptOpen(recovered), options: options).close()
    try Program.succeed(["truncate", "-s", String(device.byteCount), path])
    let file = try FileDevice(path: path, access: .readWrite)
    let buffer = BlockBuffer(byteCount: 1 << 20)
    let zeros = BlockBuffer(byteCount: 1 << 20)
    var nothing = zeros.mutableBytes
    nothing.zero(0..<1 << 20)
    for offset in stride(from: 0, to: device.byteCount, by: 1 << 20) {
      var bytes = buffer.mutableBytes
      try recovered.read(into: &bytes, at: offset)
      // The image stays sparse.
      guard !buffer.holdsTheSame(as: zeros) else { continue }
      try file.write(buffer.bytes, at: offset)
    }
    try file.close()
    let complaint = try Image(path: path).complaint()
    #expect(complaint == nil)
    try System.unlink(path)
  }
}

extension BlockBuffer {
  fileprivate func holdsTheSame(as other: BlockBuffer) -> Bool {
    unsafe bytes.withUnsafeBytes { mine in
      unsafe other.bytes.withUnsafeBytes { theirs in
        guard let a = mine.baseAddress, let b = theirs.baseAddress else { return true }
        return unsafe memcmp(a, b, mine.count) == 0
      }
    }
  }
}

/// Keeps a copy of itself from each flush: what a crash would leave there, if the flush came last.
private final class CopyingDevice: ForwardingDevice {
  let overlay: OverlayDevice
  let copies = Guarded<[OverlayDevice]>([], .unranked)
  let isCopying = Guarded(false, .unranked)

  init(_ overlay: OverlayDevice) { self.overlay = overlay }

  var base: any BlockDevice { overlay }
  func flush() throws(FileSystemError) {
    try overlay.flush()
    if isCopying.withLock({ $0 }) { copies.withLock { $0.append(overlay.copy()) } }
  }
  func close() throws(FileSystemError) {}
}
