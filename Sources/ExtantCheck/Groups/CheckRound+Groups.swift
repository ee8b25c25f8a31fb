import BlockIO
import Ext4Format
import ExtantBase

extension CheckRound {
  /// Reads the group descriptors, mends where they put things, and claims what the filesystem itself
  /// takes: superblocks, descriptors and their reserve, bitmaps, inode tables, the MMP block.
  ///
  /// An inode table of which nobody knows where it lies has the address 0 until `finishInodes`, and
  /// so has a bitmap that is to be made anew.
  func checkGroups() throws(FileSystemError) {
    let damaged = try loadGroups()
    try checkFlexBg(damaged)
    try mendTables(damaged)
    try checkFlags()
    claimSuperblockAreas()
    try claimTables()
    try claimMMPBlock()
    try placeFirstTable()
  }

  /// Several groups with whole descriptors that have their tables in others: it is the feature that
  /// is lost, not the tables.
  private func checkFlexBg(_ damaged: [UInt32]) throws(FileSystemError) {
    guard !superblock.features.incompat.contains(.flexBg) else { return }
    var count = 0
    for (index, descriptor) in groups.enumerated() {
      let group = GroupIndex(UInt32(index))
      let problems = GroupPart.allCases.map {
        superblock.placeProblem($0, of: group, at: descriptor[$0])
      }
      if zip(problems, GroupPart.allCases).contains(where: { $0 == $1.isInOtherGroup }),
        !zip(problems, GroupPart.allCases).contains(where: { $0 == $1.isOutside })
      {
        count += 1
      }
    }
    count -= damaged.count
    guard count >= 2, count * 2 >= groups.count,
      GroupMap.contested(superblock, groups, skipping: []).isEmpty,
      try found(.superblock(.flexBgMissing), .filesystem, found: .number(UInt64(count)))
    else { return }
    superblock.features.incompat.insert(.flexBg)
  }

  /// What descriptors say of parts that were never used.
  private func checkFlags() throws(FileSystemError) {
    let uninit: GroupDescriptor.Flags = [.inodeUninit, .blockUninit]
    for index in groups.indices {
      let place = Place.group(GroupIndex(UInt32(index)))
      let descriptor = groups[index]
      let flags = IssueValue.hexadecimal(UInt64(descriptor.flags.rawValue))
      guard superblock.hasUninitializedGroups else {
        if !descriptor.flags.isDisjoint(with: uninit),
          try found(.group(.uninitWithoutChecksums), place, found: flags)
        {
          groups[index].flags.subtract(uninit)
        }
        if descriptor.unusedInodes != 0,
          try found(
            .group(.unusedWithoutChecksums), place,
            found: .number(UInt64(descriptor.unusedInodes)))
        {
          groups[index].unusedInodes = 0
        }
        continue
      }
      if index == groups.count - 1, descriptor.flags.contains(.blockUninit),
        try found(.group(.lastBlockBitmapUninit), place, found: flags)
      {
        groups[index].flags.remove(.blockUninit)
      }
      let most = min(descriptor.freeInodes, superblock.inodesPerGroup)
      if descriptor.unusedInodes > most,
        try found(
          .group(.tooManyUnusedInodes), place, found: .number(UInt64(descriptor.unusedInodes)),
          expected: .number(UInt64(most)))
      {
        groups[index].unusedInodes = 0
        groups[index].flags.remove(.inodeUninit)
      }
    }
  }

  // MARK: Claims

  /// Claims what lies at the groups' starts.
  private func claimSuperblockAreas() {
    for index in 0..<superblock.groupCount {
      let group = GroupIndex(index)
      let count = min(
        superblock.superblockAreaBlockCount(in: group), superblock.blocks(in: group))
      claims.claimSystem(superblock.groupFirstBlock(group), count: UInt64(count))
    }
  }

  /// Claims the groups' bitmaps and inode tables.
  private func claimTables() throws(FileSystemError) {
    for descriptor in groups {
      for part in GroupPart.allCases where descriptor[part].rawValue != 0 {
        claims.claimSystem(descriptor[part], count: part.count(superblock))
      }
    }
  }

  private func claimMMPBlock() throws(FileSystemError) {
    guard superblock.features.incompat.contains(.mmp) else { return }
    let address = superblock.mmpBlock
    // In a cluster, it may have neighbours.
    if claims.clusterShift == 0, claims.isClaimed(address) {
      if try found(.superblock(.badMMPBlock), .block(address)) {
        superblock.features.incompat.remove(.mmp)
        superblock.raw.withMutableBytes { $0.setLE64(0, at: SuperblockField.mmpBlock) }
      }
    } else {
      claims.claimSystem(address)
    }
  }
}
