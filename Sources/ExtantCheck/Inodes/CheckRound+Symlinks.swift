import BlockIO
import Ext4Format
import ExtantBase

extension CheckRound {
  /// A symlink's size tells whether i_block holds its target or a map. Where it says target and
  /// i_block holds a map all the same, the size is what is wrong.
  func checkSymlinkBeforeMap(_ inode: inout ExaminedInode) throws(FileSystemError) {
    let number = inode.number
    guard !inode.raw.flags.contains(.inlineData) else { return }
    let size = inode.raw.wholeSize
    let isShort = size < UInt64(Inode.blockAreaByteCount)
    guard isShort else { return }
    let area = inode.raw.blockArea
    let isFlagged = inode.raw.flags.contains(.extents)
    let isEncrypted = inode.raw.flags.contains(.encrypted)
    let length = SymlinkLength(area.rawBytes, isEncrypted: isEncrypted)
    if !isEncrypted,
      isFlagged ? inode.raw.hasExtentHeader : length != .bytes(Int(size)) || size == 0,
      try moveTarget(&inode)
    {
      return
    }
    if isFlagged, size > 0, try found(.symlinkExtentsFlag, number) {
      inode.change { $0.flags.remove(.extents) }
    }
    guard inode.raw.isFastSymlink || size == 0 else { return }
    switch length {
    case .bytes(Int(size)): return
    case .bytes(let length):
      if try found(
        .symlinkLength, number, found: .number(size), expected: .number(UInt64(length)))
      {
        inode.change { $0.wholeSize = UInt64(length) }
      }
    case .none:
      if try found(.symlinkEmpty, number) { inode.isCleared = true }
    case .unended:
      // Without a NUL the size is all there is to go by.
      guard try found(.symlinkUnended, number, found: .number(size)) else { return }
      guard !isEncrypted else {
        inode.isCleared = true
        return
      }
      let end = size == 0 ? Inode.fastSymlinkLimit : min(Int(size), Inode.fastSymlinkLimit)
      inode.change { $0.setFastTarget(Array(area[..<end])) }
    }
  }

  /// The size says that the target is in i_block, but a block holds it: gives the size its due. False
  /// where no block holds a target.
  private func moveTarget(_ inode: inout ExaminedInode) throws(FileSystemError) -> Bool {
    let number = inode.number
    let isFlagged = inode.raw.flags.contains(.extents)
    if !isFlagged, (1..<15).contains(where: { inode.raw.blockWord($0) != 0 }) { return false }
    guard let address = try firstBlock(inode.raw) else { return false }
    let buffer = try image.block(address)
    guard case .bytes(let length) = SymlinkLength(buffer.bytes, isEncrypted: false) else {
      return false
    }
    let target = buffer.bytes.array(0..<length)
    let size = IssueValue.number(inode.raw.wholeSize)
    if target.count >= Inode.blockAreaByteCount {
      if try found(
        .symlinkLength, number, found: size, expected: .number(UInt64(target.count)))
      {
        inode.change { $0.wholeSize = UInt64(target.count) }
      }
      return true
    }
    if try found(.symlinkInBlock, number, found: size) {
      inode.change { $0.setFastTarget(target) }
      storeBlockCount(&inode)
    }
    return true
  }

  /// The target in a symlink's block, when the map is mended.
  func checkSymlink(
    _ inode: inout ExaminedInode, chargedToAttributes: UInt64
  ) throws(FileSystemError) {
    let number = inode.number
    guard inode.raw.hasMap else { return }
    if let end = inode.mappedEnd, end > 1, try found(.symlinkBlocks, number) {
      try keepFirstBlock(&inode, chargedToAttributes: chargedToAttributes)
    }
    var first: BlockAddress?
    try forEachRun(number, inode.raw) { (run) throws(FileSystemError) in
      // e2fsck reads it even where it is called unwritten.
      if run.logical == 0 { first = run.address }
      return false
    }
    guard let first else {
      if try found(.symlinkEmpty, number) { try clearWithBlocks(&inode) }
      return
    }
    let buffer = try image.block(first)
    let size = inode.raw.wholeSize
    let isEncrypted = inode.raw.flags.contains(.encrypted)
    switch SymlinkLength(buffer.bytes, isEncrypted: isEncrypted) {
    case .bytes(Int(clamping: size)): return
    case .bytes(let length) where length < Inode.blockAreaByteCount:
      guard try found(.symlinkInBlock, number, found: .number(size)) else { return }
      let target = buffer.bytes.array(0..<length)
      try releaseMap(inode)
      inode.change { $0.setFastTarget(target) }
      inode.chargedBlocks = chargedToAttributes
      inode.mappedEnd = nil
      inode.writtenEnd = nil
      storeBlockCount(&inode)
    case .bytes(let length):
      if try found(
        .symlinkLength, number, found: .number(size), expected: .number(UInt64(length)))
      {
        inode.change { $0.wholeSize = UInt64(length) }
      }
    case .none:
      if try found(.symlinkEmpty, number) { try clearWithBlocks(&inode) }
    case .unended:
      guard try found(.symlinkUnended, number, found: .number(size)) else { return }
      guard !isEncrypted else {
        try clearWithBlocks(&inode)
        return
      }
      let end = min(Int(clamping: size), superblock.blockSize - 1)
      var bytes = buffer.mutableBytes
      bytes.fill(end..<superblock.blockSize, with: 0)
      try image.write(buffer, at: first)
      inode.change { $0.wholeSize = UInt64(end) }
    }
  }

