import Ext4Format
import ExtantBase
import TestSupport
import Testing

@testable import Extant

/// How many extents files written in pieces come to.
@Suite(.enabled(if: Environment.hasTools))
struct StreamTests {
  /// Writes `streams` files of `blocks` blocks in turn, a piece at a time, and counts the extents
  /// of each: runs that follow one another, cut at 32,768 blocks.
  private func extents(
    _ bench: Workbench, streams: Int, blocks: UInt64, piece: UInt64
  ) throws -> [Int] {
    struct Stream {
      var inode: InodeNumber
      var goal: BlockAddress
      var written: UInt64 = 0
      var extents: [UInt64] = []
      var end: BlockAddress?
    }
    var files = (0..<streams).map { index in
      let inode = InodeNumber(UInt32(12 + index))
      return Stream(inode: inode, goal: bench.inodes.goalBlock(for: inode, isFileData: true))
    }
    while files.contains(where: { $0.written < blocks }) {
      for index in files.indices where files[index].written < blocks {
        var file = files[index]
        var left = min(piece, blocks - file.written)
        while left > 0 {
          let rest = 32768 - file.written % 32768
          let run = try bench.blocks.allocate(
            goal: file.goal, wanted: min(left, rest), window: rest, stream: file.inode,
            handle: bench.store)
          let last = file.extents.count - 1
          if file.end == run.start, last >= 0, file.extents[last] + run.count <= 32768 {
            file.extents[last] += run.count
          } else {
            file.extents.append(run.count)
          }
          file.end = run.start + run.count
          file.goal = run.start + run.count
          file.written += run.count
          left -= run.count
        }
        files[index] = file
      }
    }
    return files.map(\.extents.count)
  }

  @Test(arguments: [64, 256, 5000] as [UInt64])
  func aGibibyteInPiecesIsEightExtentsOnAFreshImageOfTwo(_ piece: UInt64) throws {
    let directory = try TemporaryDirectory()
    let bench = try Workbench(Image.make(at: directory("image"), size: "2G"))
    #expect(try extents(bench, streams: 1, blocks: 262144, piece: piece) == [8])
    try bench.commit()
    #expect(try bench.seriousComplaints() == [])
  }

  @Test(arguments: [2, 4])
  func streamsWrittenInTurnStayWhole(_ streams: Int) throws {
    let directory = try TemporaryDirectory()
    let bench = try Workbench(Image.make(at: directory("image"), size: "5G"))
    let counts = try extents(bench, streams: streams, blocks: 131072, piece: 256)
    #expect(counts == Array(repeating: 4, count: streams))
  }

  @Test func streamsOnASmallImageFillItToTheLastBlock() throws {
    let directory = try TemporaryDirectory()
    let bench = try Workbench(Image.make(at: directory("image"), size: "64M"))
    let each = bench.blocks.freeBlocks / 4
    let counts = try extents(bench, streams: 4, blocks: each, piece: 16)
    #expect(bench.blocks.freeBlocks < 4)
    #expect(counts.allSatisfy { $0 < 40 }, "\(counts)")
  }
}
