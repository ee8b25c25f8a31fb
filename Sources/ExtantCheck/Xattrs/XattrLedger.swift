import BlockIO
import Ext4Format
import ExtantBase

/// What pass 1 found out of attribute blocks, which inodes may share, and of inodes that hold values,
/// which attributes may share.
struct XattrLedger {
  struct Block {
    /// As it stands in the block.
    var referenceCount: UInt32
    /// Inodes that name it.
    var counted: UInt32 = 1
    /// In blocks of the filesystem: what each inode that names it is charged for values in inodes.
    var valueBlocks: UInt64 = 0
    var valueInodes: UInt32 = 0
  }

  struct ValueInode {
    /// Attributes that name it.
    var counted: UInt64 = 0
    /// Its flag says that it is there for that, or will.
    var isFlagged = false
  }

  /// By address.
  private(set) var blocks: [UInt64: Block] = [:]
  /// By number: those with the flag, and those that attributes name.
  var valueInodes: [UInt32: ValueInode] = [:]
  /// Blocks of which nothing could be kept.
  var emptied: SparseBitSet
  /// From now on the counts in the blocks are right, and a block that is given up is written.
  var isFinished = false
  /// One block, for reading.
  let scratch: BlockBuffer

  init(_ superblock: Superblock) {
    emptied = SparseBitSet(limit: superblock.blockCount)
    scratch = BlockBuffer(byteCount: superblock.blockSize)
  }

  subscript(address: BlockAddress) -> Block? {
    get { blocks[address.rawValue] }
    set { blocks[address.rawValue] = newValue }
  }
}