  /// Gives back all that the map of an inode claims, its attributes' block not included.
  private func releaseMap(_ inode: ExaminedInode) throws(FileSystemError) {
    var raw = inode.raw
    raw.setFileACL(BlockAddress(0), superblock)
    try releaseBlocks(inode.number, raw)
  }

  private func clearWithBlocks(_ inode: inout ExaminedInode) throws(FileSystemError) {
    try releaseMap(inode)
    inode.isCleared = true
  }

  private func keepFirstBlock(
    _ inode: inout ExaminedInode, chargedToAttributes: UInt64
  ) throws(FileSystemError) {
    var kept: MapRun?
    try forEachRun(inode.number, inode.raw) { (run) throws(FileSystemError) in
      if run.logical == 0 { kept = MapRun(logical: 0, address: run.address, count: 1) }
      return false
    }
    try releaseMap(inode)
    inode.change { raw in
      raw.blockArea =
        raw.flags.contains(.extents)
        ? RawInode.emptyExtentRoot : [UInt8](repeating: 0, count: Inode.blockAreaByteCount)
    }
    inode.chargedBlocks = chargedToAttributes
    inode.mappedEnd = nil
    guard let kept else { return }
    claims.claim(kept.address)
    inode.change { raw in
      if raw.flags.contains(.extents) {
        raw.setSingleExtent(kept.address)
      } else {
        raw.setBlockWord(0, UInt32(truncatingIfNeeded: kept.address.rawValue))
      }
    }
    inode.chargedBlocks += 1 << UInt64(superblock.clusterShift)
    inode.mappedEnd = 1
    inode.writtenEnd = 1
    storeBlockCount(&inode)
  }
}

/// How long the target of a symlink is, by the bytes that hold it.
private enum SymlinkLength: Equatable {
  /// What i_size should be.
  case bytes(Int)
  case none
  /// The target goes on past the end of its place.
  case unended

  /// - Parameter bytes: i_block or a block: the target and a NUL, or, encrypted, 16 bits with its
  ///   length and the target.
  init(_ bytes: RawSpan, isEncrypted: Bool) {
    var count = 0
    if isEncrypted {
      count = Int(bytes.le16(0)) + 2
      if count == 2 { count = 0 }
    } else {
      while count < bytes.byteCount, bytes.u8(count) != 0 { count += 1 }
    }
    self = count == 0 ? .none : count < bytes.byteCount ? .bytes(count) : .unended
  }
}

extension RawInode {
  /// Puts a symlink's target into i_block.
  fileprivate mutating func setFastTarget(_ target: [UInt8]) {
    blockArea =
      target + [UInt8](repeating: 0, count: Inode.blockAreaByteCount - target.count)
    wholeSize = UInt64(target.count)
    flags.remove(.extents)
  }

  /// Makes i_block a tree with one extent of one block, the first.
  fileprivate mutating func setSingleExtent(_ address: BlockAddress) {
    let start = Self.blockAreaOffset
    blockArea = Self.emptyExtentRoot
    setLE16(1, at: start + 2)
    setLE32(0, at: start + 12)
    setLE16(1, at: start + 16)
    setLE16(UInt16(truncatingIfNeeded: address.rawValue >> 32), at: start + 18)
    setLE32(UInt32(truncatingIfNeeded: address.rawValue), at: start + 20)
  }
}
