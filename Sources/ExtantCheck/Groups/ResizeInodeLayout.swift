import Ext4Format
import ExtantBase

/// What the inode of `resize_inode` must map: through its doubly indirect block, the blocks reserved
/// behind the descriptors, each of which names its own copies.
///
/// The reserved block that would be the n-th of descriptors is entry n of the doubly indirect block,
/// counted around where that has no more entries; its own entries are the blocks at the same place
/// in the groups that hold copies.
struct ResizeInodeLayout {
  let reserved: UInt32
  let addressesPerBlock: Int
  private let clusterShift: UInt64
  private let firstIndex: UInt32
  private let start: BlockAddress
  /// Where groups with copies start.
  private let holders: [BlockAddress]

  init(_ superblock: Superblock) {
    reserved = UInt32(superblock.reservedDescriptorBlockCount)
    addressesPerBlock = superblock.blockSize / 4
    clusterShift = UInt64(superblock.clusterShift)
    firstIndex = superblock.undividedDescriptorBlockCount
    start = superblock.superblockBlock(in: GroupIndex(0)) + 1 + UInt64(firstIndex)
    holders = superblock.copyHolders.prefix(addressesPerBlock).map {
      superblock.superblockBlock(in: $0)
    }
  }

  /// The reserved block at `index`, in the first group.
  func block(_ index: UInt32) -> BlockAddress { start + UInt64(index) }
  /// Its entry in the doubly indirect block.
  func slot(_ index: UInt32) -> Int { Int(firstIndex &+ index) % addressesPerBlock }

  var copyCount: Int { holders.count }
  /// What entry `place` of the reserved block at `index` must say.
  func copy(_ index: UInt32, _ place: Int) -> UInt32 {
    guard place < holders.count else { return 0 }
    let address = holders[place] + 1 + UInt64(firstIndex) + UInt64(index)
    return UInt32(truncatingIfNeeded: address.rawValue)
  }

  /// In blocks: the doubly indirect one, the reserved ones and their copies.
  var mappedCount: UInt64 { 1 + UInt64(reserved) * UInt64(1 + holders.count) }

  /// In blocks, as i_blocks counts them: each stands for its whole cluster.
  var chargedCount: UInt64 { mappedCount << clusterShift }

  /// One past the last logical block that is mapped.
  var mappedEnd: UInt64? {
    guard reserved > 0, !holders.isEmpty else { return nil }
    let last = (0..<reserved).reduce(0) { max($0, slot($1)) }
    let perBlock = UInt64(addressesPerBlock)
    return 12 + perBlock + UInt64(last) * perBlock + UInt64(holders.count)
  }

  /// In blocks: as much as fits a doubly indirect block.
  var usualSize: UInt64 {
    let perBlock = UInt64(addressesPerBlock)
    return 12 + perBlock + perBlock * perBlock
  }
  /// In blocks: as much as fits a map.
  var largestSize: UInt64 {
    let perBlock = UInt64(addressesPerBlock)
    return usualSize + perBlock * perBlock * perBlock
  }
}
