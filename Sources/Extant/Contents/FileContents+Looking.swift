import ExtantBase
import ExtentMap

/// Where a file has blocks.
extension FileContents {
  func extents(
    in range: Range<UInt64>?, limit: Int
  ) throws(FileSystemError) -> [FileExtent] {
    node.lock.lockShared()
    defer { node.lock.unlock() }
    return try node.withState { () throws(FileSystemError) -> [FileExtent] in
      let bytes = range ?? 0..<UInt64.max
      guard !bytes.isEmpty else { return [] }
      let first = LogicalBlock(min(bytes.lowerBound / blockSize64, LogicalBlock.limit.rawValue))
      let end = LogicalBlock(
        min((bytes.upperBound - 1) / blockSize64 + 1, LogicalBlock.limit.rawValue))
      guard first < end else { return [] }
      var result: [FileExtent] = []
      var reached = first
      try map.forEachRun(in: first..<end) { run in
        result.append(
          FileExtent(
            logical: run.logical.rawValue * blockSize64,
            physical: run.address.isVirtual ? nil : run.address.rawValue * blockSize64,
            length: run.count * blockSize64, isUnwritten: run.state == .unwritten, isLast: false))
        reached = run.logical + run.count
        return result.count < limit
      }
      if let last = result.indices.last, try map.next(from: reached) == nil {
        result[last].isLast = true
      }
      return result
    }
  }

  /// SEEK_DATA and SEEK_HOLE as ext4 answers them: written and delayed blocks are data, holes are
  /// holes, and unwritten blocks are holes too unless their data waits in the cache.
  func seek(
    from offset: UInt64, data: Bool
  ) throws(FileSystemError) -> UInt64? {
    node.lock.lockShared()
    defer { node.lock.unlock() }
    let size = node.size
    guard offset < size else { return nil }
    return try node.withState { () throws(FileSystemError) -> UInt64? in
      var block = LogicalBlock(offset / blockSize64)
      let end = LogicalBlock((size - 1) / blockSize64 + 1)
      while block < end {
        let isData: Bool
        let next: LogicalBlock
        switch try map.run(at: block) {
        case .hole(let hole):
          isData = false
          next = hole.upperBound
        case .extent(let run):
          isData = run.state != .unwritten
          next = run.logical + run.count
        }
        if isData == data { return max(offset, block.rawValue * blockSize64) }
        block = next
      }
      return data ? nil : size
    }
  }
}
