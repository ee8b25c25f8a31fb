import BlockIO
import Ext4Format
import ExtantBase

extension CheckRound {
  /// Pass 1 for the inode that keeps the blocks reserved for a larger descriptor table.
  func checkResizeInode(_ inode: inout ExaminedInode) throws(FileSystemError) {
    // The block that names all reserved ones; those are claimed with the superblocks' areas.
    let address = BlockAddress(UInt64(inode.raw.blockWord(13)))
    if isMappable(address) { claims.claim(address) }
  }
}
