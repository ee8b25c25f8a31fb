import Ext4Format
import ExtantBase

extension CheckRound {
  /// Fields that ext4 does not use, or uses only with some feature, and those behind the base.
  func checkFields(_ inode: inout ExaminedInode) throws(FileSystemError) {
    // e2fsck comes upon unused fields by names; who holds an attribute's value has none.
    if !inode.raw.flags.contains(.eaInode) { try checkUnusedFields(&inode) }
    if superblock.inodeSize > Inode.baseSize { try checkExtraFields(&inode) }
  }

  private func checkUnusedFields(_ inode: inout ExaminedInode) throws(FileSystemError) {
    let number = inode.number
    let features = superblock.features
    let fragment = inode.raw.fragmentAddress
    if fragment != 0, try found(.fragmentAddress, number, found: .number(UInt64(fragment))) {
      inode.change { $0.fragmentAddress = 0 }
    }
    if superblock.isHurd {
      try checkHurdFragment(&inode)
    } else {
      try checkUpperHalves(&inode)
    }
    if inode.raw.sizeHigh != 0, inode.raw.kind == .directory,
      !features.incompat.contains(.largedir),
      try found(.directorySizeHigh, number, found: .number(UInt64(inode.raw.sizeHigh)))
    {
      inode.change { $0.sizeHigh = 0 }
    }
  }

  private func checkHurdFragment(_ inode: inout ExaminedInode) throws(FileSystemError) {
    let fragment = inode.raw.hurdFragment
    guard fragment != 0,
      try found(.hurdFragment, inode.number, found: .hexadecimal(UInt64(fragment)))
    else { return }
    inode.change { $0.hurdFragment = 0 }
  }

  private func checkUpperHalves(_ inode: inout ExaminedInode) throws(FileSystemError) {
    let number = inode.number
    let features = superblock.features
    if inode.raw.fileACLHigh != 0, !features.incompat.contains(.is64Bit),
      try found(.attributesHigh, number, found: .number(UInt64(inode.raw.fileACLHigh)))
    {
      inode.change { $0.fileACLHigh = 0 }
    }
    if inode.raw.blocksHigh != 0, !features.readOnlyCompat.contains(.hugeFile),
      try found(.blockCountHigh, number, found: .number(UInt64(inode.raw.blocksHigh)))
    {
      inode.change { $0.blocksHigh = 0 }
    }
  }

  private func checkExtraFields(_ inode: inout ExaminedInode) throws(FileSystemError) {
    let number = inode.number
    let room = UInt16(superblock.inodeSize - Inode.baseSize)
    let size = inode.raw.extraSize
    // The field itself and the checksum's upper half.
    let isWithin = size >= 4 && size <= room
    if size != 0, !isWithin || size % 4 != 0 {
      let usual = min(room, max(superblock.wantExtraInodeSize & ~3, Inode.knownExtraSize))
      let expected = isWithin ? (size + 3) & ~3 : usual
      guard
        try found(
          .extraSize, number, found: .number(UInt64(size)), expected: .number(UInt64(expected)))
      else { return }
      inode.change { $0.extraSize = min(expected, room) }
    }
    guard now < RawInode.lastOldTime else { return }
    for field in RawInode.ExtraTime.allCases where inode.raw.isOldNegative(field) {
      guard try found(.extraTime, number) else { return }
      inode.change { raw in
        for field in RawInode.ExtraTime.allCases where raw.isOldNegative(field) {
          raw.clearEpoch(field)
        }
      }
      return
    }
  }
}

extension RawInode {
  /// i_faddr: there never were fragments.
  fileprivate var fragmentAddress: UInt32 {
    get { le32(0x70) }
    set { setLE32(newValue, at: 0x70) }
  }

  /// 2242-03-16: from then on, times with all epoch bits set are to be expected.
  fileprivate static let lastOldTime: Int64 = 1 << 33

  /// The times that have extra bits, and where both halves are.
  fileprivate enum ExtraTime: CaseIterable {
    case access, change, modification, creation
    var offsets: (low: Int, extra: Int) {
      switch self {
      case .access: (0x8, 0x8c)
      case .change: (0xc, 0x84)
      case .modification: (0x10, 0x88)
      case .creation: (0x90, 0x94)
      }
    }
  }

  /// Whether a time before 1970 was written as old kernels did: with both epoch bits set, which
  /// means one after 2310.
  fileprivate func isOldNegative(_ time: ExtraTime) -> Bool {
    let (low, extra) = time.offsets
    guard extra + 4 <= Inode.baseSize + Int(extraSize), extra + 4 <= bytes.count else {
      return false
    }
    return le32(low) >> 31 != 0 && le32(extra) & 3 == 3
  }

  fileprivate mutating func clearEpoch(_ time: ExtraTime) {
    let extra = time.offsets.extra
    setLE32(le32(extra) & ~3, at: extra)
  }
}
