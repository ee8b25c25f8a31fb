import Ext4Format
import ExtantBase

/// Where each group's bitmaps and inode table go.
///
/// With flex_bg those of 16 groups lie together behind the descriptors of the first: block bitmaps,
/// inode bitmaps, tables. Where the next place is taken, as by a copy of the superblock in the
/// middle of tables longer than a group, they go on in the first free run that holds one.
struct TablePlacement {
  let superblock: Superblock
  private(set) var used: UsedBlocks
  private(set) var descriptors: [GroupDescriptor] = []
  /// For each group, whether its block bitmap does not follow from the group's own descriptor.
  private(set) var isTouched: [Bool]

  private struct Place {
    var blockBitmap: UInt64
    var inodeBitmap: UInt64
    var inodeTable: UInt64
  }

  /// - Throws: ENOSPC where the tables do not fit.
  init(_ superblock: Superblock) throws(FileSystemError) {
    self.superblock = superblock
    used = UsedBlocks(superblock)
    isTouched = Array(repeating: false, count: Int(superblock.groupCount))
    for number in 0..<superblock.groupCount {
      let group = GroupIndex(number)
      let start = superblock.groupFirstBlock(group).rawValue
      let count = superblock.superblockAreaBlockCount(in: group)
      guard count <= superblock.blocks(in: group) else { throw .refused(.noSpace) }
      if count > 0 { used.take(start..<start + UInt64(count)) }
    }
    let flexSize = UInt32(1) << UInt32(superblock.logGroupsPerFlex)
    descriptors.reserveCapacity(Int(superblock.groupCount))
    for first in stride(from: 0, to: superblock.groupCount, by: Int(flexSize)) {
      try place(first..<min(first + flexSize, superblock.groupCount), flexSize)
    }
  }

  /// Places the tables of the groups of one flexible group.
  private mutating func place(
    _ groups: Range<UInt32>, _ flexSize: UInt32
  ) throws(FileSystemError) {
    let lastGroup = GroupIndex(groups.upperBound - 1)
    let area =
      superblock.groupFirstBlock(GroupIndex(groups.lowerBound))
      .rawValue..<superblock.groupFirstBlock(lastGroup).rawValue
      + UInt64(superblock.blocks(in: lastGroup))
    let tableBlocks = UInt64(superblock.inodeTableBlockCount)
    // A flexible group of one group leaves room for the others to come, one of more does not.
    let gap = UInt64(groups.count == 1 ? flexSize : UInt32(groups.count))
    var last: Place?
    for number in groups {
      let blockBitmap = try take(
        1, preferred: last.map { $0.blockBitmap + 1 }, area, for: number)
      let inodeBitmap = try take(
        1, preferred: last.map { $0.inodeBitmap + 1 } ?? blockBitmap + gap, area,
        for: number)
      let inodeTable = try take(
        tableBlocks,
        preferred: last.map { $0.inodeTable + tableBlocks } ?? inodeBitmap + gap, area,
        for: number)
      last = Place(blockBitmap: blockBitmap, inodeBitmap: inodeBitmap, inodeTable: inodeTable)
      descriptors.append(
        GroupDescriptor(
          blockBitmap: BlockAddress(blockBitmap), inodeBitmap: BlockAddress(inodeBitmap),
          inodeTable: BlockAddress(inodeTable), freeBlocks: 0,
          freeInodes: superblock.inodesPerGroup))
    }
  }

  /// Takes `count` blocks in a row for `group`: at `preferred`, else where they fit first in the
  /// area, or anywhere.
  private mutating func take(
    _ count: UInt64, preferred: UInt64?, _ area: Range<UInt64>,
    for group: UInt32
  ) throws(FileSystemError) -> UInt64 {
    let start: UInt64
    if let preferred, used.isFree(preferred..<preferred + count) {
      start = preferred
    } else if let found = used.firstFreeRun(of: count, in: area) {
      start = found
    } else if superblock.logGroupsPerFlex > 0,
      let found = used.firstFreeRun(of: count, in: 0..<superblock.blockCount)
    {
      start = found
    } else {
      throw wrong(
        "\(superblock.inodesPerGroup) inodes per group", "the tables of inodes do not fit")
    }
    used.take(start..<start + count)
    let first = superblock.group(of: BlockAddress(start)) ?? GroupIndex(group)
    let last = superblock.group(of: BlockAddress(start + count - 1)) ?? first
    for number in first.rawValue...last.rawValue
    where number != group || superblock.logGroupsPerFlex > 0 {
      isTouched[Int(number)] = true
    }
    return start
  }
}
