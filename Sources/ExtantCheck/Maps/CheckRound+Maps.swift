import BlockIO
import Ext4Format
import ExtantBase

extension CheckRound {
  /// Pass 1 for the map in i_block: mends it, claims its blocks, adds a directory's blocks to
  /// `directories.blocks`, and sets what `ExaminedInode` says of blocks. Not called for inodes whose
  /// i_block is no map.
  func checkMap(_ inode: inout ExaminedInode) throws(FileSystemError) {}

  /// Calls `body` with the runs of an inode that pass 1 has mended, in logical order, until it returns
  /// false. `body` may not change the map.
  func forEachRun(
    _ number: InodeNumber, _ raw: RawInode, _ body: (MapRun) throws(FileSystemError) -> Bool
  ) throws(FileSystemError) {}

  /// Calls `body` with each block that the map itself takes: extent nodes, pointer blocks.
  func forEachMapBlock(
    _ number: InodeNumber, _ raw: RawInode,
    _ body: (BlockAddress) throws(FileSystemError) -> Bool
  ) throws(FileSystemError) {}

  /// Replaces the whole map: writes `runs`, ascending, as extents or block pointers, whichever the
  /// inode uses, taking and giving back blocks for the map itself and setting i_blocks. Blocks of data
  /// stay claimed or not as they are. The caller writes the inode.
  ///
  /// - Returns: false, with nothing changed, where there is no free block for the map.
  func writeMap(
    _ number: InodeNumber, _ raw: inout RawInode, _ runs: [MapRun]
  ) throws(FileSystemError) -> Bool { false }

  /// Gives up the claims of all blocks of a mended inode: its data, its map, its attributes' block
  /// unless shared with others.
  func releaseBlocks(_ number: InodeNumber, _ raw: RawInode) throws(FileSystemError) {}
}
