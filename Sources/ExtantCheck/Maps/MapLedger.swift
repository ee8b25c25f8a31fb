import BlockIO
import Ext4Format
import ExtantBase

/// What the examination of maps keeps for a whole round.
struct MapLedger {
  /// Inodes with blocks that lie across the bounds of clusters, ascending.
  var misaligned: [InodeNumber] = []
  /// How often a block that somebody claimed already may still be read as a part of a map. It keeps a
  /// hostile image, in which everything points to the same nodes, from taking more time than its size
  /// allows; damage does not come near.
  var revisitsLeft: UInt64
  /// How many runs may still be claimed by one who is not the first: each is remembered until it is
  /// resolved who gets what. Then no node is taken any more that leads to such.
  var sharedRunsLeft: UInt64
  /// Blocks of all directories, as often as directories claim them.
  var directoryBlocks: UInt64 = 0
  /// Bitmaps and descriptors, and where inode tables start, once the list of bad blocks asks for that.
  var vitalBlocks: Set<BlockAddress>?
  var inodeTables: [(start: BlockAddress, scannedBlocks: UInt32, group: GroupIndex)] = []
  /// Inodes that nobody uses, and nobody is to use: their slots lie in blocks on the list of bad blocks.
  var inodesInBadBlocks: Set<InodeNumber> = []
  /// Where nodes are read to: by level, kept from inode to inode.
  private var buffers: [BlockBuffer] = []
  private let blockSize: Int
  /// Where i_block is looked at as a node.
  let root = BlockBuffer(byteCount: Inode.blockAreaByteCount)

  init(_ superblock: Superblock) {
    blockSize = superblock.blockSize
    sharedRunsLeft = 262_144 + superblock.blockCount / 16
    revisitsLeft = 16_384 + superblock.blockCount / 16
  }

  /// The buffer of a level, from 0 on.
  mutating func buffer(_ level: Int) -> BlockBuffer {
    while buffers.count <= level { buffers.append(BlockBuffer(byteCount: blockSize)) }
    return buffers[level]
  }
}
