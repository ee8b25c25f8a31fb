import ExtantBase

extension Journal {
  /// What the journal did since it was opened.
  public struct Statistics: Sendable {
    public var commits = 0
    /// Blocks that went through the log, and blocks that went straight to a fresh home.
    public var loggedBlocks = 0
    public var unloggedBlocks = 0
    public var revokedBlocks = 0
    /// The most blocks that one transaction logged.
    public var largestTransaction = 0
    public var checkpoints = 0

    mutating func note(_ transaction: FrozenTransaction) {
      commits += 1
      loggedBlocks += transaction.logged.count
      unloggedBlocks += transaction.unlogged.count
      revokedBlocks += transaction.revoked.count
      largestTransaction = max(largestTransaction, transaction.logged.count)
    }
  }

  public var statistics: Statistics { commitLock.withLock { statisticsSoFar } }
}

extension Dictionary where Key == BlockAddress {
  /// Costs the smaller of the range and the dictionary.
  mutating func removeAll(in range: Range<UInt64>) {
    var found: [BlockAddress] = []
    forEachKey(in: range) { found.append($0) }
    for key in found { removeValue(forKey: key) }
  }

  func forEachKey(in range: Range<UInt64>, _ body: (BlockAddress) -> Void) {
    guard !isEmpty else { return }
    if range.count > count {
      for key in keys where range.contains(key.rawValue) { body(key) }
    } else {
      for number in range where self[BlockAddress(number)] != nil { body(BlockAddress(number)) }
    }
  }
}
