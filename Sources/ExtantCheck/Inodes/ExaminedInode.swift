import Ext4Format
import ExtantBase

/// An inode while pass 1 looks at it: its bytes as they shall be, and what was found so far.
struct ExaminedInode {
  let number: InodeNumber
  /// Whoever changes it sets `isChanged`; it is written, with a new checksum, when all is done.
  var raw: RawInode
  var isChanged = false
  /// As it was read.
  var hasWrongChecksum = false
  /// In blocks of the filesystem: what i_blocks should count. Data, the map's own blocks, the
  /// attributes' block; with bigalloc all blocks of each cluster.
  var chargedBlocks: UInt64 = 0
  /// Inodes that hold values of its attributes: quota counts them as the owner's. Their space, which
  /// i_blocks counts too, is in `chargedBlocks`.
  var valueInodeCount: UInt64 = 0
  /// One past the last logical block that is mapped, unwritten ones included; nil where none is.
  var mappedEnd: UInt64?
  /// One past the last logical block that holds data which may not lie past the end of the file.
  var writtenEnd: UInt64?
  /// The inode is to be freed: the passes after must not see it.
  var isCleared = false

  init(_ number: InodeNumber, _ raw: RawInode) {
    self.number = number
    self.raw = raw
  }

  /// Changes the bytes.
  mutating func change(_ body: (inout RawInode) -> Void) {
    body(&raw)
    isChanged = true
  }
}
