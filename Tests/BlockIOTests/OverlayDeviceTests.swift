import ExtantBase
import TestSupport
import Testing

@testable import BlockIO

@Suite struct OverlayDeviceTests {
  /// All in memory, and most of it in the temporary file.
  @Test(arguments: [Int.max, 3 * 4096, 0])
  func randomAccessesSeeTheirOwnWritesAndTheBaseStays(_ memoryLimit: Int) throws {
    var random = SeededGenerator(seed: Seed.take())
    let size = 50_000
    let base = MemoryDevice(byteCount: UInt64(size))
    let original = (0..<size).map { _ in UInt8.random(in: 0...255, using: &random) }
    try base.writeArray(original, at: 0)
    var overlays = [
      (OverlayDevice(base: base, pieceByteCount: 4096, memoryLimit: memoryLimit), original)
    ]
    for _ in 0..<2000 {
      let index = random.below(overlays.count)
      let start = random.below(size)
      let count = random.below(min(size - start, 12_000) + 1)
      switch random.below(20) {
      case 0 where overlays.count < 5:
        overlays.append((overlays[index].0.copy(), overlays[index].1))
      case 1..<9:
        let bytes = (0..<count).map { _ in UInt8.random(in: 0...255, using: &random) }
        try overlays[index].0.writeArray(bytes, at: UInt64(start))
        overlays[index].1.replaceSubrange(start..<start + count, with: bytes)
      default:
        let read = try overlays[index].0.readArray(count, at: UInt64(start))
        #expect(read == Array(overlays[index].1[start..<start + count]))
      }
    }
    for (overlay, model) in overlays { #expect(try overlay.readArray(size, at: 0) == model) }
    #expect(try base.readArray(size, at: 0) == original)
  }

  @Test func accessesPastTheEndAreRefused() throws {
    let overlay = OverlayDevice(base: MemoryDevice(byteCount: 5000))
    #expect(throws: FileSystemError.self) { try overlay.writeArray([1, 2], at: 4999) }
    #expect(throws: FileSystemError.self) { try overlay.readArray(1, at: 5000) }
    try overlay.writeArray([7], at: 4999)
    #expect(try overlay.readArray(1, at: 4999) == [7])
  }

  @Test func onlyTheFirstClosesTheBase() throws {
    let base = MemoryDevice(byteCount: 5000)
    let overlay = OverlayDevice(base: base)
    let copy = overlay.copy()
    try copy.close()
    #expect(throws: FileSystemError.self) { try copy.readArray(1, at: 0) }
    #expect(try base.readArray(1, at: 0) == [0])
    try overlay.close()
    #expect(throws: FileSystemError.self) { try base.readArray(1, at: 0) }
  }
}
