import BlockIO
import Ext4Format
import ExtantBase

/// Inode 7, which keeps the blocks behind the descriptors so that the table can grow.
extension CheckRound {
  /// The entry of i_block that the doubly indirect block is.
  private static let doublyIndirect = 13

  /// What is wrong with the map, worst first.
  private enum MapState { case invalid, wrong, inexact, right }

  /// Pass 1 for the inode that keeps the blocks reserved for a larger descriptor table.
  ///
  /// The reserved blocks are the filesystem's own and claimed as that; here comes the doubly indirect
  /// block alone.
  func checkResizeInode(_ inode: inout ExaminedInode) throws(FileSystemError) {
    guard superblock.features.compat.contains(.resizeInode) else {
      let isEmpty = (0..<15).allSatisfy { inode.raw.blockWord($0) == 0 }
      guard !isEmpty, try found(.group(.resizeInodeNotEmpty), .inode(inode.number)) else { return }
      inode.raw = RawInode(byteCount: superblock.inodeSize)
      inode.isChanged = true
      return
    }
    let layout = ResizeInodeLayout(superblock)
    let address = BlockAddress(UInt64(inode.raw.blockWord(Self.doublyIndirect)))
    guard hasProperFields(inode.raw), superblock.contains(address), !claims.isClaimed(address)
    else { return try replaceResizeInode(&inode) }
    var kind: GroupIssue?
    switch try state(layout, address) {
    case .right: break
    // What is in the block may be another's, who comes later.
    case .invalid: return try replaceResizeInode(&inode)
    case .wrong: kind = .resizeInodeMap
    case .inexact: kind = .resizeInodePointers
    }
    claims.claim(address)
    inode.chargedBlocks &+= layout.chargedCount
    inode.mappedEnd = layout.mappedEnd
    if let kind, try found(.group(kind), Place(inode: inode.number, block: address)) {
      try writeReserve(layout, at: address)
    }
    try checkSizes(&inode, layout)
  }

  /// Whether it is a file that maps by its doubly indirect block alone.
  private func hasProperFields(_ raw: RawInode) -> Bool {
    raw.kind == .regular && raw.linkCount > 0
      && raw.flags.isDisjoint(with: [.extents, .inlineData])
      && (0..<15).allSatisfy { $0 == Self.doublyIndirect || raw.blockWord($0) == 0 }
  }

  // MARK: The map

  private func state(
    _ layout: ResizeInodeLayout, _ address: BlockAddress
  ) throws(FileSystemError) -> MapState {
    let map = try image.block(address)
    var isWrong = false
    var isInexact = false
    var used = Set<Int>()
    let block = BlockBuffer(byteCount: superblock.blockSize)
    for index in 0..<layout.reserved {
      let slot = layout.slot(index)
      used.insert(slot)
      // The first quarter is what everybody looks at.
      let isFirst = index < layout.reserved / 4
      guard map.bytes.le32(4 * slot) == UInt32(truncatingIfNeeded: layout.block(index).rawValue)
      else {
        if isFirst { return .invalid }
        let stated = BlockAddress(UInt64(map.bytes.le32(4 * slot)))
        if try holdsCopies(stated, layout) { isInexact = true } else { isWrong = true }
        continue
      }
      try image.read(layout.block(index), into: block)
      // Nearly all of it is zeros, in each of up to 1,024 blocks: those are not gone through one by one.
      let rest = 4 * layout.copyCount..<superblock.blockSize
      let end = block.bytes.isZero(rest) ? layout.copyCount : layout.addressesPerBlock
      for place in 0..<end {
        let stated = block.bytes.le32(4 * place)
        let proper = layout.copy(index, place)
        guard stated != proper else { continue }
        if isFirst, place < layout.copyCount { return .invalid }
        let isCounted =
          (stated == 0) != (proper == 0) || !superblock.contains(BlockAddress(UInt64(stated)))
        if isCounted { isWrong = true } else { isInexact = true }
      }
    }
    for slot in 0..<layout.addressesPerBlock
    where map.bytes.le32(4 * slot) != 0 && !used.contains(slot) {
      isWrong = true
    }
    return isWrong ? .wrong : isInexact ? .inexact : .right
  }

  /// Whether a block has as many pointers as a reserved one: who only counts them minds nothing.
  private func holdsCopies(
    _ address: BlockAddress, _ layout: ResizeInodeLayout
  ) throws(FileSystemError) -> Bool {
    guard isMappable(address) else { return false }
    let block = try image.block(address)
    let stated = (0..<layout.addressesPerBlock).map { block.bytes.le32(4 * $0) }
      .filter { $0 != 0 }
    return stated.count == layout.copyCount
      && stated.allSatisfy { superblock.contains(BlockAddress(UInt64($0))) }
  }

