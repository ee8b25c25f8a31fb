import Extant
import ExtantBase
import TestSupport
import Testing

/// What allocation makes of files written through the engine.
@Suite(.enabled(if: Environment.hasTools))
struct LargeFileLayoutTests {
  /// Extents of the files after each got `size` bytes, in pieces and in turn.
  private func extentCounts(files: Int, size: UInt64, piece: Int, image: String) throws -> [Int] {
    var counts: [Int] = []
    let engine = try EngineImage(size: image)
    try engine.use { fileSystem in
      let open = try (0..<files).map {
        try fileSystem.open("/file\($0)", [.read, .write], create: 0o644)
      }
      let bytes = [UInt8](repeating: 0x5A, count: piece)
      for offset in stride(from: 0, to: size, by: piece) {
        for file in open { #expect(try file.write(bytes, at: offset) == piece) }
      }
      for file in open {
        try file.sync()
        counts.append(try file.extents().count)
        file.close()
      }
    }
    return counts
  }

  @Test func aFreshGibibyteIsEightExtents() throws {
    #expect(
      try extentCounts(files: 1, size: 1 << 30, piece: 4 << 20, image: "2G") == [8])
  }

  @Test func filesWrittenInTurnStayApart() throws {
    let counts = try extentCounts(files: 4, size: 64 << 20, piece: 1 << 20, image: "2G")
    // 64 MiB fit in one extent; the windows grow with the file until they are large.
    #expect(counts.allSatisfy { $0 <= 6 }, "\(counts)")
  }
}
