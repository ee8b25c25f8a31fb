import BlockIO
import Ext4Format
import ExtantBase

/// Symbolic links whose target is too long for i_block, and goes on in an attribute.
extension CheckRound {
  func checkInlineSymlink(_ inode: inout ExaminedInode) throws(FileSystemError) {
    guard inode.raw.kind == .symbolicLink, inode.raw.flags.contains(.inlineData) else { return }
    let number = inode.number
    let data = inlineData(inode.raw)
    let size = inode.raw.wholeSize
    if size != UInt64(data.count) {
      let isEncrypted = inode.raw.flags.contains(.encrypted)
      let target = isEncrypted ? data : Array(data.prefix { $0 != 0 })
      if target.isEmpty {
        guard try found(.inode(.symlinkEmpty), .inode(number)) else { return }
        try releaseXattrBlock(inode.raw)
        inode.isCleared = true
        return
      }
      guard
        try found(
          .inline(.symlinkSize), .inode(number), found: .number(size),
          expected: .number(UInt64(target.count)))
      else { return }
      setInlineTarget(target, &inode.raw)
      inode.isChanged = true
    }
    // Only the block of inodes that have maps is known to e2fsck, which gives this one away.
    guard inode.raw.flags.contains(.inlineData), inode.raw.fileACL(superblock).rawValue != 0 else {
      return
    }
    guard try found(.inline(.symlinkAttributes), .inode(number)) else { return }
    func move(_ round: CheckRound) throws(FileSystemError) { try round.moveTargetOut(number) }
    putOff.append(move)
  }

  private func setInlineTarget(_ target: [UInt8], _ raw: inout RawInode) {
    let head = Inode.blockAreaByteCount
    if target.count < head {
      // A fast symlink's.
      removeInlineData(&raw)
      raw.blockArea = target + [UInt8](repeating: 0, count: head - target.count)
    } else {
      // It is no longer than what was there.
      _ = setInlineData(target, &raw)
    }
    raw.wholeSize = UInt64(target.count)
  }

  /// Gives a symlink's target a block of its own; where none is free, the attributes go.
  private func moveTargetOut(_ number: InodeNumber) throws(FileSystemError) {
    var raw = try readInode(number)
    guard inodes.isInUse(number), raw.kind == .symbolicLink, raw.flags.contains(.inlineData) else {
      return
    }
    let target = inlineData(raw)
    var moved = raw
    removeInlineData(&moved)
    if superblock.features.incompat.contains(.extents) {
      moved.flags.insert(.extents)
      moved.blockArea = RawInode.emptyExtentRoot
    }
    if target.count < superblock.blockSize, let address = claims.allocate() {
      let run = MapRun(logical: 0, address: address, count: 1)
      if try writeMap(number, &moved, [run]) {
        let buffer = BlockBuffer(byteCount: superblock.blockSize)
        var bytes = buffer.mutableBytes
        bytes.copy(target, at: 0)
        try image.write(buffer, at: address)
        try writeInode(number, moved)
        return
      }
      claims.release(address)
    }
    try releaseXattrBlock(raw)
    raw.setFileACL(BlockAddress(0), superblock)
    raw.blocksLow = 0
    raw.blocksHigh = 0
    try writeInode(number, raw)
  }
}