  /// Writes the doubly indirect block and the reserved ones as they must be.
  private func writeReserve(
    _ layout: ResizeInodeLayout, at address: BlockAddress
  ) throws(FileSystemError) {
    let map = BlockBuffer(byteCount: superblock.blockSize)
    let block = BlockBuffer(byteCount: superblock.blockSize)
    for index in 0..<layout.reserved {
      let reserved = layout.block(index)
      var entries = map.mutableBytes
      entries.setLE32(
        UInt32(truncatingIfNeeded: reserved.rawValue), at: 4 * layout.slot(index))
      var bytes = block.mutableBytes
      for place in 0..<layout.addressesPerBlock {
        bytes.setLE32(layout.copy(index, place), at: 4 * place)
      }
      let before = try image.block(reserved)
      if !before.bytes.isEqual(to: block.bytes) { try image.write(block, at: reserved) }
    }
    try image.write(map, at: address)
  }

  // MARK: Fields

  private func checkSizes(
    _ inode: inout ExaminedInode, _ layout: ResizeInodeLayout
  ) throws(FileSystemError) {
    let blockSize = UInt64(superblock.blockSize)
    let size = inode.raw.wholeSize
    let isProperSize =
      size >= (layout.mappedEnd ?? 0) * blockSize && size <= layout.largestSize * blockSize
    let sectors = inode.chargedBlocks &* (blockSize / 512)
    guard
      !isProperSize || inode.raw.blocks512(superblock) != sectors,
      try found(.group(.resizeInodeFields), .inode(inode.number))
    else { return }
    if !isProperSize { inode.raw.wholeSize = layout.usualSize * blockSize }
    inode.raw.flags.remove(.hugeFile)
    inode.raw.blocksLow = UInt32(truncatingIfNeeded: sectors)
    inode.raw.blocksHigh = 0
    inode.isChanged = true
  }

  // MARK: Made anew

  /// Leaves the inode without a map until free blocks are known.
  private func replaceResizeInode(_ inode: inout ExaminedInode) throws(FileSystemError) {
    guard try found(.group(.resizeInodeInvalid), .inode(inode.number)) else { return }
    let attributes = inode.raw.fileACL(superblock)
    inode.raw = emptyResizeInode()
    inode.raw.setFileACL(attributes, superblock)
    inode.raw.blocksLow = UInt32(
      truncatingIfNeeded: inode.chargedBlocks &* UInt64(superblock.blockSize / 512))
    inode.isChanged = true
    var entry = inodes[inode.number]
    entry.isInUse = true
    entry.kind = .regular
    entry.linkCount = 1
    inodes[inode.number] = entry
    let number = inode.number
    let making: (CheckRound) throws(FileSystemError) -> Void = {
      (round: CheckRound) throws(FileSystemError) in
      try round.makeResizeInode(number)
    }
    putOff.append(making)
  }

  private func emptyResizeInode() -> RawInode {
    var raw = RawInode(byteCount: superblock.inodeSize)
    raw.mode = FileKind.regular.rawValue | 0o600
    raw.linkCount = 1
    let time = UInt32(truncatingIfNeeded: now)
    raw.accessTime = time
    raw.changeTime = time
    raw.modificationTime = time
    raw.wholeSize = ResizeInodeLayout(superblock).usualSize * UInt64(superblock.blockSize)
    raw.extraSize = UInt16(min(32, max(0, superblock.inodeSize - Inode.baseSize)))
    return raw
  }

  /// Gives the inode its map.
  func makeResizeInode(_ number: InodeNumber) throws(FileSystemError) {
    let layout = ResizeInodeLayout(superblock)
    guard let address = claims.allocate(near: superblock.groupFirstBlock(GroupIndex(0))),
      address.rawValue <= UInt64(UInt32.max)
    else { return try giveUpResizeInode(number, layout) }
    try writeReserve(layout, at: address)
    var raw = try readInode(number)
    raw.setBlockWord(Self.doublyIndirect, UInt32(truncatingIfNeeded: address.rawValue))
    let sectors = layout.chargedCount * UInt64(superblock.blockSize / 512)
    raw.blocksLow &+= UInt32(truncatingIfNeeded: sectors)
    try writeInode(number, raw)
    if raw.sizeHigh != 0 || raw.sizeLow >= 1 << 31 {
      superblock.features.readOnlyCompat.insert(.largeFile)
    }
  }

  /// Without a block for its map, the room is of no use.
  private func giveUpResizeInode(
    _ number: InodeNumber, _ layout: ResizeInodeLayout
  ) throws(FileSystemError) {
    let used = 1 + UInt64(superblock.undividedDescriptorBlockCount)
    for holder in [GroupIndex(0)] + superblock.copyHolders {
      claims.release(
        superblock.superblockBlock(in: holder) + used, count: UInt64(layout.reserved))
    }
    superblock.features.compat.remove(.resizeInode)
    superblock.raw.withMutableBytes {
      $0.setLE16(0, at: SuperblockField.reservedDescriptorBlocks)
    }
    try writeInode(number, RawInode(byteCount: superblock.inodeSize))
  }
}
