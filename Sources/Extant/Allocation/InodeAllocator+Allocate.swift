import BlockIO
import Ext4Format
import ExtantBase

/// Allocating and freeing: everything that can fail is done before anything changes.
extension InodeAllocator.State {
  /// - Parameter inode: one that exists.
  func place(of inode: InodeNumber) -> (group: Int, bit: Int) {
    let index = inode.rawValue - 1
    return (Int(index / superblock.inodesPerGroup), Int(index % superblock.inodesPerGroup))
  }

  mutating func allocate(
    isDirectory: Bool, parent: InodeNumber, _ handle: any MetadataHandle
  ) throws(FileSystemError) -> InodeNumber {
    var failure = FileSystemError.refused(.noSpace)
    let first = bestGroup(isDirectory: isDirectory, parent: parent)
    // Most often the flexible group at hand serves. What was freed a moment ago comes last.
    for (isNear, mayReuse) in [(true, false), (false, false), (false, true)] {
      for group in groupsInOrder(from: first, isNear: isNear) {
        guard groups[group].fault == nil else { continue }
        do throws(FileSystemError) {
          try load(group)
          guard let bit = freeBit(in: group, mayReuse: mayReuse) else { continue }
          return try take(bit, in: group, isDirectory: isDirectory, handle)
        } catch {
          failure = error
        }
      }
    }
    throw failure
  }

  private func freeBit(in group: Int, mayReuse: Bool) -> Int? {
    guard let used = groups[group].used else { return nil }
    // Reserved inodes are marked in use by mke2fs; a damaged bitmap must not give them away.
    let first = Int(superblock.firstInode) - 1 - group * Int(superblock.inodesPerGroup)
    var bit = used.firstClear(from: max(first, 0))
    while bit < used.count, !mayReuse, groups[group].recentlyFreed.contains(bit) {
      bit = used.firstClear(from: bit + 1)
    }
    return bit < used.count ? bit : nil
  }

  private mutating func take(
    _ bit: Int, in group: Int, isDirectory: Bool, _ handle: any MetadataHandle
  ) throws(FileSystemError) -> InodeNumber {
    let descriptor = table.descriptor(group)
    let index = UInt32(truncatingIfNeeded: bit)
    let inode = InodeNumber(
      superblock.firstInode(in: GroupIndex(UInt32(truncatingIfNeeded: group))).rawValue + index)
    let (block, offset) = try superblock.inodeLocation(inode, descriptor: descriptor)

    // Table blocks that no inode was ever in may hold anything: they start as zeros.
    let perBlock = superblock.inodesPerBlock
    let usedEnd = usedEnd(descriptor)
    let firstFresh = (usedEnd + perBlock - 1) / perBlock
    let last = index / perBlock
    let isFresh = last >= firstFresh
    let old = isFresh ? nil : try readTable(block, last, of: group)
    try prepare(group, handle)

    // From here on nothing fails.
    if let old {
      handle.modify(block, old)
      var bytes = old.mutableBytes
      bytes.fill(offset..<offset + superblock.inodeSize, with: 0)
    } else {
      for number in firstFresh...last {
        _ = handle.newBlock(descriptor.inodeTable + UInt64(number))
      }
    }
    groups[group].used?.insert(bit..<bit + 1)
    groups[group].debt = max(groups[group].debt + (isDirectory ? 1 : -1), 0)
    let unused = min(superblock.inodesPerGroup - usedEnd, superblock.inodesPerGroup - index - 1)
    let countsUnused = superblock.hasUninitializedGroups
    table.update(group) { descriptor in
      descriptor.freeInodes &-= 1
      if isDirectory { descriptor.usedDirectories &+= 1 }
      if countsUnused { descriptor.unusedInodes = unused }
    }
    return inode
  }

