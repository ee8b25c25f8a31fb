import BlockCache
import ExtantBase
import ExtentMap
import Journal

extension FileContents {
  /// Gives every delayed block of the file its home and writes the file's dirty data to the
  /// device. Needs no lock of the node: contents do not change.
  ///
  /// EROFS once the filesystem has stopped writing.
  func writeBack() throws(FileSystemError) {
    try placeContents()
    try cache.flush(owner: node.number)
  }

  /// As `writeBack`, by somebody who does not act for the file, or not as its fsync. A failure is
  /// returned; where it is a write that failed the file's next fsync is told all the same.
  @discardableResult
  func writeBackUntold() -> FileSystemError? {
    do throws(FileSystemError) {
      try fileSystem.watch { () throws(FileSystemError) in try placeContents() }
    } catch { return error }
    return cache.writeBack(owner: node.number)
  }

  /// Gives every delayed block of the file its home, and to the transaction what goes through it.
  func placeContents() throws(FileSystemError) {
    try fileSystem.requireWritable()
    while try allocateDelayed() {}
    if node.state.withLock({ journalsData }) { try journalDirtyData() }
  }

  /// Allocates the first delayed run of the file, or a part of it. False when none is left.
  private func allocateDelayed() throws(FileSystemError) -> Bool {
    let (isDelayed, journaled) = node.state.withLock {
      (map.delayedBlockCount > 0, journalsData)
    }
    guard isDelayed else { return false }
    let credits = min(
      fileSystem.allocationCredits + (journaled ? journaledStep : 0), journal.maximumCredits)
    return try perform(credits: credits) { (operation) throws(FileSystemError) in
      try node.withState { () throws(FileSystemError) -> Bool in
        guard let run = map.nextDelayed(from: LogicalBlock(0)) else {
          return false
        }
        let limit = journaled ? UInt64(journaledStep) : ExtentState.written.maximumCount
        let wanted = min(run.count, limit)
        let home = try blocks.allocate(
          goal: try goal(at: run.logical), wanted: wanted,
          window: streamWindow(run.logical, wanted), reserved: true, stream: node.number,
          handle: operation)
        let range = run.logical..<run.logical + home.count
        try map.replace(range, address: home.start, state: .written)
        cache.rename(run.address, count: home.count, to: home.start)
        if journaled { journalData(home.start, count: home.count, operation) }
        charge(blocks: Int64(home.count))
        coverOnDisk(range)
        if map.delayedBlockCount == 0 { node.diskSize = node.inode.size }
        operation.reserved = try settleNodes(available: operation.reserved, operation)
        operation.handle.order(node.number, blocks: home.start..<home.start + home.count)
        operation.changed(node)
        return true
      }
    }
  }

  /// Where a new block of the file would best lie: behind the extent before it, else in the
  /// inode's own group. Called under `node.state`.
  func goal(
    at block: LogicalBlock
  ) throws(FileSystemError) -> BlockAddress {
    var before: LogicalBlock? = block.rawValue > 0 ? LogicalBlock(block.rawValue - 1) : nil
    for _ in 0..<2 {
      guard let last = before else { break }
      switch try map.run(at: last) {
      case .extent(let run):
        guard !run.address.isVirtual else { break }
        return run.address + UInt64(block - run.logical)
      case .hole(let hole):
        let start = hole.lowerBound.rawValue
        before = start > 0 ? LogicalBlock(start - 1) : nil
        continue
      }
      break
    }
    return homeGoal
  }

  /// How many blocks to keep together for a file that grows at its end, the ones allocated now
  /// included. A large file gets the rest of its 128 MiB; a small one as much as it has already.
  private func streamWindow(_ start: LogicalBlock, _ count: UInt64) -> UInt64 {
    let end = start.rawValue + count
    guard end * blockSize64 >= node.inode.size, end >= 16 else { return count }
    let longest = ExtentState.written.maximumCount
    let rest = longest - start.rawValue % longest
    return end * blockSize64 >= 8 << 20 ? max(rest, count) : max(count, min(rest, end))
  }
}
