import BlockIO
import Ext4Format
import ExtantBase

/// The short way through pass 1: most inodes are regular files with a few extents in the inode, no
/// attributes, and nothing wrong. Such a one is told by its bytes alone; any doubt leaves it to
/// `examine`, which knows all rules.
struct PlainFileRules {
  let superblock: Superblock
  /// Whether inodes of this filesystem can be told so.
  let isUsable: Bool
  private let inodeSize: Int
  private let firstInode: UInt32
  private let orphanFile: UInt32
  private let blockShift: UInt64
  private let firstDataBlock: UInt64
  private let blockCount: UInt64

  init(_ superblock: Superblock) {
    self.superblock = superblock
    let features = superblock.features
    isUsable =
      superblock.clusterShift == 0 && superblock.inodeSize > Inode.baseSize
      && features.incompat.contains(.extents) && !features.incompat.contains(.inlineData)
      && !features.readOnlyCompat.contains(.quota)
    inodeSize = superblock.inodeSize
    firstInode = superblock.firstInode
    orphanFile = superblock.orphanFileInode?.rawValue ?? 0
    blockShift = UInt64(superblock.blockSize.trailingZeroBitCount)
    firstDataBlock = UInt64(superblock.firstDataBlock)
    blockCount = superblock.blockCount
  }

  /// Flags that say nothing of an inode's contents, as `chattr` sets them.
  private static let freeFlags: InodeFlags = [
    .synchronous, .immutable, .append, .noDump, .noAccessTime,
  ]

  /// How many extents a plain file's root has; nil where the inode in `bytes` is no such file.
  fileprivate func extentCount(_ bytes: RawSpan, _ number: InodeNumber) -> Int? {
    guard number.rawValue >= firstInode, number.rawValue != orphanFile,
      bytes.le16(0) & FileKind.mask == FileKind.regular.rawValue,
      // Deletion time, links; the address of fragments, the attributes' block, upper halves.
      bytes.le32(0x14) == 0, bytes.le16(0x1a) != 0, bytes.le32(0x70) == 0, bytes.le32(0x68) == 0,
      bytes.le32(0x74) == 0, bytes.le32(0x6c) == 0, bytes.le32(0x4) >> 31 == 0,
      InodeFlags(rawValue: bytes.le32(0x20)).subtracting(Self.freeFlags) == .extents
    else { return nil }
    // No time before 1970, whose extra bits might be wrong.
    guard (bytes.le32(0x8) | bytes.le32(0xc) | bytes.le32(0x10) | bytes.le32(0x90)) >> 31 == 0
    else { return nil }
    let attributes = Inode.baseSize + Int(bytes.le16(0x80))
    guard attributes >= Inode.baseSize + 24, attributes % 4 == 0, attributes <= inodeSize,
      attributes + 4 > inodeSize || bytes.le32(attributes) == 0
    else { return nil }
    let count = Int(bytes.le16(0x2a))
    guard bytes.le16(0x28) == ExtentNode.magic, count <= ExtentNode.rootCapacity,
      bytes.le16(0x2c) == UInt16(ExtentNode.rootCapacity), bytes.le16(0x2e) == 0
    else { return nil }
    var end: UInt64 = 0
    var blocks: UInt64 = 0
    for index in 0..<count {
      let entry = 0x34 + 12 * index
      let logical = UInt64(bytes.le32(entry))
      let range = Self.blocks(bytes, index)
      let length = UInt64(range.count)
      guard logical >= end, length > 0, length <= UInt64(ExtentRecord.maximumWrittenLength),
        range.lowerBound >= firstDataBlock, range.upperBound <= blockCount
      else { return nil }
      end = logical + length
      blocks += length
    }
    guard end <= 1 << 31, UInt64(bytes.le32(0x1c)) == blocks << (blockShift - 9),
      end == 0 || UInt64(bytes.le32(0x4)) >= (end - 1) << blockShift
    else { return nil }
    return count
  }

  /// The blocks of an extent of the root.
  fileprivate static func blocks(_ bytes: RawSpan, _ index: Int) -> Range<UInt64> {
    let entry = 0x34 + 12 * index
    let start = UInt64(bytes.le32(entry + 8)) | UInt64(bytes.le16(entry + 6)) << 32
    return start..<start + UInt64(bytes.le16(entry + 4))
  }
}

extension CheckRound {
  /// Takes a plain file, in the slot at `place`: claims its blocks and enters it into the ledger. False,
  /// with nothing done, where it is no plain one, or its blocks are somebody else's too.
  func takePlainFile(
    _ buffer: BlockBuffer, _ place: Range<Int>, _ number: InodeNumber, _ rules: PlainFileRules
  ) -> Bool {
    let bytes = buffer.bytes.extracting(place)
    guard let count = rules.extentCount(bytes, number),
      Inode.hasValidChecksum(slot: bytes, number: number, superblock: rules.superblock)
    else { return false }
    for index in 0..<count {
      guard !claims.claimFree(clusters: PlainFileRules.blocks(bytes, index)) else { continue }
      for earlier in 0..<index { claims.release(clusters: PlainFileRules.blocks(bytes, earlier)) }
      return false
    }
    var entry = InodeLedger.Entry()
    entry.isInUse = true
    entry.kind = .regular
    entry.linkCount = bytes.le16(0x1a)
    inodes[number] = entry
    return true
  }
}
