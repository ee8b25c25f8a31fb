import Ext4Format
import ExtantBase

extension Superblock {
  /// The superblock of a filesystem about to be made: all but the counts of free blocks and
  /// inodes, and what tells where special files are.
  init(
    _ geometry: Geometry, label: [UInt8], uuid: [UInt8], hashSeed: [UInt8], time: Timestamp
  ) throws(FileSystemError) {
    typealias Field = SuperblockField
    var raw = [UInt8](repeating: 0, count: Self.byteCount)
    let logBlockSize = UInt32(geometry.blockSize.trailingZeroBitCount - 10)
    raw.withMutableBytes { bytes in
      func split(_ value: UInt64) -> (low: UInt32, high: UInt32) {
        (UInt32(truncatingIfNeeded: value), UInt32(truncatingIfNeeded: value >> 32))
      }
      bytes.setLE32(UInt32(truncatingIfNeeded: geometry.inodeCount), at: Field.inodesCount)
      let blocks = split(geometry.blockCount)
      bytes.setLE32(blocks.low, at: Field.blocksCountLow)
      bytes.setLE32(blocks.high, at: Field.blocksCountHigh)
      let reserved = split(geometry.reservedBlockCount)
      bytes.setLE32(reserved.low, at: Field.reservedBlocksCountLow)
      bytes.setLE32(reserved.high, at: Field.reservedBlocksCountHigh)
      bytes.setLE32(geometry.firstDataBlock, at: Field.firstDataBlock)
      bytes.setLE32(logBlockSize, at: Field.logBlockSize)
      bytes.setLE32(logBlockSize, at: Field.logClusterSize)
      bytes.setLE32(geometry.blocksPerGroup, at: Field.blocksPerGroup)
      bytes.setLE32(geometry.blocksPerGroup, at: Field.clustersPerGroup)
      bytes.setLE32(geometry.inodesPerGroup, at: Field.inodesPerGroup)
      bytes.setLE16(UInt16(bitPattern: -1), at: Field.maxMountCount)
      bytes.setLE16(Self.magic, at: Field.magic)
      bytes.setLE16(State.clean.rawValue, at: Field.state)
      bytes.setLE16(ErrorBehavior.continue.rawValue, at: Field.errors)
      bytes.setLE32(1, at: Field.revision)
      bytes.setLE32(geometry.firstInode, at: Field.firstInode)
      bytes.setLE16(UInt16(geometry.inodeSize), at: Field.inodeSize)
      bytes.copy(uuid, at: Field.uuid)
      bytes.copy(label, at: Field.volumeName)
      bytes.setLE16(
        UInt16(geometry.reservedDescriptorBlockCount), at: Field.reservedDescriptorBlocks)
      bytes.copy(hashSeed, at: Field.hashSeed)
      // half-md4, with names' bytes taken as signed, as on the machines that ext4 grew up on.
      bytes.setU8(1, at: Field.defaultHashVersion)
      bytes.setLE32(Flags.signedDirectoryHash.rawValue, at: Field.flags)
      if geometry.features.incompat.contains(.is64Bit) {
        bytes.setLE16(UInt16(geometry.descriptorSize), at: Field.descriptorSize)
      }
      let options: MountOptions = [.userXattr, .acl]
      bytes.setLE32(options.rawValue, at: Field.defaultMountOptions)
      if geometry.inodeSize > Inode.baseSize {
        bytes.setLE16(Inode.knownExtraSize, at: Field.minimumExtraInodeSize)
        bytes.setLE16(Inode.knownExtraSize, at: Field.wantExtraInodeSize)
      }
      bytes.setU8(geometry.logGroupsPerFlex, at: Field.logGroupsPerFlex)
      if geometry.features.readOnlyCompat.contains(.metadataCsum) {
        bytes.setU8(1, at: Field.checksumType)
      }
      bytes.setLE32(geometry.features.compat.rawValue, at: Field.featureCompat)
      bytes.setLE32(geometry.features.incompat.rawValue, at: Field.featureIncompat)
      bytes.setLE32(geometry.features.readOnlyCompat.rawValue, at: Field.featureReadOnlyCompat)
      if geometry.features.incompat.contains(.csumSeed) {
        bytes.setLE32(crc32c(~0, uuid), at: Field.checksumSeed)
      }
      let seconds = UInt64(min(max(time.seconds, 0), (1 << 40) - 1))
      for (low, high) in [
        (Field.writeTime, Field.writeTimeHigh), (Field.makeTime, Field.makeTimeHigh),
        (Field.lastCheck, Field.lastCheckHigh),
      ] {
        bytes.setLE32(UInt32(truncatingIfNeeded: seconds), at: low)
        bytes.setU8(UInt8(truncatingIfNeeded: seconds >> 32), at: high)
      }
    }
    // Decoding it checks that the numbers fit together.
    try self.init(raw.rawBytes, verifyChecksum: false)
  }

  /// Enters the journal's inode and the copy of its map, from which e2fsck can rebuild it.
  mutating func setJournal(_ number: InodeNumber, _ inode: Inode) {
    typealias Field = SuperblockField
    raw.withMutableBytes { bytes in
      bytes.setLE32(number.rawValue, at: Field.journalInode)
      bytes.setU8(1, at: Field.journalBackupType)
      bytes.copy(inode.blockArea, at: Field.journalBlocks)
      let sizes = Field.journalBlocks + Inode.blockAreaByteCount
      bytes.setLE32(UInt32(truncatingIfNeeded: inode.size >> 32), at: sizes)
      bytes.setLE32(UInt32(truncatingIfNeeded: inode.size), at: sizes + 4)
    }
  }

  mutating func setOrphanFile(_ number: InodeNumber) {
    raw.withMutableBytes { $0.setLE32(number.rawValue, at: SuperblockField.orphanFileInode) }
  }
}
