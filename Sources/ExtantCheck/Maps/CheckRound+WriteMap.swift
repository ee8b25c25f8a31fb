import BlockIO
import Ext4Format
import ExtantBase

extension CheckRound {
  /// Replaces the whole map: writes `runs`, ascending, as extents or block pointers, whichever the
  /// inode uses, taking and giving back blocks for the map itself and setting i_blocks. Blocks of data
  /// stay claimed or not as they are. The caller writes the inode.
  ///
  /// - Returns: false, with nothing changed, where there is no free block for the map, or where block
  ///   pointers cannot express it.
  func writeMap(
    _ number: InodeNumber, _ raw: inout RawInode, _ runs: [MapRun]
  ) throws(FileSystemError) -> Bool {
    var pool: [BlockAddress] = []
    var seen: Set<BlockAddress> = []
    try forEachMapBlock(number, raw) { (address: BlockAddress) throws(FileSystemError) -> Bool in
      // A damaged map may have a block twice.
      if seen.insert(address).inserted, !claims.isShared(address),
        !claims.metadata.contains(claims.cluster(of: address))
      {
        pool.append(address)
      }
      return true
    }
    removeContents(runs, from: &pool)
    let isExtents = raw.flags.contains(.extents)
    let extents = isExtents ? ExtentTreeWriter(runs, image.blockSize) : nil
    let pointers = isExtents ? nil : PointerMapWriter(runs, superblock)
    guard let needed = extents?.nodeCount ?? pointers?.nodeCount else { return false }
    let kept = pool.count
    while pool.count < needed {
      guard let address = claims.allocate(near: runs.first?.address) else {
        for address in pool[kept...] { claims.release(address) }
        return false
      }
      pool.append(address)
    }
    var nodes = Array(pool[..<needed])
    for address in pool[needed...] { releaseClaim(address, count: 1) }
    if let extents {
      raw.blockArea = try extents.write(&nodes, raw.checksumSeed(number, superblock), image)
    } else if let pointers {
      raw.blockArea = try pointers.write(&nodes, image)
    }
    let isTranslated = translatorBlock(number, raw) != nil
    setBlockCount(&raw, runs, mapBlocks: needed + (isTranslated ? 1 : 0))
    return true
  }

  /// A damaged map may have a block both as its own and as one of data, which it then is.
  private func removeContents(_ runs: [MapRun], from pool: inout [BlockAddress]) {
    guard !pool.isEmpty else { return }
    pool.sort()
    var isData = [Bool](repeating: false, count: pool.count)
    for run in runs {
      let clusters = claims.clusters(run.address, count: run.count)
      var index = pool.partitioningIndex { claims.cluster(of: $0) >= clusters.lowerBound }
      while index < pool.count, claims.cluster(of: pool[index]) < clusters.upperBound {
        isData[index] = true
        index += 1
      }
    }
    pool = zip(pool, isData).filter { !$0.1 }.map(\.0)
  }

  /// Sets i_blocks to what an inode with these runs, so many blocks of map and its attributes' block
  /// takes.
  private func setBlockCount(_ raw: inout RawInode, _ runs: [MapRun], mapBlocks: Int) {
    var clusters = UInt64(mapBlocks)
    var last: UInt64?
    for run in runs {
      let range = claims.clusters(run.address, count: run.count)
      clusters += UInt64(range.count) - (range.lowerBound == last ? 1 : 0)
      last = range.upperBound - 1
    }
    if raw.fileACL(superblock).rawValue != 0 { clusters += 1 }
    raw.setBlocks(clusters << claims.clusterShift, superblock)
  }
}

extension RawInode {
  /// Sets i_blocks to count so many blocks of the filesystem: in units of 512 bytes as long as the
  /// inode says so, and they fit.
  mutating func setBlocks(_ blocks: UInt64, _ superblock: Superblock) {
    let hasHigh = superblock.features.readOnlyCompat.contains(.hugeFile)
    let units = blocks &* UInt64(superblock.blockSize / 512)
    if hasHigh, units >> 48 != 0 { flags.insert(.hugeFile) }
    let stored = hasHigh && flags.contains(.hugeFile) ? blocks : units
    blocksLow = UInt32(truncatingIfNeeded: stored)
    if hasHigh { blocksHigh = UInt16(truncatingIfNeeded: stored >> 32) }
  }
}
