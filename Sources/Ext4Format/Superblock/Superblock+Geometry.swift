import ExtantBase

extension Superblock {
  /// The numbers that everything else is computed with, and the rules between them.
  ///
  /// The rules are those of the kernel's and e2fsck's checks at mount, as documented in super.rst.
  struct Geometry {
    let blockSize: Int
    let blockCount: UInt64
    let inodeCount: UInt32
    let firstDataBlock: UInt32
    let blocksPerGroup: UInt32
    let inodesPerGroup: UInt32
    let inodeSize: Int
    let firstInode: UInt32
    let groupCount: UInt32
    let descriptorSize: Int

    init(_ bytes: RawSpan) throws(SuperblockFault) {
      let incompat = IncompatFeatures(rawValue: bytes.le32(SuperblockField.featureIncompat))
      let readOnlyCompat = ReadOnlyCompatFeatures(
        rawValue: bytes.le32(SuperblockField.featureReadOnlyCompat))
      let is64Bit = incompat.contains(.is64Bit)
      let isClustered = readOnlyCompat.contains(.bigalloc)

      let logBlockSize = bytes.le32(SuperblockField.logBlockSize)
      guard logBlockSize <= 6 else {
        throw SuperblockFault(
          .blockSize, "the block size is 2^(10 + \(logBlockSize)), and more than 64 KiB")
      }
      let blockSize = 1024 << Int(logBlockSize)
      let bitsPerBlock = UInt32(blockSize) * 8

      let logClusterSize = bytes.le32(SuperblockField.logClusterSize)
      let blocksPerCluster: UInt32
      if isClustered {
        guard logClusterSize >= logBlockSize, logClusterSize - logBlockSize <= 16 else {
          throw SuperblockFault(
            .clusterSize, "the cluster size is 2^(10 + \(logClusterSize)), out of range")
        }
        blocksPerCluster = 1 << (logClusterSize - logBlockSize)
      } else {
        guard logClusterSize == logBlockSize else {
          throw SuperblockFault(.clusterSize, "without bigalloc, cluster and block size differ")
        }
        blocksPerCluster = 1
      }

      let blocksPerGroup = bytes.le32(SuperblockField.blocksPerGroup)
      let clustersPerGroup = bytes.le32(SuperblockField.clustersPerGroup)
      guard blocksPerGroup > 0, blocksPerGroup % 8 == 0,
        blocksPerGroup / blocksPerCluster <= bitsPerBlock, blocksPerGroup % blocksPerCluster == 0
      else {
        throw SuperblockFault(
          .blocksPerGroup,
          "\(blocksPerGroup) blocks per group are not a multiple of 8 that one bitmap block holds")
      }
      if isClustered {
        guard clustersPerGroup == blocksPerGroup / blocksPerCluster else {
          throw SuperblockFault(
            .clustersPerGroup, "\(clustersPerGroup) clusters per group do not make its blocks")
        }
      }

      let firstDataBlock = bytes.le32(SuperblockField.firstDataBlock)
      let properFirst: UInt32 = blockSize == 1024 && blocksPerCluster == 1 ? 1 : 0
      guard firstDataBlock == properFirst else {
        throw SuperblockFault(
          .firstDataBlock, "the first data block is \(firstDataBlock), not \(properFirst)")
      }

      let blockCount =
        UInt64(bytes.le32(SuperblockField.blocksCountLow))
        | (is64Bit ? UInt64(bytes.le32(SuperblockField.blocksCountHigh)) << 32 : 0)
      // 48 bits is what an extent can address.
      guard blockCount > UInt64(firstDataBlock), blockCount <= 1 << 48 else {
        throw SuperblockFault(.blockCount, "\(blockCount) blocks are out of range")
      }
      let groups =
        (blockCount - UInt64(firstDataBlock) + UInt64(blocksPerGroup) - 1) / UInt64(blocksPerGroup)
      guard groups < 1 << 31 else {
        throw SuperblockFault(.blockCount, "\(groups) groups are more than 2^31")
      }
      // The free counts are not checked: after a crash they are whatever they were, and who writes
      // sums up the descriptors', as the kernel does.
      let reserved =
        UInt64(bytes.le32(SuperblockField.reservedBlocksCountLow))
        | (is64Bit ? UInt64(bytes.le32(SuperblockField.reservedBlocksCountHigh)) << 32 : 0)
      guard reserved <= blockCount else {
        throw SuperblockFault(
          .reservedBlocks, "\(reserved) reserved blocks are more than all \(blockCount)")
      }

      // Revision 0 predates these fields.
      let isDynamic = bytes.le32(SuperblockField.revision) >= 1
      let inodeSize = isDynamic ? Int(bytes.le16(SuperblockField.inodeSize)) : 128
      guard inodeSize >= 128, inodeSize <= blockSize, inodeSize & (inodeSize - 1) == 0 else {
        throw SuperblockFault(
          .inodeSize, "the inode size is \(inodeSize), not a power of two from 128 to the block")
      }
      let inodesPerBlock = UInt32(blockSize / inodeSize)
      let inodesPerGroup = bytes.le32(SuperblockField.inodesPerGroup)
      guard inodesPerGroup >= inodesPerBlock, inodesPerGroup <= bitsPerBlock else {
        throw SuperblockFault(
          .inodesPerGroup,
          "\(inodesPerGroup) inodes per group do not fit a table and a bitmap block")
      }
      let inodeCount = bytes.le32(SuperblockField.inodesCount)
      guard UInt64(inodeCount) == groups * UInt64(inodesPerGroup) else {
        throw SuperblockFault(
          .inodeCount,
          "\(inodeCount) inodes are not \(inodesPerGroup) in each of \(groups) groups")
      }
      let firstInode = isDynamic ? bytes.le32(SuperblockField.firstInode) : 11
      guard firstInode >= 11, firstInode <= inodeCount else {
        throw SuperblockFault(.firstInode, "the first inode is \(firstInode), out of range")
      }

      var descriptorSize = 32
      if is64Bit {
        descriptorSize = Int(bytes.le16(SuperblockField.descriptorSize))
        guard descriptorSize >= 64, descriptorSize <= min(1024, blockSize),
          descriptorSize & (descriptorSize - 1) == 0
        else {
          throw SuperblockFault(
            .descriptorSize, "the descriptor size is \(descriptorSize), not 64 to 1024 with 64bit")
        }
      }
      let descriptorsPerBlock = UInt64(blockSize / descriptorSize)
      var undivided = (groups + descriptorsPerBlock - 1) / descriptorsPerBlock
      if incompat.contains(.metaBg) {
        undivided = min(undivided, UInt64(bytes.le32(SuperblockField.firstMetaBlockGroup)))
      }
      // Block 0 goes before the superblock where blocks of 1 KiB are clustered.
      let tableStart: UInt64 = blockSize == 1024 && firstDataBlock == 0 ? 2 : 1
      guard
        tableStart + undivided <= min(UInt64(blocksPerGroup), blockCount - UInt64(firstDataBlock))
      else {
        throw SuperblockFault(
          .descriptorTable, "the descriptors of \(groups) groups do not fit the first group")
      }
      let reservedDescriptorBlocks = Int(bytes.le16(SuperblockField.reservedDescriptorBlocks))
      guard reservedDescriptorBlocks <= blockSize / 4 else {
        throw SuperblockFault(
          .reservedDescriptorBlocks,
          "\(reservedDescriptorBlocks) reserved GDT blocks are more than a block maps")
      }

      self.blockSize = blockSize
      self.blockCount = blockCount
      self.inodeCount = inodeCount
      self.firstDataBlock = firstDataBlock
      self.blocksPerGroup = blocksPerGroup
      self.inodesPerGroup = inodesPerGroup
      self.inodeSize = inodeSize
      self.firstInode = firstInode
      groupCount = UInt32(groups)
      self.descriptorSize = descriptorSize
    }
  }

  /// The device must hold every block.
  ///
  /// - Throws: `corrupt` where the filesystem is larger than its device, as a cut image is.
  public func checkDeviceSize(_ byteCount: UInt64) throws(FileSystemError) {
    guard byteCount / UInt64(blockSize) >= blockCount else {
      throw Self.broken(
        "the filesystem has \(blockCount) blocks of \(blockSize) bytes, but its device only "
          + "\(byteCount / UInt64(blockSize)): it was cut short")
    }
  }
}
