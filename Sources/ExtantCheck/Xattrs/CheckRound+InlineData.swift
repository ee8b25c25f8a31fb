import Ext4Format
import ExtantBase

extension CheckRound {
  /// Pass 1 for an inode whose flag says that its data lies in the inode. Afterwards the flag may be
  /// gone: then i_block is a map or a target after all, or the inode is empty or to be freed.
  func checkInlineData(_ inode: inout ExaminedInode) throws(FileSystemError) {
    let isReserved = inode.number < InodeNumber(superblock.firstInode)
    guard inode.raw.flags.contains(.inlineData) else { return }
    if inode.raw.flags.contains(.extents) { try settleFlags(&inode) }
    guard !isReserved || inode.number == .root else { return }
    guard inode.raw.flags.contains(.inlineData), !inode.isCleared else { return }
    if !superblock.features.incompat.contains(.inlineData) { try checkFeature(&inode) }
    guard inode.raw.flags.contains(.inlineData), !inode.isCleared,
      superblock.features.incompat.contains(.inlineData)
    else { return }
    if InlineData.valueRange(inode.raw, xattrRange(inode.raw)) == nil {
      try mendMissingValue(&inode)
    }
    guard inode.raw.flags.contains(.inlineData) else { return }
    try checkInlineSize(&inode)
    try checkInlineSymlink(&inode)
  }

  // MARK: Flags

  /// The flag is gone from an inode whose i_block is neither extents nor block pointers, and which has
  /// the attribute that goes with data in the inode.
  func restoreInlineFlag(_ inode: inout ExaminedInode) throws(FileSystemError) {
    guard superblock.features.incompat.contains(.inlineData),
      !inode.raw.flags.contains(.inlineData),
      InlineData.valueRange(inode.raw, xattrRange(inode.raw)) != nil
    else { return }
    let kind = inode.raw.kind
    guard kind == .regular || kind == .directory || kind == .symbolicLink else { return }
    let hasMap =
      inode.raw.flags.contains(.extents)
      ? inode.raw.le16(RawInode.blockAreaOffset) == ExtentNode.magic
      : mayBeBlockMap(inode.raw)
    guard !hasMap, try found(.inline(.flagMissing), .inode(inode.number)) else { return }
    inode.raw.flags.insert(.inlineData)
    inode.raw.flags.remove(.extents)
    inode.isChanged = true
  }

  /// The magic number is gone that says that attributes follow, but those that go with data in the
  /// inode do.
  func restoreInlineMark(_ inode: inout ExaminedInode) throws(FileSystemError) {
    guard hasInlineData(inode.raw), let range = xattrRange(inode.raw),
      inode.raw.le32(range.lowerBound) != RawXattrArea.magic
    else { return }
    var marked = inode.raw
    marked.setLE32(RawXattrArea.magic, at: range.lowerBound)
    guard XattrScan(.inode, marked.bytes.rawBytes.extracting(range)).isSound,
      InlineData.valueRange(marked, range) != nil,
      try found(.inline(.markMissing), .inode(inode.number))
    else { return }
    inode.raw = marked
    inode.isChanged = true
  }

  /// Both flags are set, which cannot be: the data in i_block tells.
  private func settleFlags(_ inode: inout ExaminedInode) throws(FileSystemError) {
    let features = superblock.features.incompat
    guard features.contains(.extents) || features.contains(.inlineData) else { return }
    let place = Place.inode(inode.number)
    let room = max(inode.raw.bytes.count - Inode.baseSize - Int(inode.raw.extraSize), 0)
    if isExtentRoot(inode.raw) {
      guard try found(.inline(.withExtentTree), place) else { return }
      inode.raw.flags.remove(.inlineData)
    } else if inode.raw.size(superblock) < UInt64(Inode.blockAreaByteCount + room) {
      guard try found(.inline(.withExtentsFlag), place) else { return }
      inode.raw.flags.remove(.extents)
    } else if mayBeBlockMap(inode.raw) {
      guard try found(.inline(.withBlockMap), place) else { return }
      inode.raw.flags.remove([.inlineData, .extents])
    } else {
      guard try found(.inline(.withJunk), place) else { return }
      try clear(&inode)
    }
    inode.isChanged = true
  }

