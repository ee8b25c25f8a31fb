import BlockIO
import Ext4Format
import ExtantBase

/// Frees blocks and inodes of orphans in the bitmaps and counts as they stand, so that the passes after
/// find nothing to say of what was finished. A bitmap with a wrong checksum is left alone: it is mended
/// as a whole later.
struct OrphanRelease {
  let round: CheckRound
  /// Blocks that orphans may still have, all together: no more than there are.
  var budget: UInt64
  private var blockBitmaps: [GroupIndex: BlockBuffer] = [:]
  private var inodeBitmaps: [GroupIndex: BlockBuffer] = [:]

  init(_ round: CheckRound) {
    self.round = round
    budget = round.superblock.blockCount
  }

  /// The orphan's map; nil where it is damaged, or orphans have more blocks than there are.
  mutating func map(
    _ number: InodeNumber, _ raw: RawInode
  ) throws(FileSystemError) -> OrphanMap? {
    let map = try OrphanMap(round, number, raw, budget: budget)
    // What a damaged map has cost is not known: less than the budget.
    budget = map?.blocksLeft ?? budget / 2
    return map
  }

  /// - Parameter logical: of data that is cut from a file which goes on before it: a cluster that holds
  ///   some of both stays.
  mutating func free(
    _ address: BlockAddress, count: UInt64, logical: UInt64? = nil
  ) throws(FileSystemError) {
    let ratio: UInt64 = 1 << round.claims.clusterShift
    var address = address
    var count = count
    if let logical, logical % ratio != 0 {
      let kept = min(count, ratio - logical % ratio)
      address = address + kept
      count -= kept
    }
    guard count > 0 else { return }
    for cluster in round.claims.clusters(address, count: count)
    where !round.claims.metadata.contains(cluster) {
      try freeCluster(cluster)
    }
  }

  private mutating func freeCluster(_ cluster: UInt64) throws(FileSystemError) {
    let superblock = round.superblock
    let shift = round.claims.clusterShift
    let first = UInt64(superblock.firstDataBlock)
    let address = BlockAddress(max(cluster << shift, first))
    guard let group = superblock.group(of: address),
      let bitmap = try bitmap(of: group, blocks: true)
    else { return }
    let bit = Int((address.rawValue - superblock.groupFirstBlock(group).rawValue) >> shift)
    guard bit < bitmap.byteCount * 8, bitmap.bytes.bit(bit) else { return }
    var bytes = bitmap.mutableBytes
    bytes.setBit(bit, to: false)
    round.groups[Int(group.rawValue)].freeBlocks &+= 1
    round.superblock.freeBlockCount &+= 1 << shift
  }

  mutating func free(_ number: InodeNumber, isDirectory: Bool) throws(FileSystemError) {
    guard let group = round.superblock.group(of: number),
      let bitmap = try bitmap(of: group, blocks: false)
    else { return }
    let bit = Int((number.rawValue - 1) % round.superblock.inodesPerGroup)
    guard bitmap.bytes.bit(bit) else { return }
    var bytes = bitmap.mutableBytes
    bytes.setBit(bit, to: false)
    let index = Int(group.rawValue)
    round.groups[index].freeInodes &+= 1
    if isDirectory, round.groups[index].usedDirectories > 0 {
      round.groups[index].usedDirectories -= 1
    }
    round.superblock.freeInodeCount &+= 1
  }

  /// Nil for one that cannot be believed, or of which there is none yet.
  private mutating func bitmap(
    of group: GroupIndex, blocks: Bool
  ) throws(FileSystemError) -> BlockBuffer? {
    if let known = blocks ? blockBitmaps[group] : inodeBitmaps[group] { return known }
    guard Int(group.rawValue) < round.groups.count else { return nil }
    let descriptor = round.groups[Int(group.rawValue)]
    let superblock = round.superblock
    if superblock.hasUninitializedGroups,
      descriptor.flags.contains(blocks ? .blockUninit : .inodeUninit)
    {
      return nil
    }
    let address = blocks ? descriptor.blockBitmap : descriptor.inodeBitmap
    guard superblock.contains(address), address.rawValue < round.image.deviceBlockCount else {
      return nil
    }
    let buffer = try round.image.block(address)
    let stored = blocks ? descriptor.blockBitmapChecksum : descriptor.inodeBitmapChecksum
    let computed =
      blocks
      ? Bitmap.blockChecksum(buffer.bytes, superblock: superblock)
      : Bitmap.inodeChecksum(buffer.bytes, superblock: superblock)
    guard !superblock.hasMetadataChecksums || stored == computed else { return nil }
    if blocks { blockBitmaps[group] = buffer } else { inodeBitmaps[group] = buffer }
    return buffer
  }

  /// Writes what was changed, the descriptors with it.
  func finish() throws(FileSystemError) {
    guard !blockBitmaps.isEmpty || !inodeBitmaps.isEmpty else { return }
    let superblock = round.superblock
    for (group, buffer) in blockBitmaps.sorted(by: { $0.key < $1.key }) {
      let index = Int(group.rawValue)
      try round.image.write(buffer, at: round.groups[index].blockBitmap)
      if superblock.hasMetadataChecksums {
        round.groups[index].blockBitmapChecksum = Bitmap.blockChecksum(
          buffer.bytes, superblock: superblock)
      }
    }
    for (group, buffer) in inodeBitmaps.sorted(by: { $0.key < $1.key }) {
      let index = Int(group.rawValue)
      try round.image.write(buffer, at: round.groups[index].inodeBitmap)
      if superblock.hasMetadataChecksums {
        round.groups[index].inodeBitmapChecksum = Bitmap.inodeChecksum(
          buffer.bytes, superblock: superblock)
      }
    }
    try round.storeGroups()
  }
}
