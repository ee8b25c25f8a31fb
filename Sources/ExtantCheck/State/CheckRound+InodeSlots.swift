import BlockIO
import Ext4Format
import ExtantBase
import Threading

/// Reading and writing single inodes, between the passes that read them all.
extension CheckRound {
  /// Where the inode's slot is; nil for a number that no inode has.
  func place(of number: InodeNumber) -> (block: BlockAddress, offset: Int)? {
    guard let group = superblock.group(of: number), Int(group.rawValue) < groups.count,
      // Nobody knows where such a table is.
      groups[Int(group.rawValue)].inodeTable.rawValue != 0
    else { return nil }
    return try? superblock.inodeLocation(number, descriptor: groups[Int(group.rawValue)])
  }

  /// - Throws: `corrupt` for a number that no inode has.
  func readInode(_ number: InodeNumber) throws(FileSystemError) -> RawInode {
    guard let (block, offset) = place(of: number) else {
      throw .corrupt(Corruption("inode", inode: number, "there is none of that number"))
    }
    let buffer = try image.block(block)
    return RawInode(buffer.bytes.array(offset..<offset + superblock.inodeSize))
  }

  /// Writes the inode with a new checksum.
  func writeInode(_ number: InodeNumber, _ raw: RawInode) throws(FileSystemError) {
    guard let (block, offset) = place(of: number) else {
      throw .corrupt(Corruption("inode", inode: number, "there is none of that number"))
    }
    var raw = raw
    raw.updateChecksum(number, superblock)
    let buffer = try image.block(block)
    var bytes = buffer.mutableBytes
    bytes.copy(raw.bytes, at: offset)
    try image.write(buffer, at: block)
    inodeWrites &+= 1
  }

  /// Frees an inode that pass 1 has seen, with its blocks. Who frees many may take them out of
  /// `directories` himself.
  func freeInode(
    _ number: InodeNumber, keepingDirectory: Bool = false
  ) throws(FileSystemError) {
    let raw = try readInode(number)
    try releaseBlocks(number, raw)
    try clearSlot(number, raw)
    inodes[number] = InodeLedger.Entry()
    if !keepingDirectory { directories.remove(number) }
  }

  /// Makes the slot one of a deleted inode; its blocks are the caller's business.
  func clearSlot(_ number: InodeNumber, _ raw: RawInode) throws(FileSystemError) {
    var cleared = RawInode(byteCount: superblock.inodeSize)
    cleared.generation = raw.generation
    cleared.deletionTime = UInt32(clamping: now)
    cleared.extraSize = raw.extraSize
    try writeInode(number, cleared)
  }

  /// A free inode, the first from `goal`'s group on that is not reserved; nil where there is none.
  /// It is the caller's to write and to enter in the ledger.
  func freeInodeNumber(near goal: InodeNumber) -> InodeNumber? {
    let first = superblock.firstInode
    let start = max(
      first, superblock.group(of: goal).map { superblock.firstInode(in: $0).rawValue } ?? first)
    for number in [start..<(superblock.inodeCount + 1), first..<start].joined()
    where !inodes.isInUse(InodeNumber(number)) {
      return InodeNumber(number)
    }
    return nil
  }

  /// Seconds since 1970.
  var now: Int64 { options.time ?? Clock.now().seconds }
}
