import BlockIO
import Ext4Format
import ExtantBase

extension CheckRound {
  /// Gives up the claims of all blocks of a mended inode: its data, its map, its attributes' block
  /// unless shared with others.
  func releaseBlocks(_ number: InodeNumber, _ raw: RawInode) throws(FileSystemError) {
    try forEachMapPiece(number, raw, withRuns: true) {
      (piece: MapPiece) throws(FileSystemError) -> Bool in
      switch piece {
      case .node(let address): releaseClaim(address, count: 1)
      case .run(let run): releaseClaim(run.address, count: run.count)
      }
      return true
    }
    if let translator = translatorBlock(number, raw) { releaseClaim(translator, count: 1) }
    try releaseXattrBlock(raw)
  }

  /// Gives up one owner's claim of blocks. What others claim too, or the filesystem itself, stays
  /// claimed.
  func releaseClaim(_ address: BlockAddress, count: UInt64) {
    claims.releaseUnshared(clusters: claims.clusters(address, count: count))
  }
}
