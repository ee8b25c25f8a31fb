import Ext4Format
import ExtantBase

/// The kinds of block that carry their own checksum, and how to set it on bytes that need not make
/// sense: what plants damage behind right checksums uses nothing of the checker.
///
/// Source: the kernel's Documentation/filesystems/ext4/checksums.rst.
public enum ChecksummedBlock: Sendable, Hashable {
  /// An extent node of an inode.
  case extentNode(InodeNumber)
  /// A directory block with entries to its end.
  case directory(InodeNumber)
  /// The root of a directory's hash tree, or an inner node of it.
  case hashTreeRoot(InodeNumber)
  case hashTreeNode(InodeNumber)
  /// A block of extended attributes.
  case xattrs
  /// A block of the orphan file.
  case orphanFile(InodeNumber)
  case mmp
  /// The journal's own superblock, and a descriptor, revocation or commit block of its log.
  case journalSuperblock
  case journalBlock

  /// Sets the checksum, where there is a place for it.
  ///
  /// - Parameter seed: the inode's checksum seed for what belongs to one, the journal's for its blocks,
  ///   else the filesystem's.
  public func seal(_ bytes: inout [UInt8], at address: BlockAddress, seed: UInt32) {
    bytes.withMutableBytes { bytes in
      let size = bytes.byteCount
      switch self {
      case .extentNode:
        let tail = 12 * (1 + Int(bytes.le16(4)))
        guard tail + 4 <= size else { return }
        bytes.setLE32(crc32c(seed, bytes.bytes.extracting(0..<tail)), at: tail)
      case .directory:
        // Only behind the tail's own entry: 12 bytes, no inode, the kind 0xde.
        guard bytes.le16(size - 8) == 12, bytes.u8(size - 5) == 0xde else { return }
        bytes.setLE32(crc32c(seed, bytes.bytes.extracting(0..<size - 12)), at: size - 4)
      case .hashTreeRoot, .hashTreeNode:
        let start = if case .hashTreeRoot = self { 0x20 } else { 8 }
        let tail = start + 8 * Int(bytes.le16(start))
        let used = start + 8 * Int(bytes.le16(start + 2))
        guard tail + 8 <= size, used <= tail else { return }
        var crc = crc32c(seed, bytes.bytes.extracting(0..<used))
        crc = crc32c(crc, bytes.bytes.extracting(tail..<tail + 4))
        bytes.setLE32(crc32c(crc, zeros: 4), at: tail + 4)
      case .xattrs:
        var crc = crc32c(seed, littleEndian: UInt32(truncatingIfNeeded: address.rawValue))
        crc = crc32c(crc, littleEndian: UInt32(truncatingIfNeeded: address.rawValue >> 32))
        crc = crc32c(crc, bytes.bytes.extracting(0..<16))
        crc = crc32c(crc, zeros: 4)
        bytes.setLE32(crc32c(crc, bytes.bytes.extracting(20..<size)), at: 16)
      case .orphanFile:
        var crc = crc32c(seed, littleEndian: UInt32(truncatingIfNeeded: address.rawValue))
        crc = crc32c(crc, littleEndian: UInt32(truncatingIfNeeded: address.rawValue >> 32))
        bytes.setLE32(crc32c(crc, bytes.bytes.extracting(0..<size - 8)), at: size - 4)
      case .mmp:
        bytes.setLE32(crc32c(seed, bytes.bytes.extracting(0..<1020)), at: 1020)
      case .journalSuperblock:
        // Where its features ask for one.
        guard bytes.be32(0x28) & 0x18 != 0 else { return }
        bytes.setBE32(0, at: 0xfc)
        bytes.setBE32(crc32c(~0, bytes.bytes.extracting(0..<1024)), at: 0xfc)
      case .journalBlock:
        // A commit block (kind 2) has it in its head, the others at their end.
        let place = bytes.be32(4) == 2 ? 16 : size - 4
        bytes.setBE32(0, at: place)
        bytes.setBE32(crc32c(seed, bytes.bytes), at: place)
      }
    }
  }

  /// The inode whose seed it is under.
  public var inode: InodeNumber? {
    switch self {
    case .extentNode(let inode), .directory(let inode), .hashTreeRoot(let inode),
      .hashTreeNode(let inode), .orphanFile(let inode):
      inode
    case .xattrs, .mmp, .journalSuperblock, .journalBlock: nil
    }
  }
}
