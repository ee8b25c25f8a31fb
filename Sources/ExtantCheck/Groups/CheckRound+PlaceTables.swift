import BlockIO
import Ext4Format
import ExtantBase

/// Bitmaps and inode tables that are made anew, for nobody knows where they were.
extension CheckRound {
  /// Finds a place for a part of a group, and empties it. Claims must be known.
  func place(_ item: GroupMap.Item) throws(FileSystemError) {
    let count = item.part.count(superblock)
    let group = GroupIndex(item.group)
    let own = blockRange(of: group)
    var address = claims.allocateRun(count, in: own)
    if address == nil, superblock.features.incompat.contains(.flexBg) {
      address =
        claims.allocateRun(count, in: own.upperBound..<superblock.blockCount)
        ?? claims.allocateRun(count, in: UInt64(superblock.firstDataBlock)..<own.lowerBound)
    }
    guard let address else { throw noRoom(item) }
    try settle(item, at: address)
  }

  /// The first group's inode table, where it must be made anew: the root has to have a place before
  /// anything else. What is free is taken from the bitmaps as they stand.
  func placeFirstTable() throws(FileSystemError) {
    guard groups.first?.inodeTable == BlockAddress(0) else { return }
    let item = GroupMap.Item(group: 0, part: .inodeTable)
    let count = item.part.count(superblock)
    for index in groups.indices {
      let group = GroupIndex(UInt32(index))
      var candidates = claims
      try claimByBitmap(group, &candidates)
      if let address = candidates.allocateRun(count, in: blockRange(of: group)) {
        claims.claimSystem(address, count: count)
        return try settle(item, at: address)
      }
      if !superblock.features.incompat.contains(.flexBg) { break }
    }
    throw noRoom(item)
  }

  private func noRoom(_ item: GroupMap.Item) -> FileSystemError {
    .corrupt(
      Corruption(
        "group descriptor", "there is no room for the tables of \(GroupIndex(item.group))"))
  }

  private func blockRange(of group: GroupIndex) -> Range<UInt64> {
    let first = superblock.groupFirstBlock(group).rawValue
    return first..<first + UInt64(superblock.blocks(in: group))
  }

  /// Claims what the group's block bitmap says is in use; all of it where there is no bitmap.
  private func claimByBitmap(
    _ group: GroupIndex, _ candidates: inout BlockClaims
  ) throws(FileSystemError) {
    let descriptor = groups[Int(group.rawValue)]
    let range = blockRange(of: group)
    if superblock.hasUninitializedGroups, descriptor.flags.contains(.blockUninit) { return }
    guard descriptor.blockBitmap.rawValue != 0 else {
      candidates.claimSystem(
        BlockAddress(range.lowerBound), count: range.upperBound - range.lowerBound)
      return
    }
    let bitmap = try image.block(descriptor.blockBitmap)
    let step = UInt64(1) << candidates.clusterShift
    var block = range.lowerBound
    var bit = 0
    while block < range.upperBound, bit < bitmap.byteCount * 8 {
      if bitmap.bytes.bit(bit) { candidates.claimSystem(BlockAddress(block)) }
      block += step
      bit += 1
    }
  }

  /// Empties the part at its new place, and has the descriptor say so.
  private func settle(_ item: GroupMap.Item, at address: BlockAddress) throws(FileSystemError) {
    let zeros = BlockBuffer(byteCount: superblock.blockSize)
    for index in 0..<item.part.count(superblock) { try image.write(zeros, at: address + index) }
    let group = Int(item.group)
    groups[group][item.part] = address
    switch item.part {
    case .blockBitmap: groups[group].flags.remove(.blockUninit)
    case .inodeBitmap: groups[group].flags.remove(.inodeUninit)
    case .inodeTable:
      groups[group].flags.remove(.inodeUninit)
      if superblock.hasUninitializedGroups { groups[group].flags.insert(.inodeZeroed) }
      groups[group].unusedInodes = 0
    }
  }
}
