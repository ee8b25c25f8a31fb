import Ext4Format
import ExtantBase

/// Attributes whose values are in inodes of their own (`ea_inode`).
extension CheckRound {
  /// Looks at those of an inode's attributes whose values are in inodes: leaves out what names no such
  /// inode, and says what the rest costs.
  func checkValues(
    _ attributes: [RawXattr], of inode: ExaminedInode, _ place: Place
  ) throws(FileSystemError) -> (list: [RawXattr], isChanged: Bool, blocks: UInt64, inodes: UInt32) {
    guard attributes.contains(where: { $0.valueInode != 0 }) else {
      return (attributes, false, 0, 0)
    }
    if !superblock.features.incompat.contains(.eaInode),
      try found(.xattr(.valueInodeFeature), .filesystem)
    {
      superblock.features.incompat.insert(.eaInode)
    }
    var list: [RawXattr] = []
    var isChanged = false
    var blocks: UInt64 = 0
    var inodes: UInt32 = 0
    for attribute in attributes {
      guard attribute.valueInode != 0 else {
        list.append(attribute)
        continue
      }
      var place = place
      place.name = attribute.name.suffix
      guard let checked = try check(attribute, of: inode, place) else {
        isChanged = true
        continue
      }
      if checked.attribute != attribute { isChanged = true }
      list.append(checked.attribute)
      blocks &+= checked.blocks
      inodes &+= 1
    }
    return (list, isChanged, blocks, inodes)
  }

  /// The attribute as it shall be, nil where it cannot be kept, and what i_blocks is charged for it.
  private func check(
    _ attribute: RawXattr, of inode: ExaminedInode, _ place: Place
  ) throws(FileSystemError) -> (attribute: RawXattr, blocks: UInt64)? {
    let number = InodeNumber(attribute.valueInode)
    let value = IssueValue.number(UInt64(attribute.valueInode))
    guard number.rawValue >= superblock.firstInode, number.rawValue <= superblock.inodeCount else {
      return try found(.xattr(.valueInodeNumber), place, found: value) ? nil : (attribute, 0)
    }
    var holder = try readInode(number)
    guard try isFile(&holder, number, for: attribute, of: inode) else {
      return try found(.xattr(.valueInodeNumber), place, found: value) ? nil : (attribute, 0)
    }
    let isFlagged = holder.flags.contains(.eaInode) || isFlagged(number)
    var attribute = attribute
    let isBesideData = hasInlineData(inode.raw)
    if attribute.valueSize == 0 || attribute.valueSize > Self.largestValue {
      let size = IssueValue.number(UInt64(attribute.valueSize))
      guard try found(.xattr(.valueInodeSizeImpossible), place, found: size) else {
        return (attribute, 0)
      }
      guard isFlagged, hasBlocks(of: holder.wholeSize, holder) else { return nil }
      attribute.valueSize = UInt32(clamping: holder.wholeSize)
    }
    var blocks = chargedBlocks(UInt64(attribute.valueSize))
    // What i_blocks counts goes by the attribute's size: where that would change it is left as it is.
    if isFlagged, holder.linkCount > 0, holder.wholeSize != UInt64(attribute.valueSize),
      isBesideData || !inode.hasWrongChecksum && chargedBlocks(holder.wholeSize) == blocks,
      try found(
        .xattr(isBesideData ? .valueInodeSizeBesideData : .valueInodeSize), place,
        found: .number(UInt64(attribute.valueSize)), expected: .number(holder.wholeSize))
    {
      guard try settleSize(&attribute, &holder, number) else { return nil }
      blocks = chargedBlocks(UInt64(attribute.valueSize))
    }
    if !hasValidHash(attribute, holder) {
      if holder.modificationTime == inode.number.rawValue,
        holder.generation == inode.raw.generation
      {
        // Lustre's: held by one owner, which it names in these fields, and charged to nobody.
        blocks = 0
      } else if !isFlagged {
        return try found(.xattr(.valueInodeNumber), place, found: value) ? nil : (attribute, 0)
      } else {
        let hash = IssueValue.hexadecimal(UInt64(attribute.hash))
        guard try found(.xattr(.valueInodeHash), place, found: hash) else { return (attribute, 0) }
        guard holder.linkCount > 0, holder.wholeSize == UInt64(attribute.valueSize) else {
          return nil
        }
        let name = XattrHash.name(attribute.name.suffix.rawBytes, 0..<attribute.name.suffix.count)
        attribute.hash = XattrHash.word(name, holder.accessTime)
      }
    }
    if !isFlagged, try found(.xattr(.valueInodeFlag), .inode(number)) {
      holder.flags.insert(.eaInode)
      try writeInode(number, holder)
      xattrs.valueInodes[number.rawValue, default: XattrLedger.ValueInode()].isFlagged = true
    }
    return (attribute, blocks)
  }

  /// Makes the two sizes of a value one: the attribute's where only that goes with the blocks that the
  /// inode has, else the inode's. False where neither can be.
  private func settleSize(
    _ attribute: inout RawXattr, _ holder: inout RawInode, _ number: InodeNumber
  ) throws(FileSystemError) -> Bool {
    if hasBlocks(of: holder.wholeSize, holder) {
      attribute.valueSize = UInt32(clamping: holder.wholeSize)
      return true
    }
    // Once: the inode's own map may ask for another size again.
    guard hasBlocks(of: UInt64(attribute.valueSize), holder), self.number == 1 else { return false }
    holder.wholeSize = UInt64(attribute.valueSize)
    try writeInode(number, holder)
    return true
  }

