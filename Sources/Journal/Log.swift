import BlockIO
import Ext4Format
import ExtantBase
import ImageIO

/// The log of a JBD2 journal as a running filesystem writes it: transactions one behind the other
/// in a circle of blocks, oldest at the tail.
///
/// Used by one thread at a time: `Journal` holds its commit lock around every call.
///
/// Source: the kernel's Documentation/filesystems/ext4/journal.rst.
final class Log {
  /// A transaction that recovery would still replay.
  private struct LiveTransaction {
    let id: TransactionID
    let sequence: UInt32
    let start: UInt32
    let blockCount: Int
  }

  private let area: JournalArea
  private let format: JournalFormat
  private let isDurable: Bool
  private var superblock: JournalSuperblock
  private let first: UInt32
  private let end: UInt32
  /// Where the next transaction goes, and its number on disk.
  private var head: UInt32
  private var sequence: UInt32
  private var live: [LiveTransaction] = []
  private(set) var usedBlocks = 0

  /// Blocks in one gathered write.
  private static let longestWrite = 256

  /// Takes over a journal that holds nothing to recover.
  ///
  /// - Parameter isDurable: whether commit records and the journal's superblock are written
  ///   through; false without barriers.
  /// - Throws: `corrupt` where the log has no room for a transaction.
  init(
    area: JournalArea, superblock: JournalSuperblock, isDurable: Bool
  ) throws(FileSystemError) {
    self.area = area
    self.superblock = superblock
    self.isDurable = isDurable
    format = JournalFormat(superblock)
    first = superblock.firstLogBlock
    end = min(superblock.lastLogBlock, area.blockCount)
    guard end > first, end - first >= 64 else {
      throw .corrupt(
        Corruption("journal superblock", "its log has only blocks \(first) to \(end)"))
    }
    head = first
    sequence = superblock.sequence
  }

  /// The most blocks that can be in use at once. One stays free, so that head and tail differ.
  var capacity: Int { Int(end - first) - 1 }

  /// Whether the log lies on this device.
  func isOn(_ device: any BlockDevice) -> Bool { area.device === device }

  func flush() throws(FileSystemError) {
    if isDurable { try area.device.flush() }
  }

  // MARK: Appending

  /// Blocks that the transaction takes in the log.
  func blocksNeeded(_ transaction: FrozenTransaction) -> Int {
    let tags = format.tagsPerDescriptor
    let revokes = format.addressesPerRevokeBlock
    return (transaction.revoked.count + revokes - 1) / revokes
      + (transaction.logged.count + tags - 1) / tags + transaction.logged.count + 1
  }

  /// Writes the transaction behind the others. When this returns it is durable.
  ///
  /// - Parameter flush: makes durable what was written elsewhere, and in the log, so far. Called
  ///   before the commit record is written.
  /// - Throws: ENOSPC where there is no room: the caller moves the tail first.
  func append(
    _ transaction: FrozenTransaction, time: Timestamp, flush: () throws(FileSystemError) -> Void
  ) throws(FileSystemError) {
    let needed = blocksNeeded(transaction)
    guard usedBlocks + needed <= capacity else { throw .refused(.noSpace) }
    if superblock.start != tail { try writeSuperblock() }

    let start = head
    try writeRevokes(transaction.revoked)
    try writeBlocks(transaction.logged)
    if !isPlanted(.noFlushBeforeCommitRecord) { try flush() }
    let record = format.commitRecord(sequence: sequence, time: time)
    area.device.note(.journalCommitWrite)
    if isDurable, !isPlanted(.noDurableCommitRecord) {
      try area.writeThrough(record, at: head)
    } else {
      try area.write([record], at: head)
    }
    advance(1)

    live.append(
      LiveTransaction(id: transaction.id, sequence: sequence, start: start, blockCount: needed))
    usedBlocks += needed
    sequence &+= 1
  }

  private func writeRevokes(_ addresses: [BlockAddress]) throws(FileSystemError) {
    guard !isPlanted(.noRevoke) else { return }
    var done = 0
    while done < addresses.count {
      let count = min(format.addressesPerRevokeBlock, addresses.count - done)
      let block = BlockBuffer(byteCount: format.blockSize)
      var bytes = block.mutableBytes
      format.encodeRevoke(
        Array(addresses[done..<done + count]), sequence: sequence, into: &bytes)
      area.device.note(.journalRevokeWrite)
      try write([block])
      done += count
    }
  }

  private func writeBlocks(_ blocks: HomeBlocks) throws(FileSystemError) {
    var done = 0
    while done < blocks.count {
      let part = blocks.part(done..<done + format.tagsPerDescriptor)
      let (descriptor, images) = format.logged(part, sequence: sequence)
      area.device.note(.journalDescriptorWrite)
      try write([descriptor])
      area.device.note(.journalBlockWrite)
      try write(images)
      done += part.count
    }
  }

  /// Writes blocks at the head, round the end of the log.
  private func write(_ blocks: [BlockBuffer]) throws(FileSystemError) {
    var done = 0
    while done < blocks.count {
      let count = min(blocks.count - done, Int(end - head), Self.longestWrite)
      try area.write(Array(blocks[done..<done + count]), at: head)
      advance(count)
      done += count
    }
  }

  private func advance(_ count: Int) {
    head += UInt32(count)
    if head >= end { head = first }
  }

  // MARK: The tail

  private var tail: UInt32 { live.first?.start ?? head }

  /// The first of the newest transactions that fit into `blocks`: those before it would have to
  /// leave the log. Nil where none of them would stay.
  func firstToKeep(within blocks: Int) -> TransactionID? {
    var used = usedBlocks
    for transaction in live {
      if used <= blocks { return transaction.id }
      used -= transaction.blockCount
    }
    return nil
  }

  /// Gives up the transactions before `id`, or all of them: their blocks are in their homes,
  /// durably.
  func dropTransactions(before id: TransactionID?) throws(FileSystemError) {
    while let oldest = live.first {
      if let id, oldest.id >= id { break }
      usedBlocks -= oldest.blockCount
      live.removeFirst()
    }
    try writeSuperblock()
  }

  /// Marks the log as empty.
  func close() throws(FileSystemError) {
    live = []
    usedBlocks = 0
    superblock.start = 0
    superblock.sequence = sequence
    try storeSuperblock()
  }

  /// The error that ended the journal, for the next who opens it. Nothing else is changed.
  func record(errno: Int32) throws(FileSystemError) {
    superblock.errno = errno
    try storeSuperblock()
  }

  /// Tells recovery where to start.
  private func writeSuperblock() throws(FileSystemError) {
    superblock.start = tail
    superblock.sequence = live.first?.sequence ?? sequence
    try storeSuperblock()
  }

  private func storeSuperblock() throws(FileSystemError) {
    try area.store(superblock, isDurable: isDurable)
  }
}
