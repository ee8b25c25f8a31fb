import Ext4Format
import ExtantBase

extension CheckRound {
  /// What pass 1 looks at in an inode, in order: each step relies on what those before have mended.
  func examine(_ inode: inout ExaminedInode, isGarbage: Bool) throws(FileSystemError) {
    let number = inode.number
    if isGarbage, inode.raw.linkCount > 0, try found(.garbage, number) {
      inode.isCleared = true
      return
    }
    try checkDeletionTime(&inode)
    if isReserved(number) {
      switch try checkReserved(&inode) {
      case .done: return
      case .contents:
        try checkDirectoryFlags(&inode)
        enter(inode)
        try checkContents(&inode)
        return
      case .ordinary: break
      }
    } else if inode.raw.linkCount == 0 {
      return
    }
    if inode.raw.deletionTime != 0,
      try found(.deletionTime, number, found: .number(UInt64(inode.raw.deletionTime)))
    {
      inode.change { $0.deletionTime = 0 }
    }
    try checkFlags(&inode)
    try checkFields(&inode)
    try checkKind(&inode)
    if inode.isCleared { return }
    enter(inode)
    try checkContents(&inode)
    if !inode.isCleared { noteContents(inode) }
  }

  /// Enters an inode in use into the ledger, and a directory into the list.
  private func enter(_ inode: ExaminedInode) {
    var entry = InodeLedger.Entry()
    entry.isInUse = true
    entry.kind = inode.raw.kind
    entry.linkCount = inode.raw.linkCount
    inodes[inode.number] = entry
    if inode.raw.kind == .directory {
      directories.add(
        DirectoryList.Directory(
          inode: inode.number, isInline: inode.raw.flags.contains(.inlineData)))
    }
  }

  /// Attributes, the map or what stands in its place, and what the sizes say of them.
  private func checkContents(_ inode: inout ExaminedInode) throws(FileSystemError) {
    let number = inode.number
    try checkXattrs(&inode)
    if inode.isCleared { return }
    try checkEncryption(&inode)
    if inode.isCleared { return }
    let wasInline = inode.raw.flags.contains(.inlineData)
    if wasInline {
      try checkInlineData(&inode)
      if inode.isCleared { return }
    }
    let chargedToAttributes = inode.chargedBlocks
    if number == .resize {
      try checkResizeInode(&inode)
    } else {
      if inode.raw.kind == .symbolicLink { try checkSymlinkBeforeMap(&inode) }
      if inode.raw.hasMap, !inode.isCleared { try checkExtentsFlag(&inode) }
      if inode.raw.hasMap, !inode.isCleared { try checkMap(&inode) }
    }
    if inode.raw.kind == .symbolicLink, !inode.isCleared {
      try checkSymlink(&inode, chargedToAttributes: chargedToAttributes)
    }
    let isReserve = number == .resize && superblock.features.compat.contains(.resizeInode)
    if !inode.isCleared, !isReserve { try checkSizes(&inode) }
    if inode.isCleared, chargedToAttributes > 0 {
      // The map's blocks were given back by whoever cleared it, or were never claimed.
      var rest = inode.raw
      rest.flags = []
      rest.blockArea = [UInt8](repeating: 0, count: Inode.blockAreaByteCount)
      try releaseBlocks(number, rest)
    }
    guard !inode.isCleared, inode.raw.kind == .directory else { return }
    let isInline = inode.raw.flags.contains(.inlineData)
    // An inode without the flag may have got it back.
    guard wasInline || isInline, let index = directories.index(of: number) else { return }
    directories[index].isInline = isInline
  }

  /// What is counted of an inode that stays.
  private func noteContents(_ inode: ExaminedInode) {
    if inode.raw.kind == .regular, inode.raw.wholeSize >= 1 << 31, largeFile == nil {
      largeFile = inode.number
    }
  }

  /// A file of 2 GiB needs the feature `large_file`.
  func checkLargeFiles() throws(FileSystemError) {
    guard let largeFile, !superblock.features.readOnlyCompat.contains(.largeFile) else { return }
    if try found(.largeFileFeature, largeFile) {
      superblock.features.readOnlyCompat.insert(.largeFile)
    }
  }
}