  /// The filesystem does not say that it has data in inodes: either it has, or the inode has not.
  private func checkFeature(_ inode: inout ExaminedInode) throws(FileSystemError) {
    let place = Place.inode(inode.number)
    if InlineData.valueRange(inode.raw, xattrRange(inode.raw)) != nil {
      if try found(.inline(.withoutFeature), place) {
        superblock.features.incompat.insert(.inlineData)
      }
      return
    }
    let hasExtents =
      isExtentRoot(inode.raw) && superblock.features.incompat.contains(.extents)
    if hasExtents || inode.raw.kind == .symbolicLink || mayBeBlockMap(inode.raw) {
      guard try found(.inline(.flagWithoutFeature), place) else { return }
      inode.raw.flags.remove(.inlineData)
      if hasExtents { inode.raw.flags.insert(.extents) }
    } else {
      guard try found(.inline(.inodeWithoutFeature), place) else { return }
      try clear(&inode)
    }
    inode.isChanged = true
  }

  private func clear(_ inode: inout ExaminedInode) throws(FileSystemError) {
    try releaseXattrBlock(inode.raw)
    inode.isCleared = true
  }

  /// Whether i_block begins as the root of an extent tree does.
  private func isExtentRoot(_ raw: RawInode) -> Bool {
    let offset = RawInode.blockAreaOffset
    let capacity = UInt16(ExtentNode.rootCapacity)
    let maximum = raw.le16(offset + 4)
    return raw.le16(offset) == ExtentNode.magic && raw.le16(offset + 2) <= maximum
      && (capacity - 2...capacity).contains(maximum)
  }

  /// Whether all words of i_block could be block pointers.
  func mayBeBlockMap(_ raw: RawInode) -> Bool {
    (0..<15).allSatisfy { UInt64(raw.blockWord($0)) < superblock.blockCount }
  }

  // MARK: Data

  /// The attribute is not there that must be, even if its value is empty.
  private func mendMissingValue(_ inode: inout ExaminedInode) throws(FileSystemError) {
    let place = Place.inode(inode.number)
    let kind = inode.raw.kind
    let size = inode.raw.size(superblock)
    let head = UInt64(Inode.blockAreaByteCount)
    var changed = inode.raw
    // Without further fields e2fsck looks for no attributes.
    if changed.extraSize == 0, superblock.inodeSize > Inode.baseSize {
      changed.extraSize = Inode.knownExtraSize
    }
    if kind == .regular || kind == .directory, isExtentRoot(inode.raw),
      superblock.features.incompat.contains(.extents)
    {
      guard try found(.inline(.extentTreeInstead), place) else { return }
      changed.flags.remove(.inlineData)
      changed.flags.insert(.extents)
    } else if kind == .symbolicLink, (1..<head).contains(size) {
      // Its target is whole: it is a fast symlink's.
      guard try found(.inline(.noAttribute), place) else { return }
      changed.flags.remove(.inlineData)
    } else if kind == .directory || kind == .regular && (1...head).contains(size),
      !inode.raw.blockArea.allSatisfy({ $0 == 0 }), setInlineData(inode.raw.blockArea, &changed)
    {
      guard try found(.inline(.noAttribute), place) else { return }
      if kind == .directory { changed.wholeSize = head }
    } else {
      guard try found(.inline(.nothingLeft), place) else { return }
      removeInlineData(&changed)
      changed.wholeSize = 0
      if kind == .regular, superblock.features.incompat.contains(.extents) {
        changed.flags.insert(.extents)
        changed.blockArea = RawInode.emptyExtentRoot
      }
    }
    inode.raw = changed
    inode.isChanged = true
  }

  private func checkInlineSize(_ inode: inout ExaminedInode) throws(FileSystemError) {
    guard let value = InlineData.valueRange(inode.raw, xattrRange(inode.raw)) else { return }
    let held = UInt64(Inode.blockAreaByteCount + value.count)
    let size = inode.raw.wholeSize
    let issue: InlineIssue
    var expected = held
    switch inode.raw.kind {
    case .directory where size != held: issue = .directorySize
    case .regular where size > largestPointerSize:
      // Damage above what can be there leaves the rest of the number.
      issue = .fileSize
      if UInt64(inode.raw.sizeLow) <= held { expected = UInt64(inode.raw.sizeLow) }
    default: return
    }
    if try found(
      .inline(issue), .inode(inode.number), found: .number(size), expected: .number(expected))
    {
      inode.raw.wholeSize = expected
      inode.isChanged = true
    }
  }
}
