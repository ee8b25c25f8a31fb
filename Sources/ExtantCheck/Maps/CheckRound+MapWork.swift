import BlockIO
import Ext4Format
import ExtantBase

/// What the examination of maps leaves for when all claims are known.
enum MapWork {
  /// A tree as low as can be.
  case rebuild
  /// The map ends at a logical block; what is past it is given up.
  case cut(at: UInt64)
  /// What a directory has past its holes moves up to where they begin.
  case closeHoles
}

extension CheckRound {
  func later(_ work: MapWork, _ number: InodeNumber) {
    func perform(_ round: CheckRound) throws(FileSystemError) { try round.perform(work, number) }
    putOff.append(perform)
  }

  private func perform(_ work: MapWork, _ number: InodeNumber) throws(FileSystemError) {
    guard inodes.isInUse(number) else { return }
    var raw = try readInode(number)
    var runs: [MapRun] = []
    try forEachRun(number, raw) { (run: MapRun) throws(FileSystemError) -> Bool in
      runs.append(run)
      return true
    }
    var cut: [MapRun] = []
    switch work {
    case .rebuild: break
    case .cut(let end): cut = Self.cut(&runs, at: end, clusterSize: 1 << claims.clusterShift)
    case .closeHoles:
      var next: UInt64 = 0
      for index in runs.indices {
        runs[index].logical = next
        next += runs[index].count
      }
    }
    guard try writeMap(number, &raw, runs) else { return }
    for run in cut { releaseClaim(run.address, count: run.count) }
    try writeInode(number, raw)
  }

  /// Ends runs at a logical block. Returns what is past it, in whole clusters.
  private static func cut(
    _ runs: inout [MapRun], at end: UInt64, clusterSize: UInt64
  ) -> [MapRun] {
    var cut: [MapRun] = []
    for var rest in runs where rest.logical + rest.count > end {
      if rest.logical < end { rest.skip(end - rest.logical) }
      // The rest of a cluster whose start stays, stays.
      let partial = (clusterSize - rest.address.rawValue % clusterSize) % clusterSize
      guard rest.count > partial else { continue }
      rest.skip(partial)
      cut.append(rest)
    }
    runs = runs.compactMap { run in
      guard run.logical < end else { return nil }
      var run = run
      run.count = min(run.count, end - run.logical)
      return run
    }
    return cut
  }
}
