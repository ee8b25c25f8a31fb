import Ext4Format
import ExtantBase

/// Which blocks of the new filesystem are taken, as a few runs for each group.
///
/// A bitmap of it would be large where the filesystem is; the runs are few whatever its size.
struct UsedBlocks {
  private let firstDataBlock: UInt64
  private let blocksPerGroup: UInt64
  private let blockCount: UInt64
  /// For each group its used runs, sorted, apart, counted from the group's first block.
  private var runs: [[Range<UInt32>]]

  init(_ superblock: Superblock) {
    firstDataBlock = UInt64(superblock.firstDataBlock)
    blocksPerGroup = UInt64(superblock.blocksPerGroup)
    blockCount = superblock.blockCount
    runs = Array(repeating: [], count: Int(superblock.groupCount))
  }

  func usedRuns(in group: GroupIndex) -> [Range<UInt32>] { runs[Int(group.rawValue)] }

  func usedCount(in group: GroupIndex) -> UInt32 {
    usedRuns(in: group).reduce(0) { $0 + UInt32($1.count) }
  }

  /// Takes blocks that are free.
  mutating func take(_ range: Range<UInt64>) {
    var start = range.lowerBound
    while start < range.upperBound {
      let group = (start - firstDataBlock) / blocksPerGroup
      let groupStart = firstDataBlock + group * blocksPerGroup
      let end = min(range.upperBound, groupStart + blocksPerGroup)
      Self.insert(
        UInt32(start - groupStart)..<UInt32(end - groupStart), into: &runs[Int(group)])
      start = end
    }
  }

  private static func insert(_ run: Range<UInt32>, into runs: inout [Range<UInt32>]) {
    var index = runs.firstIndex { $0.lowerBound >= run.lowerBound } ?? runs.count
    var run = run
    if index > 0, runs[index - 1].upperBound == run.lowerBound {
      index -= 1
      run = runs[index].lowerBound..<run.upperBound
      runs.remove(at: index)
    }
    if index < runs.count, runs[index].lowerBound == run.upperBound {
      run = run.lowerBound..<runs[index].upperBound
      runs.remove(at: index)
    }
    runs.insert(run, at: index)
  }

  /// The first used run that ends after `block`, from there on; nil when all is free.
  private func nextUsed(from block: UInt64, before limit: UInt64) -> Range<UInt64>? {
    guard block < limit else { return nil }
    var group = (block - firstDataBlock) / blocksPerGroup
    while true {
      let start = firstDataBlock + group * blocksPerGroup
      guard start < limit else { return nil }
      for run in runs[Int(group)] where start + UInt64(run.upperBound) > block {
        let lower = max(start + UInt64(run.lowerBound), block)
        return lower < limit ? lower..<(start + UInt64(run.upperBound)) : nil
      }
      group += 1
    }
  }

  func isFree(_ range: Range<UInt64>) -> Bool {
    range.lowerBound >= firstDataBlock && range.upperBound <= blockCount
      && nextUsed(from: range.lowerBound, before: range.upperBound) == nil
  }

  /// Where the first `count` free blocks in a row begin in `range`.
  func firstFreeRun(of count: UInt64, in range: Range<UInt64>) -> UInt64? {
    let limit = min(range.upperBound, blockCount)
    var start = max(range.lowerBound, firstDataBlock)
    while start < limit, count <= limit - start {
      guard let used = nextUsed(from: start, before: start + count) else { return start }
      start = used.upperBound
    }
    return nil
  }

  /// Takes `count` blocks: the first free ones from `goal` on, then those before it.
  ///
  /// - Throws: ENOSPC where there are fewer.
  mutating func allocate(
    _ count: UInt64, from goal: UInt64
  ) throws(FileSystemError) -> [Range<UInt64>] {
    var found: [Range<UInt64>] = []
    var missing = count
    for area in [max(goal, firstDataBlock)..<blockCount, firstDataBlock..<min(goal, blockCount)]
    where area.lowerBound < area.upperBound {
      var start = area.lowerBound
      while missing > 0, start < area.upperBound {
        let used = nextUsed(from: start, before: area.upperBound)
        let end = min(used?.lowerBound ?? area.upperBound, start + missing)
        if end > start {
          found.append(start..<end)
          missing -= end - start
        }
        start = used?.upperBound ?? area.upperBound
      }
    }
    guard missing == 0 else { throw .refused(.noSpace) }
    for range in found { take(range) }
    return found
  }
}
