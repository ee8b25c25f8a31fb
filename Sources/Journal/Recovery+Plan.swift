import BlockIO
import Ext4Format
import ExtantBase

extension Recovery {
  /// Reads the log and settles what is to be written. Changes nothing.
  ///
  /// - Throws: `corrupt` when a transaction in the middle of the log is damaged, or one that is
  ///   sound says what cannot be; `.io` when the log cannot be read.
  public func plan() throws(FileSystemError) -> Plan {
    guard !superblock.isClean else {
      return Plan(
        copies: [], transactionCount: 0, endSequence: superblock.sequence, endBlock: 0,
        isDamaged: false, notes: [])
    }
    var scan = LogScan(self)
    try scan.run()
    var transactions = scan.transactions
    var end = scan.open
    var notes: [String] = []
    var isDamaged = false
    if let damage = scan.damage {
      try leaveOut(damage.sequence, damage.rule, scan, &notes)
      isDamaged = true
    }
    if isPlanted(.recoveryReplaysPastEnd) { transactions.append(scan.open) }

    var revoked = Self.revocations(transactions)
    if let (index, rule) = firstProblem(transactions, revoked) {
      guard index == transactions.count - 1, format.hasCommitChecksums else {
        throw corrupt("transaction \(transactions[index].sequence): \(rule)")
      }
      end = transactions.removeLast()
      try leaveOut(end.sequence, rule, scan, &notes)
      isDamaged = true
      revoked = Self.revocations(transactions)
      // Revocations of the transaction that is gone may have hidden problems of those before it.
      if let (index, rule) = firstProblem(transactions, revoked) {
        throw corrupt("transaction \(transactions[index].sequence): \(rule)")
      }
    }
    return Plan(
      copies: Self.newestCopies(transactions, revoked), transactionCount: transactions.count,
      endSequence: end.sequence, endBlock: end.firstBlock, isDamaged: isDamaged, notes: notes)
  }

  /// What can be replayed of a log for which `plan` throws `corrupt`: every sound block of the
  /// transactions before the first that is damaged as a whole. The rest is given up.
  package func salvagePlan() throws(FileSystemError) -> Plan {
    var scan = LogScan(self)
    try scan.run()
    let revoked = Self.revocations(scan.transactions)
    var sound = scan.transactions
    for index in sound.indices { sound[index].blocks.removeAll { $0.problem != nil } }
    return Plan(
      copies: Self.newestCopies(sound, revoked), transactionCount: sound.count,
      endSequence: scan.open.sequence, endBlock: scan.open.firstBlock, isDamaged: true, notes: [])
  }

  /// Throws `corrupt` unless the damaged transaction is the log's last.
  private func leaveOut(
    _ sequence: UInt32, _ rule: String, _ scan: LogScan, _ notes: inout [String]
  ) throws(FileSystemError) {
    guard try !scan.hasCommit(after: sequence) else {
      throw corrupt("transaction \(sequence), which others follow: \(rule)")
    }
    notes.append(
      "the journal's last transaction, \(sequence), is damaged and was left out: \(rule)")
  }

  /// For each block revoked the newest transaction that does so.
  private static func revocations(_ transactions: [LoggedTransaction]) -> [BlockAddress: UInt32] {
    var revoked: [BlockAddress: UInt32] = [:]
    guard !isPlanted(.recoveryIgnoresRevokes) else { return revoked }
    for transaction in transactions {
      for address in transaction.revoked { revoked[address] = transaction.sequence }
    }
    return revoked
  }

  private static func isRevoked(
    _ copy: Copy, _ sequence: UInt32, _ revoked: [BlockAddress: UInt32]
  ) -> Bool {
    guard let revocation = revoked[copy.home] else { return false }
    return !JournalSequence.isNewer(sequence, than: revocation)
  }

  /// The first block in the log that is not what it should be and is not revoked.
  private func firstProblem(
    _ transactions: [LoggedTransaction], _ revoked: [BlockAddress: UInt32]
  ) -> (index: Int, rule: String)? {
    for (index, transaction) in transactions.enumerated() {
      for block in transaction.blocks {
        guard let problem = block.problem,
          !Self.isRevoked(block.copy, transaction.sequence, revoked)
        else { continue }
        return (index, problem)
      }
    }
    return nil
  }

  private static func newestCopies(
    _ transactions: [LoggedTransaction], _ revoked: [BlockAddress: UInt32]
  ) -> [Copy] {
    var newest: [BlockAddress: (copy: Copy, sequence: UInt32)] = [:]
    for transaction in transactions {
      for block in transaction.blocks {
        newest[block.copy.home] = (block.copy, transaction.sequence)
      }
    }
    return newest.values
      .filter { !isRevoked($0.copy, $0.sequence, revoked) }
      .map(\.copy)
      .sorted { $0.home < $1.home }
  }
}
