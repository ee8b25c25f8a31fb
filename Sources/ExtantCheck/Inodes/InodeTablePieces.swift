import Ext4Format
import ExtantBase

/// The parts of all inode tables that were ever used, group by group, in pieces that are read at once.
struct InodeTablePieces: IteratorProtocol {
  struct Piece {
    var group: GroupIndex
    var first: InodeNumber
    /// In inodes.
    var count: Int
    var bytes: AheadReader.Piece
  }

  /// In bytes, at least.
  private static let pieceSize = 1 << 20

  private let round: CheckRound
  /// In blocks.
  private let pieceBlocks: UInt32
  private var group: UInt32 = 0
  /// Inodes of the group that are behind us.
  private var done: UInt32 = 0

  init(_ round: CheckRound) {
    self.round = round
    pieceBlocks = UInt32(max(1, Self.pieceSize / round.superblock.blockSize))
  }

  /// In bytes, the largest.
  var pieceByteCount: Int { Int(pieceBlocks) * round.superblock.blockSize }

  mutating func next() -> Piece? {
    let superblock = round.superblock
    while group < UInt32(clamping: round.groups.count) {
      let index = GroupIndex(group)
      let end = round.scannedInodeCount(in: index)
      guard done < end else {
        group += 1
        done = 0
        continue
      }
      let perBlock = superblock.inodesPerBlock
      let blocks = min(pieceBlocks, (end - done + perBlock - 1) / perBlock)
      let start = round.groups[Int(group)].inodeTable + UInt64(done / perBlock)
      let count = min(end - done, blocks * perBlock)
      let piece = Piece(
        group: index, first: InodeNumber(superblock.firstInode(in: index).rawValue + done),
        count: Int(count),
        bytes: AheadReader.Piece(
          offset: start.rawValue &* UInt64(superblock.blockSize),
          byteCount: Int(blocks) * superblock.blockSize))
      done += count
      return piece
    }
    return nil
  }
}