  /// In bytes: for more the kernel refuses all of an inode's attributes, as for none.
  private static let largestValue: UInt32 = 1 << 24

  /// Whether a value may have so many bytes, and the inode has as many blocks as those take.
  private func hasBlocks(of size: UInt64, _ holder: RawInode) -> Bool {
    size > 0 && size <= UInt64(XattrName.maximumValueLength)
      && holder.blocks512(superblock) == chargedBlocks(size) &* UInt64(superblock.blockSize / 512)
  }

  /// Whether an inode that an attribute names is a file. What is none is made one where the hash says
  /// that the value is there, and pass 1 has not yet taken it for what it says it is.
  private func isFile(
    _ holder: inout RawInode, _ number: InodeNumber, for attribute: RawXattr,
    of inode: ExaminedInode
  ) throws(FileSystemError) -> Bool {
    guard holder.kind != .regular else { return true }
    // What has no kind at all may become a file yet.
    guard holder.kind != nil else { return true }
    guard number > inode.number, holder.flags.contains(.eaInode), holder.linkCount > 0,
      hasValidHash(attribute, holder), try found(.xattr(.valueInodeKind), .inode(number))
    else { return false }
    holder.mode = FileKind.regular.rawValue | holder.mode & 0o7777
    try writeInode(number, holder)
    return true
  }

  /// In blocks: a value of `size` bytes fills whole clusters.
  private func chargedBlocks(_ size: UInt64) -> UInt64 {
    let clusterSize = UInt64(superblock.blockSize) << claims.clusterShift
    let clusters = size / clusterSize + (size % clusterSize == 0 ? 0 : 1)
    return clusters << claims.clusterShift
  }

  private func isFlagged(_ number: InodeNumber) -> Bool {
    xattrs.valueInodes[number.rawValue]?.isFlagged ?? false
  }

  /// The value's own hash is in the access time.
  private func hasValidHash(_ attribute: RawXattr, _ holder: RawInode) -> Bool {
    let bytes = attribute.name.suffix.rawBytes
    return [false, true].contains { isSigned in
      let name = XattrHash.name(bytes, 0..<bytes.byteCount, isSigned: isSigned)
      return XattrHash.word(name, holder.accessTime) == attribute.hash
    }
  }

  /// Counts the attributes that name inodes.
  func countValues(_ attributes: [RawXattr]) {
    for attribute in attributes where attribute.valueInode != 0 {
      xattrs.valueInodes[attribute.valueInode, default: XattrLedger.ValueInode()].counted += 1
    }
  }

  /// When all names are counted: inodes that hold values have none, the attributes stand for one.
  func checkValueInodes() throws(FileSystemError) {
    // Attributes that are to go counted values, too: those counts wait for the next round.
    var isCounted = true
    var holders: [(number: InodeNumber, counted: UInt64)] = []
    for (rawNumber, known) in xattrs.valueInodes.sorted(by: { $0.key < $1.key }) {
      let number = InodeNumber(rawNumber)
      guard inodes.isInUse(number), known.isFlagged else { continue }
      if inodes[number].namesCounted > 0 {
        // Who names both is left alone: the attributes are well, and the name opens nothing.
        if known.counted == 0, try found(.xattr(.valueInodeNamed), .inode(number)) {
          try clearFlag(number)
        }
      } else if known.counted == 0 {
        if try found(.xattr(.valueInodeUnreferenced), .inode(number)) { try clearFlag(number) }
      } else {
        inodes[number].namesCounted = 1
        holders.append((number, known.counted))
        if try !hasNoAttributes(number) { isCounted = false }
      }
    }
    guard isCounted else { return }
    for (number, counted) in holders { try checkCount(counted, of: number) }
  }

  private func clearFlag(_ number: InodeNumber) throws(FileSystemError) {
    var raw = try readInode(number)
    raw.flags.remove(.eaInode)
    try writeInode(number, raw)
  }

  /// Those that hold values have no attributes: so none can name itself, nor two each other. False where
  /// some were found.
  private func hasNoAttributes(_ number: InodeNumber) throws(FileSystemError) -> Bool {
    var raw = try readInode(number)
    let range = xattrRange(raw).flatMap { raw.le32($0.lowerBound) == RawXattrArea.magic ? $0 : nil }
    guard range != nil || raw.fileACL(superblock).rawValue != 0,
      try found(.xattr(.valueInodeAttributes), .inode(number))
    else { return true }
    if let range { raw.bytes.withMutableBytes { $0.zero(range) } }
    try releaseXattrBlock(raw)
    raw.setFileACL(BlockAddress(0), superblock)
    // i_blocks follows in the next round.
    try writeInode(number, raw)
    return false
  }

  /// The count's upper half is in the change time, its lower half in the version.
  private func checkCount(
    _ counted: UInt64, of number: InodeNumber
  ) throws(FileSystemError) {
    var raw = try readInode(number)
    let stored = UInt64(raw.changeTime) << 32 | UInt64(raw.versionLow)
    // Lustre's have no count; two times are equal in them.
    guard stored != counted, raw.changeTime != raw.accessTime else { return }
    if try found(
      .xattr(.valueInodeReferenceCount), .inode(number), found: .number(stored),
      expected: .number(counted))
    {
      raw.changeTime = UInt32(truncatingIfNeeded: counted >> 32)
      raw.versionLow = UInt32(truncatingIfNeeded: counted)
      try writeInode(number, raw)
    }
  }
}
