import BlockIO
import Ext4Format
import ExtantBase

extension CheckRound {
  /// The part of `checkXattrs` for the block.
  func checkXattrBlock(_ inode: inout ExaminedInode) throws(FileSystemError) {
    let address = inode.raw.fileACL(superblock)
    guard address.rawValue != 0 else { return }
    let place = Place(inode: inode.number, block: address)
    guard superblock.contains(address) else {
      // Inodes without names are not asked for their attributes.
      let isIgnored =
        isReserved(inode.number) && inode.number != .root || inode.raw.flags.contains(.eaInode)
      if isIgnored, inode.hasWrongChecksum { return }
      let issue: XattrIssue = isIgnored ? .ignoredBlockAddress : .blockAddress
      if try found(.xattr(issue), .inode(inode.number), found: .number(address.rawValue)) {
        clearFileACL(&inode)
      }
      return
    }
    if let known = xattrs[address] {
      xattrs[address]?.counted &+= 1
      chargeXattrBlock(known, to: &inode)
      return
    }
    if xattrs.emptied.contains(address.rawValue) {
      if try found(.xattr(.blockEmptied), place) { clearFileACL(&inode) }
      return
    }
    let buffer = xattrs.scratch
    try image.read(address, into: buffer)
    if !superblock.features.compat.contains(.extAttr) {
      guard try found(.xattr(.blockWithoutFeature), place) else { return }
      guard XattrScan(.block, buffer.bytes).isSound, buffer.bytes.le32(0) == RawXattrArea.magic
      else {
        clearFileACL(&inode)
        return
      }
      superblock.features.compat.insert(.extAttr)
    }
    guard let block = try mendXattrBlock(buffer, at: address, of: inode) else {
      clearFileACL(&inode)
      return
    }
    claims.claim(address)
    xattrs[address] = block
    chargeXattrBlock(block, to: &inode)
  }

  private func clearFileACL(_ inode: inout ExaminedInode) {
    inode.raw.setFileACL(BlockAddress(0), superblock)
    inode.isChanged = true
  }

  private func chargeXattrBlock(_ block: XattrLedger.Block, to inode: inout ExaminedInode) {
    charge(
      (1 << claims.clusterShift) &+ block.valueBlocks, block.valueInodes, to: &inode)
  }

  private var blockSeed: UInt32? {
    superblock.hasMetadataChecksums ? superblock.checksumSeed : nil
  }

  /// What the ledger is to know of a block that no inode named before; nil where nothing of it can be
  /// kept.
  private func mendXattrBlock(
    _ buffer: BlockBuffer, at address: BlockAddress, of inode: ExaminedInode
  ) throws(FileSystemError) -> XattrLedger.Block? {
    let place = Place(inode: inode.number, block: address)
    guard buffer.bytes.le32(0) == RawXattrArea.magic else {
      return try found(
        .xattr(.blockMagic), place, found: .hexadecimal(UInt64(buffer.bytes.le32(0))))
        ? nil : XattrLedger.Block(referenceCount: 1)
    }
    let hasValidChecksum = XattrBlock.hasValidChecksum(
      buffer.bytes, at: address, checksumSeed: blockSeed)
    var isChanged = false
    if buffer.bytes.le32(8) != 1,
      try found(.xattr(.blockCount), place, found: .number(UInt64(buffer.bytes.le32(8))))
    {
      var bytes = buffer.mutableBytes
      bytes.setLE32(1, at: 8)
      isChanged = true
    }
    var block = XattrLedger.Block(referenceCount: buffer.bytes.le32(4))
    let scan = XattrScan(.block, buffer.bytes)
    let mindsOffsets = scan.hasStrayOffset && hasInlineData(inode.raw)
    if !scan.isSound || scan.valueInodeCount > 0 || scan.hasOddities || scan.isUnsorted
      || mindsOffsets
    {
      let isTrusted = blockSeed != nil && hasValidChecksum
      guard
        var attributes = try examine(
          .block, buffer.bytes, scan, place, isTrusted: isTrusted,
          mindsOddities: hasValidChecksum)
      else { return block }
      if scan.isSound, mindsOffsets, try found(.xattr(.strayOffset), place) {
        attributes.isChanged = true
      }
      let checked = try checkValues(attributes.list, of: inode, place)
      if attributes.isChanged || checked.isChanged {
        guard !checked.list.isEmpty else {
          xattrs.emptied.insert(address.rawValue)
          return nil
        }
        var bytes = buffer.mutableBytes
        RawXattrArea.block.encode(checked.list, into: &bytes)
        bytes.setLE32(RawXattrArea.hash(checked.list, in: bytes.bytes), at: 12)
        isChanged = true
      }
      block.valueBlocks = checked.blocks
      block.valueInodes = checked.inodes
      countValues(checked.list)
    }
    if !hasValidChecksum, !isChanged, try found(.xattr(.blockChecksum), place) { isChanged = true }
    // Not over what something else owns: that is settled when all claims are known.
    if isChanged, !claims.isClaimed(address) { try write(xattrBlock: buffer, at: address) }
    return block
  }

  private func write(
    xattrBlock buffer: BlockBuffer, at address: BlockAddress
  ) throws(FileSystemError) {
    var bytes = buffer.mutableBytes
    XattrBlock.seal(&bytes, at: address, blockSeed)
    try image.write(buffer, at: address)
  }

  /// When all inodes were seen: the reference counts of attribute blocks and of inodes that hold
  /// values.
  func finishXattrs() throws(FileSystemError) {
    xattrs.isFinished = true
    for (number, block) in xattrs.blocks.sorted(by: { $0.key < $1.key })
    where block.referenceCount != block.counted {
      let address = BlockAddress(number)
      if try found(
        .xattr(.referenceCount), .block(address), found: .number(UInt64(block.referenceCount)),
        expected: .number(UInt64(block.counted)))
      {
        try setReferenceCount(block.counted, of: address)
      }
    }
  }

  private func setReferenceCount(
    _ count: UInt32, of address: BlockAddress
  ) throws(FileSystemError) {
    try image.read(address, into: xattrs.scratch)
    var bytes = xattrs.scratch.mutableBytes
    bytes.setLE32(count, at: 4)
    try write(xattrBlock: xattrs.scratch, at: address)
    xattrs[address]?.referenceCount = count
  }

  /// One inode less names its attributes' block, as it goes: the block's claim goes with the last.
  func releaseXattrBlock(_ raw: RawInode) throws(FileSystemError) {
    let address = raw.fileACL(superblock)
    guard let block = xattrs[address] else { return }
    guard block.counted > 1 else {
      xattrs[address] = nil
      releaseClaim(address, count: 1)
      return
    }
    xattrs[address]?.counted = block.counted - 1
    if xattrs.isFinished { try setReferenceCount(block.counted - 1, of: address) }
  }
}
