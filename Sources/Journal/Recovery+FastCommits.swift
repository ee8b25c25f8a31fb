import BlockIO
import Ext4Format
import ExtantBase

extension Recovery {
  /// The fast commits that add to what the log of `plan` holds; their records in order. Empty
  /// where there are none, or what they add to is gone.
  ///
  /// - Throws: `unsupported` for fast commits that need what is not known here.
  public func fastCommits(
    after plan: Plan, inodeSize: Int
  ) throws(FileSystemError) -> [FastCommitRecord] {
    guard superblock.incompat.contains(.fastCommit), !superblock.isClean, !plan.isDamaged,
      superblock.lastLogBlock < superblock.blockCount
    else { return [] }
    var reader = FastCommitReader(sequence: plan.endSequence, inodeSize: inodeSize)
    let buffer = BlockBuffer(byteCount: area.blockSize)
    // The kernel leaves out the area's first block.
    for block in superblock.lastLogBlock + 1..<superblock.blockCount {
      try area.read(block, into: buffer)
      guard try reader.take(buffer.bytes) else { break }
    }
    return reader.records
  }
}
