import Ext4Format
import ExtantBase

/// The numbers of a new filesystem, chosen as mke2fs chooses them.
struct Geometry {
  var features: Superblock.Features
  let blockSize: Int
  private(set) var blockCount: UInt64
  let firstDataBlock: UInt32
  private(set) var blocksPerGroup: UInt32
  private(set) var inodesPerGroup: UInt32 = 0
  let inodeSize: Int
  let descriptorSize: Int
  private(set) var reservedBlockCount: UInt64
  private(set) var reservedDescriptorBlockCount: UInt32 = 0
  let firstInode: UInt32 = 11
  /// log2 of the groups whose tables lie together; 0 without flex_bg.
  let logGroupsPerFlex: UInt8

  private(set) var groupCount: UInt64 = 0

  var inodeCount: UInt64 { groupCount * UInt64(inodesPerGroup) }
  var inodeTableBlockCount: UInt32 {
    ceilingDivide(inodesPerGroup * UInt32(inodeSize), UInt32(blockSize))
  }
  var descriptorTableBlockCount: UInt64 {
    ceilingDivide(groupCount, UInt64(blockSize / descriptorSize))
  }

  init(_ options: MakeOptions, deviceByteCount: UInt64) throws(FileSystemError) {
    features = try FeatureChoice(options.features).features

    if let wanted = options.byteCount, wanted > deviceByteCount {
      throw wrong("a size of \(wanted) bytes", "the device has only \(deviceByteCount)")
    }
    let byteCount = options.byteCount ?? deviceByteCount
    let usage = UsageType(byteCount: byteCount)
    blockSize = options.blockSize ?? usage.blockSize
    guard [1024, 2048, 4096].contains(blockSize) else {
      throw wrong("block size \(blockSize)", "a block has 1024, 2048 or 4096 bytes")
    }
    inodeSize = options.inodeSize ?? 256
    guard inodeSize >= 128, inodeSize <= blockSize, inodeSize & (inodeSize - 1) == 0 else {
      throw wrong(
        "inode size \(inodeSize)", "it is a power of two from 128 to the block size, \(blockSize)")
    }
    guard options.reservedPercentage >= 0, options.reservedPercentage <= 50 else {
      throw wrong("\(options.reservedPercentage) percent reserved", "it is 0 to 50 percent")
    }

    // A whole device is taken in whole pages, so that the kernel can cache its last block.
    let blocksPerPage = options.byteCount == nil ? UInt64(4096 / blockSize) : 1
    blockCount = byteCount / UInt64(blockSize) / blocksPerPage * blocksPerPage
    firstDataBlock = blockSize == 1024 ? 1 : 0
    guard blockCount > UInt64(firstDataBlock) else {
      throw wrong("a size of \(byteCount) bytes", "it is too small for a filesystem")
    }
    if blockCount > UInt64(UInt32.max) {
      guard features.incompat.contains(.is64Bit) else {
        throw wrong("\(blockCount) blocks without 64bit", "32 bits do not count them")
      }
      // Its indirect blocks hold 32-bit addresses.
      features.compat.remove(.resizeInode)
    }
    if blockCount < Journal.minimumFilesystemBlockCount {
      features.compat.subtract([.hasJournal, .orphanFile])
    }
    descriptorSize = features.incompat.contains(.is64Bit) ? 64 : 32
    logGroupsPerFlex = features.incompat.contains(.flexBg) ? 4 : 0
    blocksPerGroup = UInt32(blockSize) * 8
    reservedBlockCount = UInt64(Double(blockCount) * options.reservedPercentage / 100)
    try divide(inodes: Self.wantedInodes(options, usage, blockCount, blockSize, inodeSize))
  }

  /// The number of inodes before it is made to fit the groups.
  private static func wantedInodes(
    _ options: MakeOptions, _ usage: UsageType, _ blockCount: UInt64, _ blockSize: Int,
    _ inodeSize: Int
  ) throws(FileSystemError) -> UInt64 {
    let byteCount = blockCount * UInt64(blockSize)
    if let count = options.inodeCount {
      guard count >= 1, count <= UInt64(UInt32.max),
        count * UInt64(inodeSize) / UInt64(blockSize) < blockCount
      else {
        throw wrong(
          "\(count) inodes", "of \(inodeSize) bytes they do not fit \(blockCount) blocks")
      }
      return count
    }
    let ratio = options.bytesPerInode ?? usage.inodeRatio
    guard ratio >= 1024, ratio <= 64 << 20 else {
      throw wrong("\(ratio) bytes for each inode", "it is 1024 to 67108864 bytes")
    }
    // A device smaller than the ratio gets one for each 4 KiB, as with mke2fs.
    return min(byteCount / (byteCount < ratio ? 4096 : ratio), UInt64(UInt32.max))
  }

