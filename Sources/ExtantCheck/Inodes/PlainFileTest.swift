import BlockIO
import Ext4Format
import ExtantBase

/// Recognises at a glance the inodes that most of every filesystem consists of: regular files whose few
/// extents lie in the inode, with nothing special about them and nothing wrong.
///
/// It says yes only where all rules of pass 1 hold: each condition here is stricter than the rule, so
/// that what is odd in any way goes the long way, which says why. It reads the slot where it lies.
struct PlainFileTest {
  private let inodeSize: Int
  private let blockShift: UInt64
  private let firstOrdinary: UInt32
  private let orphanFile: InodeNumber?
  private let lowestBlock: UInt64
  private let blockCount: UInt64
  private var checksums: InodeChecksumTest?

  /// A plain file's blocks, and what the ledger is to know of it.
  struct Findings {
    var linkCount: UInt16
    /// How many of `extents` there are.
    var extentCount = 0
    var first: Extent = (0, 0)
    var second: Extent = (0, 0)
    var third: Extent = (0, 0)
    var fourth: Extent = (0, 0)
    typealias Extent = (address: UInt64, count: UInt64)

    subscript(index: Int) -> Extent {
      get {
        switch index {
        case 0: first
        case 1: second
        case 2: third
        default: fourth
        }
      }
      set {
        switch index {
        case 0: first = newValue
        case 1: second = newValue
        case 2: third = newValue
        default: fourth = newValue
        }
      }
    }
  }

  /// Nil where no file is plain: without extents, or with clusters.
  init?(_ superblock: Superblock) {
    guard superblock.features.incompat.contains(.extents), superblock.clusterShift == 0 else {
      return nil
    }
    inodeSize = superblock.inodeSize
    blockShift = UInt64(superblock.blockSize.trailingZeroBitCount)
    firstOrdinary = superblock.firstInode
    orphanFile = superblock.orphanFileInode
    lowestBlock = max(1, UInt64(superblock.firstDataBlock))
    blockCount = superblock.blockCount
    checksums = InodeChecksumTest(superblock)
  }

  private typealias Field = RawInode.Offset

  /// Nil where the inode is not plain.
  mutating func findings(_ bytes: RawSpan, _ number: InodeNumber) -> Findings? {
    let linkCount = bytes.le16(Field.linkCount)
    guard number.rawValue >= firstOrdinary, number != orphanFile, linkCount > 0,
      bytes.le16(Field.mode) & FileKind.mask == FileKind.regular.rawValue,
      bytes.le32(Field.flags) == InodeFlags.extents.rawValue,
      bytes.le32(Field.deletionTime) == 0, bytes.le32(Field.fileACLLow) == 0,
      bytes.le32(Field.sizeHigh) == 0, bytes.le32(Field.fragmentAddress) == 0,
      // i_blocks_high and i_file_acl_high.
      bytes.le32(Field.blocksHigh) == 0
    else { return nil }
    // Times before 1970 and after 2038.
    let times =
      bytes.le32(Field.accessTime) | bytes.le32(Field.changeTime)
      | bytes.le32(Field.modificationTime)
    guard times >> 31 == 0 else { return nil }
    var extraSize: UInt16 = 0
    if inodeSize > Inode.baseSize {
      extraSize = bytes.le16(Field.extraSize)
      // All times, and no attribute behind the fields.
      let end = Inode.baseSize + Int(extraSize)
      guard extraSize >= 24, extraSize % 4 == 0, end <= inodeSize,
        end + 4 > inodeSize || bytes.le32(end) == 0,
        bytes.le32(Field.creationTime) >> 31 == 0
      else { return nil }
    }
    var findings = Findings(linkCount: linkCount)
    let size = UInt64(bytes.le32(Field.sizeLow))
    guard size >> 31 == 0, let blocks = Self.extents(bytes, &findings, lowestBlock, blockCount),
      blocks.end == (size + (1 << blockShift) - 1) >> blockShift,
      UInt64(bytes.le32(Field.blocksLow)) == blocks.count << (blockShift - 9)
    else { return nil }
    guard checksums?.isValid(bytes, number: number, extraSize: extraSize) ?? true else {
      return nil
    }
    return findings
  }

  /// Reads an extent tree that is a leaf in the inode; nil where anything is odd.
  private static func extents(
    _ bytes: RawSpan, _ findings: inout Findings, _ lowestBlock: UInt64, _ blockCount: UInt64
  ) -> (count: UInt64, end: UInt64)? {
    let root = RawInode.blockAreaOffset
    let count = Int(bytes.le16(root + 2))
    guard bytes.le16(root) == ExtentNode.magic, count <= ExtentNode.rootCapacity,
      bytes.le16(root + 4) == ExtentNode.rootCapacity, bytes.le16(root + 6) == 0
    else { return nil }
    var end: UInt64 = 0
    var total: UInt64 = 0
    for index in 0..<count {
      let entry = root + 12 * (1 + index)
      let logical = UInt64(bytes.le32(entry))
      let length = UInt64(bytes.le16(entry + 4))
      let address = UInt64(bytes.le32(entry + 8)) | UInt64(bytes.le16(entry + 6)) << 32
      guard logical >= end, length > 0, length <= UInt64(ExtentRecord.maximumWrittenLength),
        address >= lowestBlock, address < blockCount, length <= blockCount - address
      else { return nil }
      end = logical + length
      total += length
      findings[index] = (address, length)
    }
    findings.extentCount = count
    return (total, end)
  }
}

extension CheckRound {
  /// Enters a plain file's blocks and the file; false, with nothing changed, where somebody has one of
  /// the blocks already.
  func enterPlain(_ findings: PlainFileTest.Findings, _ number: InodeNumber) -> Bool {
    for index in 0..<findings.extentCount {
      let extent = findings[index]
      guard claims.claimFree(extent.address..<extent.address + extent.count) else {
        // Two of its extents may overlap, too.
        for earlier in 0..<index {
          let extent = findings[earlier]
          claims.release(BlockAddress(extent.address), count: extent.count)
        }
        return false
      }
    }
    var entry = InodeLedger.Entry()
    entry.isInUse = true
    entry.kind = .regular
    entry.linkCount = findings.linkCount
    inodes[number] = entry
    return true
  }
}
