import BlockIO
import Ext4Format
import ExtantBase

extension CheckRound {
  /// Moves attribute blocks that the filesystem itself or the list of bad blocks claims, too. Maps that
  /// claim one are moved out of its way later.
  ///
  /// To be called when all claims are known.
  func moveSharedXattrBlocks() throws(FileSystemError) {
    var bad: [Range<UInt64>] = []
    if inodes.isInUse(.badBlocks) {
      let list = try readInode(.badBlocks)
      try forEachMapPiece(.badBlocks, list, withRuns: true) {
        (piece: MapPiece) throws(FileSystemError) -> Bool in
        switch piece {
        case .node(let address): bad.append(claims.clusters(address, count: 1))
        case .run(let run): bad.append(claims.clusters(run.address, count: run.count))
        }
        return true
      }
      bad.sort { $0.lowerBound < $1.lowerBound }
    }
    /// Where the blocks go to; nil where there is no room.
    var moved: [BlockAddress: BlockAddress?] = [:]
    for address in xattrs.blocks.keys.sorted().map(BlockAddress.init) where claims.isShared(address)
    {
      let cluster = claims.cluster(of: address)
      let next = bad.partitioningIndex { $0.lowerBound > cluster }
      let isBad = next > 0 && bad[next - 1].contains(cluster)
      guard isBad || claims.metadata.contains(cluster),
        try found(.xattr(.blockShared), .block(address))
      else { continue }
      if let copy = claims.allocate(near: address) {
        try copyXattrBlock(at: address, to: copy)
        moved[address] = .some(copy)
      } else if try found(.xattr(.blockNoRoom), .block(address)) {
        moved[address] = .some(nil)
      }
    }
    guard !moved.isEmpty else { return }
    for number in inodes.numbersInUse {
      var raw = try readInode(number)
      guard let copy = moved[raw.fileACL(superblock)] else { continue }
      raw.setFileACL(copy ?? BlockAddress(0), superblock)
      try writeInode(number, raw)
    }
    for (address, copy) in moved {
      if let copy { xattrs[copy] = xattrs[address] }
      xattrs[address] = nil
    }
  }

  /// What is wrong in it is mended there, by the next round: a wrong checksum stays one.
  private func copyXattrBlock(
    at address: BlockAddress, to copy: BlockAddress
  ) throws(FileSystemError) {
    let block = try image.block(address)
    let seed = superblock.hasMetadataChecksums ? superblock.checksumSeed : nil
    if XattrBlock.hasValidChecksum(block.bytes, at: address, checksumSeed: seed) {
      var bytes = block.mutableBytes
      XattrBlock.seal(&bytes, at: copy, seed)
    }
    try image.write(block, at: copy)
  }
}
