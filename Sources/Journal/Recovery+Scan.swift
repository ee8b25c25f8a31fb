import BlockIO
import Ext4Format
import ExtantBase

/// One transaction as the log has it.
struct LoggedTransaction {
  struct Block {
    var copy: Recovery.Copy
    /// Whether it is what its tag says: the checksum is right, and the home exists.
    var problem: String?
  }

  let sequence: UInt32
  /// Where it starts.
  let firstBlock: UInt32
  var blocks: [Block] = []
  var revoked: [BlockAddress] = []
  /// Why its descriptors and revocations cannot be trusted.
  var problem: String?
  /// Over its blocks, of the first kind of checksums.
  var checksum = JournalFormat.transactionChecksumStart
}

/// Walking through the log from its start.
struct LogScan {
  private let recovery: Recovery
  private(set) var transactions: [LoggedTransaction] = []
  /// What stands at the log's end without a commit block.
  private(set) var open: LoggedTransaction
  /// The complete transaction that cannot be believed, where that ended the log: why.
  private(set) var damage: (sequence: UInt32, rule: String)?

  private var place: UInt32
  /// Log blocks not yet visited: a log that leads in a circle ends.
  private var left: UInt32
  private var lastTime: Int64 = .min
  private let block: BlockBuffer

  init(_ recovery: Recovery) {
    self.recovery = recovery
    let superblock = recovery.superblock
    place = superblock.start
    left = superblock.lastLogBlock - superblock.firstLogBlock
    open = LoggedTransaction(sequence: superblock.sequence, firstBlock: superblock.start)
    block = BlockBuffer(byteCount: recovery.area.blockSize)
  }

  private var format: JournalFormat { recovery.format }

  /// Reads on until the log ends.
  mutating func run() throws(FileSystemError) {
    recovery.area.device.note(.recoveryRead)
    while left > 0 {
      try recovery.area.read(place, into: block)
      guard let header = JournalBlockHeader(block.bytes), header.sequence == open.sequence else {
        return
      }
      switch header.type {
      case .descriptor: guard try readDescriptor() else { return }
      case .revoke: readRevocation()
      case .commit: guard try readCommit() else { return }
      case .superblockV1, .superblockV2, nil: return
      }
    }
  }

  private mutating func advance(_ count: UInt32) {
    place = recovery.next(place, by: count)
    left -= count
  }

  private mutating func distrust(_ problem: String) {
    if open.problem == nil { open.problem = problem }
  }

  /// False when the log does not have all the blocks that it announces.
  private mutating func readDescriptor() throws(FileSystemError) -> Bool {
    if !format.hasValidTail(block.bytes) {
      distrust("the checksum of the descriptor in block \(place) of the journal does not match")
    }
    if format.hasTransactionChecksums {
      open.checksum = JournalFormat.transactionChecksum(open.checksum, block.bytes)
    }
    let tags = format.decodeTags(block.bytes)
    guard let count = UInt32(exactly: tags.count), count < left else { return false }
    advance(1)
    for tag in tags {
      try readLogged(tag)
      advance(1)
    }
    return true
  }

  private mutating func readLogged(_ tag: JournalTag) throws(FileSystemError) {
    var problem: String?
    if format.hasChecksums {
      try recovery.area.read(place, into: block)
      if format.hasTransactionChecksums {
        open.checksum = JournalFormat.transactionChecksum(open.checksum, block.bytes)
      }
      if !format.matches(tag, logged: block.bytes, sequence: open.sequence) {
        problem = "the checksum of block \(place) of the journal does not match"
      }
    }
    if tag.address.rawValue >= recovery.blockLimit {
      problem = "block \(place) of the journal belongs to \(tag.address), past the device's end"
    }
    open.blocks.append(
      LoggedTransaction.Block(
        copy: Recovery.Copy(home: tag.address, logBlock: place, isEscaped: tag.isEscaped),
        problem: problem))
  }

  private mutating func readRevocation() {
    if !format.hasValidTail(block.bytes) {
      distrust("the checksum of the revocation in block \(place) of the journal does not match")
    }
    do throws(FileSystemError) {
      open.revoked += try format.decodeRevoke(block.bytes)
    } catch {
      distrust("block \(place) of the journal is a \(error)")
    }
    advance(1)
  }

  /// False when the transaction does not count, so that the log ends before it.
  private mutating func readCommit() throws(FileSystemError) -> Bool {
    guard let commit = format.decodeCommit(block.bytes) else { return false }
    if open.problem == nil {
      if !format.hasValidCommitChecksum(block.bytes) {
        distrust("the checksum of the commit in block \(place) of the journal does not match")
      } else if !format.matches(commit, transactionChecksum: open.checksum) {
        distrust("the checksum that its commit has does not match its blocks")
      }
    }
    if let problem = open.problem {
      // What is older than the transaction before it stood there before this log.
      if commit.time.seconds >= lastTime { damage = (open.sequence, problem) }
      return false
    }
    lastTime = commit.time.seconds
    advance(1)
    transactions.append(open)
    open = LoggedTransaction(sequence: open.sequence &+ 1, firstBlock: place)
    return true
  }

  /// Whether the log holds a complete transaction newer than `sequence`, anywhere. Only commits
  /// with a checksum of their own are believed.
  func hasCommit(after sequence: UInt32) throws(FileSystemError) -> Bool {
    guard format.hasCommitChecksums else { return false }
    let superblock = recovery.superblock
    for place in superblock.firstLogBlock..<superblock.lastLogBlock {
      try recovery.area.read(place, into: block)
      guard let header = JournalBlockHeader(block.bytes), header.type == .commit,
        JournalSequence.isNewer(header.sequence, than: sequence),
        format.hasValidCommitChecksum(block.bytes)
      else { continue }
      return true
    }
    return false
  }
}
