import BlockIO
import Ext4Format
import ExtantBase

extension CheckRound {
  /// Pass 1 for the map in i_block: mends it, claims its blocks, adds a directory's blocks to
  /// `directories.blocks`, and sets what `ExaminedInode` says of blocks. Not called for inodes whose
  /// i_block is no map.
  func checkMap(_ inode: inout ExaminedInode) throws(FileSystemError) {
    var examined = inode
    try forEachMapPiece(inode.number, inode.raw, withRuns: true) {
      (piece: MapPiece) throws(FileSystemError) -> Bool in
      switch piece {
      case .node(let address):
        claims.claim(address)
        examined.chargedBlocks += 1 << claims.clusterShift
      case .run(let run):
        claims.claim(run.address, count: run.count)
        examined.chargedBlocks += run.count
        examined.mappedEnd = run.logical + run.count
        if !run.isUnwritten { examined.writtenEnd = run.logical + run.count }
        if inode.raw.kind == .directory {
          let last = directories.blocks.last.flatMap { $0.inode == inode.number ? $0.logical : nil }
          for hole in (last.map { $0 + 1 } ?? 0)..<run.logical {
            directories.blocks.append(
              DirectoryList.Block(inode: inode.number, logical: hole, address: BlockAddress(0)))
          }
          for offset in 0..<run.count {
            directories.blocks.append(
              DirectoryList.Block(
                inode: inode.number, logical: run.logical + offset, address: run.address + offset))
          }
        }
      }
      return true
    }
    inode = examined
  }
}
