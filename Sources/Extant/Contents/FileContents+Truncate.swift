import ExtantBase
import ExtentMap

extension FileContents {
  /// Sets the file's size in bytes. Growing leaves a hole; shrinking frees what lies behind,
  /// preallocated blocks included.
  ///
  /// What is too much for one transaction is freed in steps. The first sets the size and puts the
  /// inode on the orphan list, where ext4 puts it too: after a crash between two steps the next
  /// opening, ours or the kernel's, frees the rest.
  ///
  /// The caller holds `node.lock`, exclusive.
  func truncate(to size: UInt64) throws(FileSystemError) {
    guard size <= fileSystem.maximumFileSize else { throw .refused(.fileTooLarge) }
    let old = node.size
    if size > old { try clearTail() }
    let cutsBlock = size < old && size % blockSize64 != 0
    if cutsBlock { try clear(size..<(size / blockSize64 + 1) * blockSize64) }
    let firstGone = LogicalBlock((size + blockSize64 - 1) / blockSize64)
    var rest = firstGone..<max(firstGone, size <= old ? LogicalBlock.limit : firstGone)
    var isFirst = true
    repeat {
      let (needed, step, credits) = try node.withState {
        () throws(FileSystemError) -> (UInt64, RemovalStep, Int) in
        let step = try removalStep(of: rest)
        // A tree that only loses entries at its end splits no node.
        return (nodesNeeded(newEntries: 0), step, removalCredits(step))
      }
      let reserved = try fileSystem.reserveIfPossible(needed)
      let start = try perform(reserved: reserved, credits: credits) {
        (operation) throws(FileSystemError) in
        try node.withState { () throws(FileSystemError) -> LogicalBlock in
          let start = try remove(step, of: rest, operation)
          if isFirst {
            node.inode.size = size
            node.diskSize = size
            touch()
            // The zeros behind the new end are there when the size is: whoever lets the file grow
            // again must not see what was cut off.
            if cutsBlock { operation.handle.order(node.number) }
          }
          setUnfinished(start > firstGone, operation)
          operation.changed(node)
          return start
        }
      }
      rest = firstGone..<start
      isFirst = false
    } while !rest.isEmpty
    try fileSystem.syncIfFlagged(node)
  }

  /// Notes on the orphan list whether blocks behind the end of a file that has a name are still to
  /// be freed. Called under `node.state`.
  private func setUnfinished(_ isUnfinished: Bool, _ operation: Operation) {
    guard node.isUnfinished != isUnfinished else { return }
    node.isUnfinished = isUnfinished
    if isUnfinished {
      fileSystem.addOrphan(node, operation)
    } else if node.inode.linkCount > 0 {
      fileSystem.removeOrphan(node, operation)
      node.inode.deletionTime = 0
    }
  }
}
