import ExtantBase

/// Where things lie. All arithmetic here is on validated geometry: nothing overflows.
extension Superblock {
  public var inodesPerBlock: UInt32 { UInt32(blockSize / inodeSize) }
  /// In blocks, of one group's inode table.
  public var inodeTableBlockCount: UInt32 {
    (inodesPerGroup + inodesPerBlock - 1) / inodesPerBlock
  }
  public var descriptorsPerBlock: UInt32 { UInt32(blockSize / descriptorSize) }
  /// In blocks, of the whole group descriptor table.
  public var descriptorTableBlockCount: UInt32 {
    (groupCount + descriptorsPerBlock - 1) / descriptorsPerBlock
  }

  /// Whether `address` is a block of this filesystem, block 0 of 1 KiB blocks excluded.
  public func contains(_ address: BlockAddress) -> Bool {
    address.rawValue >= UInt64(firstDataBlock) && address.rawValue < blockCount
  }

  /// Whether `count` blocks from `address` on all lie in the filesystem.
  public func contains(_ address: BlockAddress, count: UInt64) -> Bool {
    contains(address) && count <= blockCount - address.rawValue
  }

  public func groupFirstBlock(_ group: GroupIndex) -> BlockAddress {
    BlockAddress(UInt64(firstDataBlock) + UInt64(group.rawValue) * UInt64(blocksPerGroup))
  }

  /// How many blocks `group` has: the last one may have fewer. 0 past the last.
  public func blocks(in group: GroupIndex) -> UInt32 {
    let first = groupFirstBlock(group).rawValue
    return first >= blockCount ? 0 : UInt32(min(UInt64(blocksPerGroup), blockCount - first))
  }

  /// The group that `address` lies in; nil outside the filesystem.
  public func group(of address: BlockAddress) -> GroupIndex? {
    guard contains(address) else { return nil }
    return GroupIndex(
      UInt32((address.rawValue - UInt64(firstDataBlock)) / UInt64(blocksPerGroup)))
  }

  /// The group that `inode` lies in; nil for inode 0 and past the last.
  public func group(of inode: InodeNumber) -> GroupIndex? {
    guard inode.rawValue >= 1, inode.rawValue <= inodeCount else { return nil }
    return GroupIndex((inode.rawValue - 1) / inodesPerGroup)
  }

  /// The first inode of `group`.
  public func firstInode(in group: GroupIndex) -> InodeNumber {
    InodeNumber(group.rawValue * inodesPerGroup + 1)
  }

  /// log2 of the blocks in a cluster; 0 without `bigalloc`.
  public var clusterShift: UInt32 {
    features.readOnlyCompat.contains(.bigalloc)
      ? get32(SuperblockField.logClusterSize) - get32(SuperblockField.logBlockSize) : 0
  }

  /// The inode's place: its block and the byte in it, given the descriptor of its group.
  ///
  /// - Throws: `corrupt` for a number that no inode has.
  public func inodeLocation(
    _ inode: InodeNumber, descriptor: GroupDescriptor
  ) throws(FileSystemError) -> (block: BlockAddress, offset: Int) {
    guard inode.rawValue >= 1, inode.rawValue <= inodeCount else {
      throw .corrupt(Corruption("inode", inode: inode, "the last inode is \(inodeCount)"))
    }
    let index = (inode.rawValue - 1) % inodesPerGroup
    let block = descriptor.inodeTable + UInt64(index / inodesPerBlock)
    return (block, Int(index % inodesPerBlock) * inodeSize)
  }

  /// Whether `group` starts with a copy of the superblock and the descriptor table.
  public func groupHasSuperblock(_ group: GroupIndex) -> Bool {
    let number = group.rawValue
    if number == 0 { return true }
    if features.compat.contains(.sparseSuper2) {
      return number == backupGroups.0 || number == backupGroups.1
    }
    guard features.readOnlyCompat.contains(.sparseSuper), number > 1 else { return true }
    return [3, 5, 7].contains { Self.isPower(number, of: $0) }
  }

