import Ext4Format
import ExtantBase
import struct SystemPackage.Errno

/// The filesystem as a whole: free space, label, unused blocks.
extension FileSystem {
  /// statfs(2). What is kept back for extent trees is free, and available to nobody, as the kernel
  /// has it.
  public func statistics() -> Statistics {
    let superblock = current.withLock { $0 }
    let overhead = min(UInt64(superblock.overheadBlockCount), superblock.blockCount)
    let counts = blocks.counts
    let free = counts.free - min(counts.free, counts.reserved)
    let kept = superblock.reservedBlockCount.addingReportingOverflow(counts.treeReserve)
    return Statistics(
      blockSize: blockSize, blocks: superblock.blockCount - overhead, freeBlocks: free,
      availableBlocks: free - (kept.overflow ? free : min(free, kept.partialValue)),
      inodes: UInt64(superblock.inodeCount), freeInodes: UInt64(inodes.freeInodes))
  }

  /// FITRIM: tells the device of free runs of at least `minimum` bytes inside `range` (bytes).
  /// Returns the bytes told.
  public func trim(_ range: Range<UInt64>, minimum: UInt64) throws(FileSystemError) -> UInt64 {
    try requireWritable()
    // Freed blocks may be discarded only when the transaction that freed them is durable.
    try journal.commit()
    let (start, rest) = range.lowerBound.quotientAndRemainder(dividingBy: blockSize64)
    let first = BlockAddress(start + (rest > 0 ? 1 : 0))
    let end = BlockAddress(min(range.upperBound / blockSize64, superblock.blockCount))
    guard first < end else { throw .refused(.invalidArgument) }
    let device = self.device
    let blockSize = blockSize64
    return try blocks.trim(first..<end, minimum: max(1, minimum / blockSize)) {
      (start, count) throws(FileSystemError) in
      let offset = start.rawValue * blockSize
      try device.discard(offset..<offset + count * blockSize)
    } * blockSize
  }

  /// The volume label: at most 16 bytes.
  public var label: [UInt8] { current.withLock { $0.label } }

  /// Throws EINVAL past 16 bytes.
  public func setLabel(_ label: [UInt8]) throws(FileSystemError) {
    guard label.count <= 16, !label.contains(0) else { throw .refused(.invalidArgument) }
    try requireWritable()
    current.withLock { $0.label = label }
    try perform { (operation) throws(FileSystemError) in operation.handle.noteChange() }
    try journal.commit()
  }
}
