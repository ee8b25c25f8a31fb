import BlockIO
import Ext4Format
import ExtantBase

extension CheckRound {
  /// Pass 1: every inode in use, what it says of itself, and the blocks it claims.
  func checkInodes() throws(FileSystemError) {
    var pieces = InodeTablePieces(self)
    guard var piece = pieces.next() else { return }
    let size = pieces.pieceByteCount
    let first = BlockBuffer(byteCount: size)
    let reader = AheadReader(image, isThreaded: piece.bytes.byteCount == size)
    defer { reader.end() }
    var buffer = first
    var other = reader.isThreaded ? BlockBuffer(byteCount: size) : first
    // Writes of inodes since a piece was read make it old.
    var writes = inodeWrites
    reader.start(piece.bytes, into: buffer)
    while true {
      options.progress?(1, Double(piece.group.rawValue) / Double(groups.count))
      try reader.finish()
      let next = pieces.next()
      let writesBefore = writes
      if reader.isThreaded, let next {
        writes = inodeWrites
        reader.start(next.bytes, into: other)
      }
      try examineInodes(buffer, from: piece.first, count: piece.count, readAt: writesBefore)
      guard let next else { break }
      if !reader.isThreaded {
        writes = inodeWrites
        reader.start(next.bytes, into: other)
      }
      piece = next
      swap(&buffer, &other)
    }
    try checkLargeFiles()
    options.progress?(1, 1)
  }

  /// How many inodes of the group's table were ever used, as far as its descriptor can be believed.
  func scannedInodeCount(in group: GroupIndex) -> UInt32 {
    // A table that is to be made anew holds none.
    if Int(group.rawValue) < groups.count, groups[Int(group.rawValue)].inodeTable.rawValue == 0 {
      return 0
    }
    guard superblock.hasUninitializedGroups, Int(group.rawValue) < groups.count else {
      return superblock.inodesPerGroup
    }
    let unused = min(groups[Int(group.rawValue)].unusedInodes, superblock.inodesPerGroup)
    return superblock.inodesPerGroup - unused
  }

  /// Examines `count` inodes from `first` on, whose slots are at the start of `buffer`, where they
  /// were read when `writes` inodes had been written.
  private func examineInodes(
    _ buffer: BlockBuffer, from first: InodeNumber, count: Int, readAt writes: UInt64
  ) throws(FileSystemError) {
    let size = superblock.inodeSize
    let firstOrdinary = superblock.firstInode
    let perBlock = Int(superblock.inodesPerBlock)
    var garbage = GarbageBlock()
    var plainFiles = options.looksClosely ? nil : PlainFileTest(superblock)
    // Writes of inodes that made what is in `buffer` old. An inode's own slot is behind us.
    var expectedWrites = writes
    for index in 0..<count {
      let number = InodeNumber(first.rawValue &+ UInt32(index))
      let place = index * size..<(index + 1) * size
      if !maps.inodesInBadBlocks.isEmpty, maps.inodesInBadBlocks.contains(number) { continue }
      let isOld = inodeWrites != expectedWrites
      if !isOld {
        let slot = buffer.bytes.extracting(place)
        if let plain = plainFiles?.findings(slot, number), enterPlain(plain, number) { continue }
        if slot.isZero(0..<size) {
          if number.rawValue < firstOrdinary { try examineEmptyReserved(number) }
          continue
        }
      }
      var inode = ExaminedInode(
        number, isOld ? try readInode(number) : RawInode(buffer.bytes.array(place)))
      inode.hasWrongChecksum = !inode.raw.hasValidChecksum(number, superblock)
      if isOld, inode.raw.isZero { inode.hasWrongChecksum = false }
      var isGarbage = false
      if looksLikeGarbage(inode) {
        let block = index / perBlock
        if garbage.index != block {
          garbage = garbageBlock(block, buffer, from: first, count: count)
        }
        isGarbage = garbage.isGarbage
      }
      let runsBefore = directories.runs.count
      let writes = inodeWrites
      try examine(&inode, isGarbage: isGarbage)
      let othersWritten = inodeWrites != writes
      try store(inode, runsBefore: runsBefore)
      if !isOld, !othersWritten { expectedWrites = inodeWrites }
    }
  }

  /// Writes what was changed in an inode, or clears it.
  private func store(
    _ inode: ExaminedInode, runsBefore: Int
  ) throws(FileSystemError) {
    let number = inode.number
    if inode.isCleared {
      directories.forget(number, keepingRuns: runsBefore)
      var entry = InodeLedger.Entry()
      if number.rawValue < superblock.firstInode {
        // The root is made anew; the others are in use whatever is in them.
        entry.isInUse = number != .root
        try zeroSlot(number)
      } else {
        try clearSlot(number, inode.raw)
      }
      inodes[number] = entry
      return
    }
    if inode.valueInodeCount > 0 { valueInodes[number] = inode.valueInodeCount }
    if inode.isChanged {
      try writeInode(number, inode.raw)
    } else if inode.hasWrongChecksum, try found(.badChecksum, number) {
      try writeInode(number, inode.raw)
    }
  }

  /// Empties a reserved inode's slot, as mke2fs leaves it: without a checksum, too.
  private func zeroSlot(_ number: InodeNumber) throws(FileSystemError) {
    guard let (block, offset) = place(of: number) else { return }
    let buffer = try image.block(block)
    var bytes = buffer.mutableBytes
    bytes.fill(offset..<offset + superblock.inodeSize, with: 0)
    try image.write(buffer, at: block)
    inodeWrites &+= 1
  }

  /// Reports an issue of pass 1. True where it shall be repaired now.
  func found(
    _ kind: InodeIssue, _ number: InodeNumber, found: IssueValue? = nil,
    expected: IssueValue? = nil
  ) throws(FileSystemError) -> Bool {
    try self.found(.inode(kind), .inode(number), found: found, expected: expected)
  }
}
