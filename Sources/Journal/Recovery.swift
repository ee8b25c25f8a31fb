import BlockIO
import Ext4Format
import ExtantBase
import ImageIO

/// Brings what a journal holds to where it belongs, after a crash.
///
/// Two steps: `plan` only reads, and settles which blocks of the log will be written where;
/// `replay` writes them, and then says in the journal's superblock that nothing is left. A crash
/// between leaves the log as it was, so that doing both again gives the same.
///
/// The rules, as the kernel and e2fsck have them: a transaction counts when its commit block is in
/// the log, with the sequence number expected there and a checksum that is right. The newest copy of
/// a block wins. A copy is left out where the transaction it is in, or a later one, revokes the block.
///
/// What they do not do: a transaction that is complete but damaged, and the last in the log, is left
/// out as if it had not been committed; the kernel writes what it can of it and refuses to mount.
/// One that others follow makes the journal corrupt, and nothing is written.
public struct Recovery: Sendable {
  public let area: JournalArea
  public let superblock: JournalSuperblock
  let format: JournalFormat
  /// In blocks: nothing in the log may belong past it.
  public let blockLimit: UInt64

  /// - Throws: `corrupt` when the journal is said to be longer than the blocks it has.
  public init(
    area: JournalArea, superblock: JournalSuperblock, blockLimit: UInt64
  ) throws(FileSystemError) {
    guard superblock.blockCount <= area.blockCount, Int(superblock.blockSize) == area.blockSize
    else {
      throw .corrupt(
        Corruption(
          "journal superblock",
          "the journal has \(area.blockCount) blocks, it says \(superblock.blockCount)"))
    }
    self.area = area
    self.superblock = superblock
    self.blockLimit = blockLimit
    format = JournalFormat(superblock)
  }

  /// The newest copy of a block, in the log.
  public struct Copy: Sendable, Equatable {
    public var home: BlockAddress
    public var logBlock: UInt32
    public var isEscaped: Bool
  }

  /// What there is to do.
  public struct Plan: Sendable {
    /// Ascending by their home; each home once.
    public var copies: [Copy]
    /// Transactions that the log holds.
    public var transactionCount: Int
    /// The number of the first transaction that it does not hold. Fast commits of that number add
    /// to it.
    public var endSequence: UInt32
    /// Where that transaction would start; 0 in a journal that was clean.
    public var endBlock: UInt32
    /// Whether a transaction was left out because it is damaged.
    public var isDamaged: Bool
    /// What somebody should know: one sentence each.
    public var notes: [String]

    /// Whether the block at `address` will be written.
    public func holds(_ address: BlockAddress) -> Bool {
      copies.contains { $0.home == address }
    }
  }

  /// The log block after `block`, which lies in the log.
  func next(_ block: UInt32, by distance: UInt32 = 1) -> UInt32 {
    let length = superblock.lastLogBlock - superblock.firstLogBlock
    let place = UInt64(block - superblock.firstLogBlock) + UInt64(distance)
    return superblock.firstLogBlock + UInt32(place % UInt64(length))
  }

  func corrupt(_ rule: String, block: BlockAddress? = nil) -> FileSystemError {
    .corrupt(Corruption("journal", block: block, rule))
  }
}
