import Ext4Format
import ExtantBase

extension CheckRound {
  /// Flags that only some kinds of file have, or that need a feature.
  func checkFlags(_ inode: inout ExaminedInode) throws(FileSystemError) {
    let flags = inode.raw.flags
    // Of a sound inode hardly any of these is set.
    guard !flags.isDisjoint(with: [.casefold, .index, .imagic]) else { return }
    let number = inode.number
    let features = superblock.features
    try checkDirectoryFlags(&inode)
    if flags.contains(.imagic), !features.compat.contains(.imagicInodes),
      try found(.imagicWithoutFeature, number)
    {
      inode.change { $0.flags.remove(.imagic) }
    }
  }

  /// Only directories have an index or fold cases, where a feature says so; of reserved inodes, too.
  func checkDirectoryFlags(_ inode: inout ExaminedInode) throws(FileSystemError) {
    let number = inode.number
    let flags = inode.raw.flags
    let isDirectory = inode.raw.kind == .directory
    let features = superblock.features
    if flags.contains(.casefold) {
      let kind: InodeIssue? =
        !isDirectory
        ? .casefoldNotDirectory
        : !features.incompat.contains(.casefold) ? .casefoldWithoutFeature : nil
      if let kind, try found(kind, number) { inode.change { $0.flags.remove(.casefold) } }
    }
    if flags.contains(.index) {
      let kind: InodeIssue? =
        !isDirectory
        ? .indexNotDirectory
        : !features.compat.contains(.dirIndex) ? .indexWithoutFeature : nil
      if let kind, try found(kind, number) { inode.change { $0.flags.remove(.index) } }
    }
  }

  /// Whether i_block is an extent tree: flag, feature and header must agree.
  func checkExtentsFlag(_ inode: inout ExaminedInode) throws(FileSystemError) {
    let number = inode.number
    let isKnown = superblock.features.incompat.contains(.extents)
    let isFlagged = inode.raw.flags.contains(.extents)
    if isFlagged == isKnown, isFlagged { return }
    if !isFlagged {
      if isKnown, inode.raw.hasExtentHeader, try found(.extentsFlagMissing, number) {
        inode.change { $0.flags.insert(.extents) }
      }
      return
    }
    if inode.raw.hasExtentHeader {
      if try found(.extentsWithoutFeature, number) {
        superblock.features.incompat.insert(.extents)
      }
      return
    }
    guard try found(.extentsFlagWrong, number) else { return }
    inode.change { $0.flags.remove(.extents) }
    for index in 0..<15 {
      let word = inode.raw.blockWord(index)
      if word != 0, !superblock.contains(BlockAddress(UInt64(word))) { inode.isCleared = true }
    }
  }
}
