import Ext4Format
import ExtantBase

extension CheckRound {
  /// i_size and i_blocks, when the map is mended. Symlinks' sizes are looked at with their targets,
  /// those of inline data with the data.
  func checkSizes(_ inode: inout ExaminedInode) throws(FileSystemError) {
    if !inode.raw.flags.contains(.inlineData) {
      switch inode.raw.kind {
      case .directory: try checkDirectorySize(&inode)
      case .symbolicLink: break
      default: try checkFileSize(&inode)
      }
    }
    guard !inode.isCleared else { return }
    // i_blocks of a target in the inode is nothing that e2fsck looks at.
    if inode.raw.kind == .symbolicLink, inode.raw.flags.contains(.inlineData) { return }
    // Nor that of any inode of the Hurd.
    if superblock.isHurd { return }
    try checkBlockCount(&inode)
    if superblock.clusterShift > 0 { try checkClusterMap(&inode) }
  }

  private func checkDirectorySize(_ inode: inout ExaminedInode) throws(FileSystemError) {
    let number = inode.number
    guard let end = inode.mappedEnd, end > 0 else {
      if inode.chargedBlocks > 0 {
        // Its map has blocks, if nothing else: pass 2 gives the directory a first one.
        directories.runs.append(
          DirectoryList.Run(inode: number, logical: 0, address: BlockAddress(0), count: 1))
        let size = UInt64(superblock.blockSize)
        if inode.raw.wholeSize != size { inode.change { $0.wholeSize = size } }
        return
      }
      if try found(.directoryEmpty, number) { inode.isCleared = true }
      return
    }
    let blockSize = UInt64(superblock.blockSize)
    let size = inode.raw.wholeSize
    let blocks = size / blockSize
    let spare = UInt64(superblock.preallocatedDirectoryBlocks)
    let kind: InodeIssue? =
      size % blockSize != 0
      ? .directorySizeUneven
      : blocks > end
        ? .directorySizeTooLarge : blocks + spare < end ? .directorySizeTooSmall : nil
    guard let kind else { return }
    let (expected, overflow) = end.multipliedReportingOverflow(by: blockSize)
    guard !overflow,
      try found(kind, number, found: .number(size), expected: .number(expected))
    else { return }
    inode.change { $0.wholeSize = expected }
  }

  private func checkFileSize(_ inode: inout ExaminedInode) throws(FileSystemError) {
    let number = inode.number
    let blockSize = UInt64(superblock.blockSize)
    let size = inode.raw.wholeSize
    var kind: InodeIssue?
    // The last block may start just at the end: that much e2fsck leaves to a crash.
    if let end = inode.writtenEnd, end > 0, !inode.raw.flags.contains(.verity) {
      let (last, overflow) = (end - 1).multipliedReportingOverflow(by: blockSize)
      if overflow || size < last { kind = .sizeTooSmall }
    }
    if kind == nil {
      if inode.raw.flags.contains(.extents) {
        let shift = UInt64(32 + blockSize.trailingZeroBitCount)
        if size > (1 << shift) - 1 { kind = .sizeForExtents }
      } else if size > largestPointerSize {
        kind = .sizeForPointers
      }
    }
    guard let kind else { return }
    let (expected, overflow) = (inode.mappedEnd ?? 0).multipliedReportingOverflow(by: blockSize)
    guard !overflow,
      try found(kind, number, found: .number(size), expected: .number(expected))
    else { return }
    inode.change { $0.wholeSize = expected }
  }

  /// In bytes: what 12 pointers and three trees of them reach.
  var largestPointerSize: UInt64 {
    let perBlock = UInt64(superblock.blockSize) / 4
    return (12 + perBlock + perBlock * perBlock + perBlock * perBlock * perBlock)
      * UInt64(superblock.blockSize)
  }

  private func checkBlockCount(_ inode: inout ExaminedInode) throws(FileSystemError) {
    let stored = inode.raw.storedBlocks(superblock)
    guard let counted = countedBlocks(inode), stored != counted,
      try found(.blockCount, inode.number, found: .number(stored), expected: .number(counted))
    else { return }
    storeBlockCount(&inode)
  }

  /// What i_blocks should be, in its own units; nil where that is too much.
  private func countedBlocks(_ inode: ExaminedInode) -> UInt64? {
    let isHuge =
      superblock.features.readOnlyCompat.contains(.hugeFile)
      && inode.raw.flags.contains(.hugeFile)
    let unit = isHuge ? 1 : UInt64(superblock.blockSize / 512)
    let (counted, overflow) = inode.chargedBlocks.multipliedReportingOverflow(by: unit)
    return overflow ? nil : counted
  }

  /// Sets i_blocks to what was counted.
  func storeBlockCount(_ inode: inout ExaminedInode) {
    guard let counted = countedBlocks(inode) else { return }
    let hasHigh = superblock.features.readOnlyCompat.contains(.hugeFile)
    inode.change { raw in
      raw.blocksLow = UInt32(truncatingIfNeeded: counted)
      if hasHigh { raw.blocksHigh = UInt16(truncatingIfNeeded: counted >> 32) }
    }
  }

  /// Where blocks come in clusters there are no block pointers, not even to blocks of pointers.
  private func checkClusterMap(_ inode: inout ExaminedInode) throws(FileSystemError) {
    let number = inode.number
    let attributes = inode.raw.fileACL(superblock).rawValue == 0 ? 0 : 1 << claims.clusterShift
    guard inode.raw.kind == .regular || inode.raw.kind == .directory,
      number == .root || number.rawValue >= superblock.firstInode,
      inode.raw.flags.isDisjoint(with: [.extents, .inlineData]),
      inode.chargedBlocks > attributes, try found(.pointersWithBigalloc, number)
    else { return }
    func convert(_ round: CheckRound) throws(FileSystemError) {
      try round.convertToExtents(number)
    }
    putOff.append(convert)
  }

  /// Maps an inode's blocks by extents instead of pointers. Where no block is free for the tree, it
  /// stays as it is.
  private func convertToExtents(_ number: InodeNumber) throws(FileSystemError) {
    let old = try readInode(number)
    guard inodes.isInUse(number), old.hasMap, !old.flags.contains(.extents) else { return }
    var runs: [MapRun] = []
    try forEachRun(number, old) { (run) throws(FileSystemError) in
      runs.append(run)
      return true
    }
    var mapBlocks: [BlockAddress] = []
    try forEachMapBlock(number, old) { (address) throws(FileSystemError) in
      mapBlocks.append(address)
      return true
    }
    var raw = old
    raw.flags.insert(.extents)
    raw.blockArea = RawInode.emptyExtentRoot
    guard try writeMap(number, &raw, runs) else { return }
    for address in mapBlocks { claims.release(address) }
    try writeInode(number, raw)
  }
}

extension RawInode {
  /// i_block of a file with extents, and none of them.
  static var emptyExtentRoot: [UInt8] {
    var root = [UInt8](repeating: 0, count: Inode.blockAreaByteCount)
    root.withMutableBytes {
      $0.setLE16(ExtentNode.magic, at: 0)
      $0.setLE16(UInt16(ExtentNode.rootCapacity), at: 4)
    }
    return root
  }
}
