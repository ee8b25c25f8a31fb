import Ext4Format
import ExtantBase

extension BlockAllocator {
  /// Tells the device about free blocks, as FITRIM does.
  ///
  /// Only what may be written by anybody now is trimmed: not what a transaction freed that has
  /// not committed. Blocks being trimmed are kept from allocation, one group at a time. Groups
  /// out of use are left out.
  ///
  /// - Parameters:
  ///   - range: in blocks.
  ///   - minimum: in blocks; shorter runs stay. Runs are cut at groups' ends.
  ///   - discard: gets each run's start and its count of blocks.
  /// - Returns: the number of blocks trimmed.
  func trim(
    _ range: Range<BlockAddress>, minimum: UInt64,
    _ discard: (BlockAddress, UInt64) throws(FileSystemError) -> Void
  ) throws(FileSystemError) -> UInt64 {
    let first = UInt64(superblock.firstDataBlock)
    let range = (range.lowerBound.rawValue..<range.upperBound.rawValue)
      .clamped(to: first..<superblock.blockCount)
    guard !range.isEmpty, let last = superblock.group(of: BlockAddress(range.upperBound - 1)),
      let start = superblock.group(of: BlockAddress(range.lowerBound))
    else { return 0 }
    let least = Int(min(max(minimum, 1), UInt64(Int32.max)))
    var trimmed: UInt64 = 0
    for group in Int(start.rawValue)...Int(last.rawValue) {
      var faults: [FileSystemError] = []
      defer { for fault in faults { reader.record(fault) } }
      try trimLock.withLock { () throws(FileSystemError) in
        let runs = try state.withLock(findingFaults: &faults) { state in
          state.withdrawRuns(in: group, range, ofAtLeast: least)
        }
        defer { state.withLock { state in for run in runs { state.restore(run) } } }
        for run in runs {
          try discard(BlockAddress(run.start), run.count)
          trimmed += run.count
        }
      }
    }
    return trimmed
  }
}

extension BlockAllocator.State {
  fileprivate mutating func withdrawRuns(
    in group: Int, _ range: Range<UInt64>, ofAtLeast length: Int
  ) -> [BlockAllocator.Run] {
    operationStart = clock
    guard isWorthLoading(group) else { return [] }
    do throws(FileSystemError) { try load(group) } catch { return [] }
    let own = start(of: group)..<start(of: group) + UInt64(groups[group].count)
    let part = range.clamped(to: own)
    var runs: [BlockAllocator.Run] = []
    var bit = Int(part.lowerBound - own.lowerBound)
    let end = Int(part.upperBound - own.lowerBound)
    while let run = groups[group].available.firstRun(ofAtLeast: length, from: bit) {
      guard run.lowerBound < end else { break }
      let clipped = run.clamped(to: 0..<end)
      if clipped.count >= length {
        runs.append(
          BlockAllocator.Run(
            start: own.lowerBound + UInt64(clipped.lowerBound), count: UInt64(clipped.count)))
      }
      bit = run.upperBound
    }
    for run in runs { withdraw(run) }
    return runs
  }
}
