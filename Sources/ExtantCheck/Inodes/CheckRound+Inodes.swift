import BlockIO
import Ext4Format
import ExtantBase

extension CheckRound {
  /// In bytes, at least: how much of an inode table is read at once.
  private static let tablePieceSize = 1 << 20

  /// Pass 1: every inode in use, what it says of itself, and the blocks it claims.
  func checkInodes() throws(FileSystemError) {
    let blockSize = superblock.blockSize
    let perBlock = superblock.inodesPerBlock
    let pieceBlocks = UInt32(max(1, Self.tablePieceSize / blockSize))
    let buffer = BlockBuffer(byteCount: Int(pieceBlocks) * blockSize)
    for (index, descriptor) in groups.enumerated() {
      let group = GroupIndex(UInt32(index))
      options.progress?(1, Double(index) / Double(groups.count))
      let end = scannedInodeCount(in: group)
      let first = superblock.firstInode(in: group).rawValue
      var done: UInt32 = 0
      while done < end {
        let blocks = min(pieceBlocks, (end - done + perBlock - 1) / perBlock)
        var bytes = buffer.mutableBytes
        var part = bytes._mutatingExtracting(0..<Int(blocks) * blockSize)
        let start = descriptor.inodeTable + UInt64(done / perBlock)
        try image.overlay.read(into: &part, at: start.rawValue &* UInt64(blockSize))
        let count = min(end - done, blocks * perBlock)
        try examineInodes(buffer, from: InodeNumber(first + done), count: Int(count))
        done += count
      }
    }
    options.progress?(1, 1)
  }

  /// How many inodes of the group's table were ever used, as far as its descriptor can be believed.
  func scannedInodeCount(in group: GroupIndex) -> UInt32 {
    guard superblock.hasUninitializedGroups, Int(group.rawValue) < groups.count else {
      return superblock.inodesPerGroup
    }
    let unused = min(groups[Int(group.rawValue)].unusedInodes, superblock.inodesPerGroup)
    return superblock.inodesPerGroup - unused
  }

  /// Examines `count` inodes from `first` on, whose slots are at the start of `buffer`.
  private func examineInodes(
    _ buffer: BlockBuffer, from first: InodeNumber, count: Int
  ) throws(FileSystemError) {
    let size = superblock.inodeSize
    let firstOrdinary = superblock.firstInode
    var seen = inodeWrites
    var isOld = false
    for index in 0..<count {
      let number = InodeNumber(first.rawValue &+ UInt32(index))
      let place = index * size..<(index + 1) * size
      // What an earlier inode's repair wrote may be in this one.
      if inodeWrites != seen { isOld = true }
      if !isOld, number.rawValue >= firstOrdinary, buffer.bytes.isZero(place) { continue }
      let raw = isOld ? try readInode(number) : RawInode(buffer.bytes.array(place))
      var inode = ExaminedInode(number, raw)
      try examine(&inode)
      let before = inodeWrites
      if inode.isCleared {
        try clearSlot(number, inode.raw)
      } else if inode.isChanged {
        try writeInode(number, inode.raw)
      }
      // Its own slot is behind us.
      if inodeWrites != before, !isOld, before == seen { seen = inodeWrites }
    }
  }

  /// What pass 1 looks at in an inode, in order.
  private func examine(_ inode: inout ExaminedInode) throws(FileSystemError) {
    let number = inode.number
    guard inode.raw.linkCount != 0 || number.rawValue < superblock.firstInode else { return }
    var entry = InodeLedger.Entry()
    entry.isInUse = true
    entry.kind = inode.raw.kind
    entry.linkCount = inode.raw.linkCount
    inodes[number] = entry
    if number == .resize {
      try checkResizeInode(&inode)
      return
    }
    if inode.raw.kind == .directory {
      directories.add(
        DirectoryList.Directory(
          inode: number, isInline: inode.raw.flags.contains(.inlineData)))
    }
    try checkXattrs(&inode)
    if inode.raw.flags.contains(.inlineData) { try checkInlineData(&inode) }
    if inode.raw.hasMap || number == .badBlocks { try checkMap(&inode) }
  }
}
