import BlockIO
import ExtantBase

/// Bringing logged blocks to their homes, so that the log can be used again. Every call is made
/// under `commitLock`.
extension Journal {
  /// Takes note of what a transaction that is durable now left in the log.
  func keep(_ transaction: FrozenTransaction) {
    // A block that is freed is never written home any more: it may soon hold something else. It
    // has left the cache: there is nothing to release.
    for address in transaction.revoked { unwritten[address] = nil }
    lock.withLock {
      for address in transaction.revoked {
        if let last = lastLogged[address], last < transaction.id { lastLogged[address] = nil }
      }
    }
    var superseded: [BlockAddress] = []
    for (address, image) in zip(transaction.logged.addresses, transaction.logged.images) {
      let block = LoggedBlock(image: image, transaction: transaction.id)
      if unwritten.updateValue(block, forKey: address) != nil { superseded.append(address) }
    }
    release(superseded)
  }

  /// Makes room in the log and in memory long before either is short of it.
  func checkpointIfDue(_ log: Log) throws(FileSystemError) {
    if unwritten.count > limits.unwritten {
      try checkpoint(log, keeping: 0)
    } else if log.usedBlocks > log.capacity / 2 {
      try checkpoint(log, keeping: log.capacity / 4)
    }
  }

  /// Brings the oldest transactions home and gives their part of the log free, until at most
  /// `blocks` of it are in use.
  func checkpoint(_ log: Log, keeping blocks: Int) throws(FileSystemError) {
    guard log.usedBlocks > blocks else { return }
    let keep = log.firstToKeep(within: blocks)
    let due = unwritten.filter { block in
      guard let keep else { return true }
      return block.value.transaction < keep
    }.sorted { $0.key < $1.key }
    device.note(.checkpoint)
    if isPlanted(.tailMovedBeforeCheckpoint) { try log.dropTransactions(before: keep) }
    try homes.write(HomeBlocks(due.map { ($0.key, $0.value.image) }))
    if !isPlanted(.checkpointNotFlushed) { try gate.flush() }
    try log.dropTransactions(before: keep)
    for block in due { unwritten[block.key] = nil }
    lock.withLock {
      // A transaction that is being committed has entered its blocks already: they stay.
      let first = keep ?? lastCommitted.next
      for (address, transaction) in lastLogged where transaction < first {
        lastLogged[address] = nil
      }
    }
    release(due.map(\.key))
    statisticsSoFar.checkpoints += 1
  }

  /// Brings everything home that is durable in the log.
  public func checkpoint() throws(FileSystemError) {
    try commitLock.withLock { () throws(FileSystemError) in
      if let failure = abortReason { throw failure }
      guard let log else { return }
      try abortingOnFailure { () throws(FileSystemError) in try checkpoint(log, keeping: 0) }
    }
  }

  /// Brings everything home and marks the log as empty. The caller has committed, and changes
  /// nothing any more.
  public func close() throws(FileSystemError) {
    try commitLock.withLock { () throws(FileSystemError) in
      if let failure = abortReason { throw failure }
      guard let log else { return }
      try abortingOnFailure { () throws(FileSystemError) in
        if isPlanted(.journalMarkedCleanTooEarly) { try log.close() }
        try checkpoint(log, keeping: 0)
        try log.close()
      }
    }
  }
}
