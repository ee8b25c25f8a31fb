import BlockIO
import Ext4Format
import ExtantBase

extension CheckRound {
  /// Pass 1 for the map in i_block: mends it, claims its blocks, adds a directory's blocks to
  /// `directories.runs`, and sets what `ExaminedInode` says of blocks. Not called for inodes whose
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
          let last = directories.runs.last.flatMap {
            $0.inode == inode.number ? $0.logical + $0.count : nil
          }
          let end = last ?? 0
          if end < run.logical {
            directories.runs.append(
              DirectoryList.Run(
                inode: inode.number, logical: end, address: BlockAddress(0),
                count: run.logical - end))
          }
          directories.runs.append(
            DirectoryList.Run(
              inode: inode.number, logical: run.logical, address: run.address, count: run.count))
        }
      }
      return true
    }
    inode = examined
  }
}