  /// The inode table's block with the number `index` in `group`, at `block`.
  private mutating func readTable(
    _ block: BlockAddress, _ index: UInt32, of group: Int
  ) throws(FileSystemError) -> BlockBuffer {
    do throws(FileSystemError) {
      let buffer = try reader.read(block) { (bytes) throws(FileSystemError) in
        try checkInodes(of: group, inBlock: index, bytes)
      }
      guard buffer.byteCount >= superblock.blockSize else {
        throw .corrupt(Corruption("inode table", block: block, "it is cut off"))
      }
      return buffer
    } catch {
      throw found.note(error)
    }
  }

  /// Throws `corrupt` where a table block from the device does not hold an inode that the bitmap
  /// says it does: it is another block, and writing a new inode into it would lose the others.
  private func checkInodes(
    of group: Int, inBlock block: UInt32, _ bytes: RawSpan
  ) throws(FileSystemError) {
    guard checksTables, let used = groups[group].used else { return }
    let first = Int(block * superblock.inodesPerBlock)
    let base = superblock.firstInode(in: GroupIndex(UInt32(truncatingIfNeeded: group))).rawValue
    for place in 0..<Int(superblock.inodesPerBlock) {
      let bit = first + place
      let start = place * superblock.inodeSize
      guard bit < used.count, used[bit], start + superblock.inodeSize <= bytes.byteCount else {
        continue
      }
      let number = InodeNumber(base + UInt32(truncatingIfNeeded: bit))
      // Reserved ones may be empty.
      guard number.rawValue >= superblock.firstInode else { continue }
      try Inode.verifyInUse(
        bytes.extracting(start..<start + superblock.inodeSize), number: number,
        superblock: superblock)
    }
  }

  mutating func claim(
    _ inode: InodeNumber, isDirectory: Bool, _ handle: any MetadataHandle
  ) throws(FileSystemError) {
    guard inode.rawValue >= superblock.firstInode, inode.rawValue <= superblock.inodeCount else {
      throw .corrupt(Corruption("inode bitmap", inode: inode, "it is no file's"))
    }
    let (group, bit) = place(of: inode)
    try load(group)
    guard let used = groups[group].used, !used[bit] else {
      throw .corrupt(Corruption("inode bitmap", inode: inode, "it is in use"))
    }
    _ = try take(bit, in: group, isDirectory: isDirectory, handle)
  }

  mutating func free(
    _ inode: InodeNumber, wasDirectory: Bool, transaction: UInt64, _ handle: any MetadataHandle
  ) throws(FileSystemError) {
    func broken(_ rule: String) -> FileSystemError {
      .corrupt(Corruption("inode bitmap", inode: inode, rule))
    }
    guard inode.rawValue >= superblock.firstInode, inode.rawValue <= superblock.inodeCount else {
      throw broken("an inode to free is reserved or does not exist")
    }
    let (group, bit) = place(of: inode)
    try load(group)
    guard let used = groups[group].used, used[bit] else {
      throw broken("an inode to free is free")
    }
    guard !wasDirectory || table.descriptor(group).usedDirectories > 0 else {
      throw broken("a directory is freed in a group that has none")
    }
    try prepare(group, handle)

    groups[group].used?.remove(bit..<bit + 1)
    groups[group].recentlyFreed.insert(bit)
    recentlyFreed[transaction, default: []].append(inode)
    table.update(group) { descriptor in
      descriptor.freeInodes &+= 1
      if wasDirectory { descriptor.usedDirectories &-= 1 }
    }
  }

  mutating func encode(_ handle: any MetadataHandle) {
    for index in dirtyGroups.sorted() {
      guard let buffer = groups[index].bitmap, let used = groups[index].used else { continue }
      handle.modify(table.descriptor(index).inodeBitmap, buffer)
      var bytes = buffer.mutableBytes
      used.write(into: &bytes)
      let checksum = Bitmap.inodeChecksum(bytes.bytes, superblock: superblock)
      table.update(index) { $0.inodeBitmapChecksum = checksum }
      groups[index].bitmap = nil
    }
    dirtyGroups.removeAll(keepingCapacity: true)
  }
}
