import ExtantBase
import ExtentMap
import struct SystemPackage.Errno

/// Range surgery. Offsets and lengths are in bytes.
extension File {
  /// fallocate(2) with its raw mode bits, its rules and its errors.
  public func fallocate(
    mode: FallocateMode, offset: Int64, length: Int64
  ) throws(FileSystemError) {
    try fileSystem.watch { () throws(FileSystemError) in
      try fileSystem.fallocate(node, mode: mode, offset: offset, length: length, access: access)
    }
  }

  /// The checks that come before a file loses its privileges, and these before anything else.
  public func checkFallocate(
    mode: FallocateMode, offset: Int64, length: Int64
  ) throws(FileSystemError) {
    _ = try fileSystem.checkFallocate(
      node, mode: mode, offset: offset, length: length, access: access)
    try fileSystem.requireWritable()
  }

  /// Sets blocks aside: holes in the range become unwritten extents that read as zeros.
  public func allocate(
    _ range: Range<UInt64>, keepSize: Bool = false
  ) throws(FileSystemError) {
    try fallocate(keepSize ? .keepSize : [], range)
  }

  /// Frees the blocks of the range; it reads as zeros. The size stays.
  public func punchHole(_ range: Range<UInt64>) throws(FileSystemError) {
    try fallocate([.punchHole, .keepSize], range)
  }

  /// The range reads as zeros and stays allocated.
  public func zeroRange(
    _ range: Range<UInt64>, keepSize: Bool = false
  ) throws(FileSystemError) {
    try fallocate(keepSize ? [.zeroRange, .keepSize] : .zeroRange, range)
  }

  /// Cuts the range out of the file: what lies behind moves down to its start. Both bounds must
  /// be multiples of the block size, and the range must end before the end of the file (EINVAL).
  public func collapse(_ range: Range<UInt64>) throws(FileSystemError) {
    try fallocate(.collapseRange, range)
  }

  /// Opens a hole of `length` at `offset`: what lies there and behind moves up. Both must be
  /// multiples of the block size, and the offset lie before the end of the file (EINVAL).
  public func insert(length: UInt64, at offset: UInt64) throws(FileSystemError) {
    let (end, overflow) = offset.addingReportingOverflow(length)
    guard !overflow else { throw .refused(.fileTooLarge) }
    try fallocate(.insertRange, offset..<end)
  }

  private func fallocate(
    _ mode: FallocateMode, _ range: Range<UInt64>
  ) throws(FileSystemError) {
    guard let offset = Int64(exactly: range.lowerBound),
      let length = Int64(exactly: range.upperBound - range.lowerBound)
    else { throw .refused(.fileTooLarge) }
    try fallocate(mode: mode, offset: offset, length: length)
  }

  // MARK: Looking at the map

  /// The extents that touch the range, or all of them, those behind the end of the file too; the
  /// first `limit` of these.
  public func extents(
    in range: Range<UInt64>? = nil, limit: Int = .max
  ) throws(FileSystemError) -> [FileExtent] {
    try fileSystem.watch { () throws(FileSystemError) in
      try fileSystem.extents(of: node, in: range, limit: limit)
    }
  }

  /// The first byte at or after `offset` that is data: SEEK_DATA. Nil where none follows before
  /// the end of the file (ENXIO).
  public func seekData(from offset: UInt64) throws(FileSystemError) -> UInt64? {
    try fileSystem.watch { () throws(FileSystemError) in
      try fileSystem.seek(node, from: offset, data: true)
    }
  }

  /// The first byte at or after `offset` that is in a hole, the end of the file at the latest:
  /// SEEK_HOLE. Nil where `offset` is not before the end of the file (ENXIO).
  public func seekHole(from offset: UInt64) throws(FileSystemError) -> UInt64? {
    try fileSystem.watch { () throws(FileSystemError) in
      try fileSystem.seek(node, from: offset, data: false)
    }
  }
}

extension FileSystem {
  func extents(
    of node: Node, in range: Range<UInt64>?, limit: Int
  ) throws(FileSystemError) -> [FileExtent] {
    node.lock.lockShared()
    defer { node.lock.unlock() }
    return try node.withState { () throws(FileSystemError) -> [FileExtent] in
      guard let map = node.map else { return [] }
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
    _ node: Node, from offset: UInt64, data: Bool
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
        switch try node.map?.run(at: block) {
        case nil:
          isData = false
          next = end
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