  private static func isPower(_ number: UInt32, of base: UInt32) -> Bool {
    var rest = number
    while rest > 1, rest % base == 0 { rest /= base }
    return rest == 1
  }

  /// The block that holds the superblock, or its copy at the start of `group`.
  public func superblockBlock(in group: GroupIndex) -> BlockAddress {
    groupFirstBlock(group) + bootBlockCount(in: group)
  }

  /// 1 where byte 1,024 lies in a block after the group's first: with blocks of 1 KiB and `bigalloc`,
  /// for then the first group starts with block 0.
  private func bootBlockCount(in group: GroupIndex) -> UInt64 {
    group.rawValue == 0 && blockSize == 1024 && firstDataBlock == 0 ? 1 : 0
  }

  /// The block of the descriptors that the whole filesystem goes by that holds `group`'s.
  public func descriptorBlock(for group: GroupIndex) -> BlockAddress {
    let index = group.rawValue / descriptorsPerBlock
    if index < undividedDescriptorBlockCount {
      return superblockBlock(in: GroupIndex(0)) + 1 + UInt64(index)
    }
    return dividedDescriptorBlock(in: GroupIndex(index * descriptorsPerBlock))
  }

  /// The copy of the same in `holder`; nil where it holds none.
  ///
  /// Without `meta_bg` each group with a superblock's copy holds all; with it, the second and the
  /// last of the groups that a block describes hold that block.
  public func descriptorBlock(for group: GroupIndex, backupIn holder: GroupIndex) -> BlockAddress? {
    guard holder.rawValue < groupCount else { return nil }
    let index = group.rawValue / descriptorsPerBlock
    if index < undividedDescriptorBlockCount {
      guard groupHasSuperblock(holder) else { return nil }
      return superblockBlock(in: holder) + 1 + UInt64(index)
    }
    guard holder.rawValue / descriptorsPerBlock == index, holdsDividedDescriptors(holder) else {
      return nil
    }
    return dividedDescriptorBlock(in: holder)
  }

  /// How many blocks of descriptors follow the superblock and its copies, all of them in one place.
  /// The rest lie in the groups that they describe (`meta_bg`).
  public var undividedDescriptorBlockCount: UInt32 {
    features.incompat.contains(.metaBg)
      ? min(get32(SuperblockField.firstMetaBlockGroup), descriptorTableBlockCount)
      : descriptorTableBlockCount
  }

  private func holdsDividedDescriptors(_ group: GroupIndex) -> Bool {
    let place = group.rawValue % descriptorsPerBlock
    return place <= 1 || place == descriptorsPerBlock - 1
  }

  private func dividedDescriptorBlock(in group: GroupIndex) -> BlockAddress {
    groupHasSuperblock(group) ? superblockBlock(in: group) + 1 : groupFirstBlock(group)
  }

  /// The byte in its block at which `group`'s descriptor starts.
  public func descriptorOffset(for group: GroupIndex) -> Int {
    Int(group.rawValue % descriptorsPerBlock) * descriptorSize
  }

  /// How many blocks the boot block, superblock, descriptors and their reserve take at the start of
  /// `group`.
  public func superblockAreaBlockCount(in group: GroupIndex) -> UInt32 {
    var count: UInt32 = 0
    if groupHasSuperblock(group) { count = UInt32(bootBlockCount(in: group)) + 1 }
    if group.rawValue / descriptorsPerBlock >= undividedDescriptorBlockCount {
      if holdsDividedDescriptors(group) { count += 1 }
    } else if groupHasSuperblock(group) {
      count += undividedDescriptorBlockCount
      // They would lie where the divided descriptors are not.
      if !features.incompat.contains(.metaBg) { count += UInt32(reservedDescriptorBlockCount) }
    }
    return count
  }
}
