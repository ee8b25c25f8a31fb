import BlockIO
import Ext4Format
import ExtantBase

extension CheckRound {
  /// Pass 1 for attributes, in the inode and in their block: mends them, claims the block once
  /// however many inodes share it, and charges it to the inode.
  func checkXattrs(_ inode: inout ExaminedInode) throws(FileSystemError) {
    if inode.raw.flags.contains(.eaInode) { try checkValueFlag(&inode) }
    // Nobody looks for attributes in reserved inodes.
    if inode.number >= InodeNumber(superblock.firstInode) || inode.number == .root {
      try restoreInlineMark(&inode)
      try checkInodeXattrs(&inode)
      try restoreInlineFlag(&inode)
    }
    try checkXattrBlock(&inode)
  }

  private func checkValueFlag(_ inode: inout ExaminedInode) throws(FileSystemError) {
    let number = inode.number
    let isReserved = number.rawValue < superblock.firstInode || superblock.isHidden(number)
    if !isReserved, inode.raw.kind == .regular {
      xattrs.valueInodes[number.rawValue, default: XattrLedger.ValueInode()].isFlagged = true
      return
    }
    // Of the others the kernel opens these, and refuses them for the flag.
    let isOpened =
      !isReserved || number == .root || number == superblock.journalInode
      || superblock.isHidden(number)
      || [.user, .group].contains { superblock.quotaInode($0) == number }
    if isOpened, !inode.hasWrongChecksum, try found(.xattr(.valueInodeKind), .inode(number)) {
      inode.raw.flags.remove(.eaInode)
      inode.isChanged = true
    }
  }

  /// Where attributes may lie in the inode, from their magic number on; nil where there is no room.
  func xattrRange(_ raw: RawInode) -> Range<Int>? {
    let start = Inode.baseSize + Int(raw.extraSize)
    let minimum = RawXattrArea.inode.firstEntry + RawXattrEntry.terminatorSize
    guard start + minimum <= raw.bytes.count else { return nil }
    return start..<raw.bytes.count
  }

  private func checkInodeXattrs(_ inode: inout ExaminedInode) throws(FileSystemError) {
    guard let range = xattrRange(inode.raw),
      inode.raw.le32(range.lowerBound) == RawXattrArea.magic
    else { return }
    let bytes = inode.raw.bytes
    let region = bytes.rawBytes.extracting(range)
    let scan = XattrScan(.inode, region)
    let mindsOffsets = scan.hasStrayOffset && hasInlineData(inode.raw)
    if scan.isSound, scan.valueInodeCount == 0, !scan.hasOddities, !mindsOffsets { return }
    let place = Place.inode(inode.number)
    guard
      var attributes = try examine(
        .inode, region, scan, place, isTrusted: false, mindsOddities: !inode.hasWrongChecksum)
    else { return }
    if scan.isSound, mindsOffsets, try found(.xattr(.strayOffset), place) {
      attributes.isChanged = true
    }
    let checked = try checkValues(attributes.list, of: inode, place)
    if attributes.isChanged || checked.isChanged {
      inode.raw.bytes.withMutableBytes { slot in
        var part = slot._mutatingExtracting(range)
        RawXattrArea.inode.encode(checked.list, into: &part)
      }
      inode.isChanged = true
    }
    charge(checked.blocks, checked.inodes, to: &inode)
    countValues(checked.list)
  }

  func hasInlineData(_ raw: RawInode) -> Bool {
    raw.flags.contains(.inlineData) && superblock.features.incompat.contains(.inlineData)
  }

  func charge(_ blocks: UInt64, _ inodes: UInt32, to inode: inout ExaminedInode) {
    inode.chargedBlocks &+= blocks
    inode.valueInodeCount &+= UInt64(inodes)
  }

  /// The attributes of an area, with what is wrong with it reported, and whether it must be written
  /// anew; nil where somebody wants it left as it is.
  ///
  /// - Parameter mindsOddities: false where a wrong checksum is still to be reported: what does no
  ///   harm waits until that is mended.
  func examine(
    _ area: RawXattrArea, _ bytes: RawSpan, _ scan: XattrScan, _ place: Place, isTrusted: Bool,
    mindsOddities: Bool
  ) throws(FileSystemError) -> (list: [RawXattr], isChanged: Bool)? {
    let salvage = XattrSalvage(area, bytes, isTrusted: isTrusted || scan.isSound)
    var list = salvage.kept
    var isChanged = false
    if !scan.isSound {
      var isWanted = true
      for (fault, name, offset) in salvage.faults {
        var place = place
        place.name = name
        place.offset = offset
        let answer = try found(.xattr(fault.issue(area)), place)
        isWanted = isWanted && answer
      }
      // The scan counts room a little differently; what it minds is minded here.
      if salvage.faults.isEmpty {
        isWanted = try found(.xattr(XattrSalvage.Fault.noEnd.issue(area)), place)
      }
      guard isWanted else { return nil }
      isChanged = true
    }
    guard mindsOddities || isChanged else { return (list, false) }
    if scan.hasNulInName, list.contains(where: { $0.name.suffix.contains(0) }),
      try found(.xattr(.nameWithNul), place)
    {
      for (index, attribute) in list.enumerated() {
        list[index].name.suffix = Array(attribute.name.suffix.prefix { $0 != 0 })
      }
      isChanged = true
    }
    if scan.isSound, scan.hasJunkAtEnd, try found(.xattr(.junkAtEnd), place) { isChanged = true }
    if area.isBlock, scan.isSound, scan.isUnsorted, try found(.xattr(.unsorted), place) {
      isChanged = true
    }
    if area.isBlock, isChanged { list.sort { $0.name < $1.name } }
    return (list, isChanged)
  }
}

extension XattrSalvage.Fault {
  func issue(_ area: RawXattrArea) -> XattrIssue {
    switch self {
    case .entryTooLong: area.isBlock ? .blockEntryTooLong : .inodeEntryTooLong
    case .noEnd: area.isBlock ? .blockNoEnd : .inodeNoEnd
    case .noPrefix: .blockNoPrefix
    case .valueOutside: area.isBlock ? .blockValueOutside : .inodeValueOutside
    case .overlap: area.isBlock ? .blockOverlap : .inodeOverlap
    case .hash: area.isBlock ? .blockHash : .inodeHash
    }
  }
}