  /// Finds groups that hold `inodes`, dropping a rest at the end too small to be a group.
  private mutating func divide(inodes: UInt64) throws(FileSystemError) {
    let inodesPerBlock = UInt32(blockSize / inodeSize)
    // The inodes 1 to 10 are reserved, and lost+found takes the first after them.
    let wanted = max(inodes, UInt64(firstInode) + 1)
    let allBlocks = blockCount
    let reservedOfAll = reservedBlockCount
    while true {
      groupCount = ceilingDivide(blockCount - UInt64(firstDataBlock), UInt64(blocksPerGroup))
      var perGroup = ceilingDivide(wanted, groupCount)
      if perGroup > UInt64(blockSize) * 8 {
        // One bitmap block cannot hold them: use smaller groups, thus more.
        guard blocksPerGroup >= 256 else {
          throw wrong("\(inodes) inodes", "they are too many for \(blockCount) blocks")
        }
        blocksPerGroup -= 8
        blockCount = allBlocks
        continue
      }
      perGroup = min(perGroup, 65536 - UInt64(inodesPerBlock))
      perGroup = ceilingDivide(perGroup, UInt64(inodesPerBlock)) * UInt64(inodesPerBlock)
      inodesPerGroup = max(UInt32(perGroup) & ~7, 8)
      // Rounding down must leave what the first files need.
      while inodeCount < UInt64(firstInode) + 1 { inodesPerGroup += 8 }
      while inodeCount > UInt64(UInt32.max) { inodesPerGroup -= 8 }
      reservedDescriptorBlockCount = Self.reservedDescriptorBlocks(self)

      let last = groupCount - 1
      var overhead = 2 + UInt64(inodeTableBlockCount)
      if hasSuperblock(last) {
        overhead += 1 + descriptorTableBlockCount + UInt64(reservedDescriptorBlockCount)
      }
      let rest = (blockCount - UInt64(firstDataBlock)) % UInt64(blocksPerGroup)
      guard rest != 0, rest < overhead + 50 else { break }
      guard groupCount > 1 else {
        throw wrong(
          "a filesystem of \(blockCount) blocks of \(blockSize) bytes",
          "it has no room for files behind its tables")
      }
      blockCount -= rest
    }
    reservedBlockCount = UInt64(Double(reservedOfAll) * Double(blockCount) / Double(allBlocks))
    let start = 1 + descriptorTableBlockCount + UInt64(reservedDescriptorBlockCount)
    guard start + 3 < UInt64(blocksPerGroup) else {
      throw wrong("\(blockCount) blocks", "their descriptors fill a whole group (needs meta_bg)")
    }
  }

  /// Whether `group` starts with a copy of the superblock.
  private func hasSuperblock(_ group: UInt64) -> Bool {
    guard features.readOnlyCompat.contains(.sparseSuper), group > 1 else { return true }
    return [3, 5, 7].contains { (base: UInt64) -> Bool in
      var rest = group
      while rest % base == 0 { rest /= base }
      return rest == 1
    }
  }

  /// Room for the descriptors of a filesystem 1,024 times as large, as far as 32 bits address it
  /// and one indirect block maps it.
  private static func reservedDescriptorBlocks(_ geometry: Geometry) -> UInt32 {
    guard geometry.features.compat.contains(.resizeInode) else { return 0 }
    let limit = min(geometry.blockCount.multipliedReportingOverflow(by: 1024).0, 0xffff_ffff)
    let groups = ceilingDivide(
      limit - UInt64(geometry.firstDataBlock), UInt64(geometry.blocksPerGroup))
    let blocks = ceilingDivide(groups, UInt64(geometry.blockSize / geometry.descriptorSize))
    let now = geometry.descriptorTableBlockCount
    return blocks > now ? UInt32(min(blocks - now, UInt64(geometry.blockSize / 4))) : 0
  }
}

func ceilingDivide<T: BinaryInteger>(_ number: T, _ divisor: T) -> T {
  (number + divisor - 1) / divisor
}
