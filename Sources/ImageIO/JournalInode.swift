import BlockIO
import Ext4Format
import ExtantBase

/// Finds the blocks of the internal journal by reading the device itself: nothing else of the
/// filesystem can be trusted before the journal was replayed.
///
/// Homes may be half written, sector by sector, where the log has the whole block. So of the group
/// descriptor only the place of the inode table counts, which never changes, and its checksum does
/// not. The journal's inode never changes either, and lies within one sector or two with one content.
package struct JournalInode {
  private let device: any BlockDevice
  private let superblock: Superblock
  private let number: InodeNumber

  package init(device: any BlockDevice, superblock: Superblock, number: InodeNumber) {
    self.device = device
    self.superblock = superblock
    self.number = number
  }

  /// The journal's blocks.
  ///
  /// - Throws: `corrupt` where they do not form a journal, or a checksum does not match.
  package func area() throws(FileSystemError) -> JournalArea {
    let slot = try read()
    let inode = try Inode(slot.bytes.rawBytes, number: number, superblock: superblock)
    let seed =
      superblock.hasMetadataChecksums
      ? Inode.checksumSeed(number: number, generation: inode.generation, superblock: superblock)
      : nil
    return try area(of: slot, checksumSeed: seed)
  }

  /// The blocks of a journal whose inode is `inode`, wherever that is from.
  ///
  /// - Parameter checksumSeed: of its extent nodes; nil where these do not count.
  package func area(
    of inode: RawInode, checksumSeed: UInt32? = nil
  ) throws(FileSystemError) -> JournalArea {
    guard inode.kind == .regular else { throw corrupt("the journal is no regular file") }
    var runs =
      inode.flags.contains(.extents)
      ? try extents(of: inode, checksumSeed) : try pointers(of: inode)
    // What lies past the file's end is not the journal's.
    var left = inode.wholeSize / UInt64(superblock.blockSize)
    runs = runs.compactMap { run in
      let count = UInt32(clamping: min(UInt64(run.count), left))
      left -= UInt64(count)
      guard count > 0 else { return nil }
      return JournalArea.Run(first: run.first, offset: run.offset, count: count)
    }
    guard !runs.isEmpty else { throw corrupt("no block of it is mapped before its end") }
    return try JournalArea(device: device, blockSize: superblock.blockSize, runs: runs)
  }

  private func corrupt(_ rule: String) -> FileSystemError {
    .corrupt(Corruption("journal", inode: number, rule))
  }

  private func block(_ address: BlockAddress) throws(FileSystemError) -> BlockBuffer {
    guard superblock.contains(address) else {
      throw .corrupt(
        Corruption("journal", inode: number, block: address, "outside the filesystem"))
    }
    let buffer = BlockBuffer(byteCount: superblock.blockSize)
    var bytes = buffer.mutableBytes
    try device.read(into: &bytes, at: address.rawValue * UInt64(superblock.blockSize))
    return buffer
  }

  /// The inode's slot, as it stands, where the descriptor table says that it is.
  package func read() throws(FileSystemError) -> RawInode {
    guard let group = superblock.group(of: number) else {
      throw corrupt("the last inode is \(superblock.inodeCount)")
    }
    return try read(superblock.descriptorBlock(for: group))
  }

  /// The inode's slot, where the descriptor in the block at `address` says that it is: one of the
  /// table, or of a copy of it.
  package func read(_ address: BlockAddress) throws(FileSystemError) -> RawInode {
    guard let group = superblock.group(of: number) else {
      throw corrupt("the last inode is \(superblock.inodeCount)")
    }
    let descriptors = try block(address)
    let start = superblock.descriptorOffset(for: group)
    let index = (number.rawValue - 1) % superblock.inodesPerGroup
    let table = GroupDescriptor.inodeTable(
      descriptors.bytes.extracting(start..<start + superblock.descriptorSize),
      superblock: superblock)
    let place = try block(table + UInt64(index / superblock.inodesPerBlock))
    let offset = Int(index % superblock.inodesPerBlock) * superblock.inodeSize
    return RawInode(place.bytes.array(offset..<offset + superblock.inodeSize))
  }

  // MARK: Mapped by extents

  private func extents(
    of inode: RawInode, _ seed: UInt32?
  ) throws(FileSystemError) -> [JournalArea.Run] {
    let context = ExtentTreeContext(
      inode: number, firstDataBlock: BlockAddress(UInt64(superblock.firstDataBlock)),
      blockCount: superblock.blockCount, checksumSeed: seed)
    var runs: [JournalArea.Run] = []
    try add(try ExtentNode(root: inode.blockArea, context), end: nil, context, &runs)
    return runs
  }

  private func add(
    _ node: ExtentNode, end: UInt32?, _ context: ExtentTreeContext,
    _ runs: inout [JournalArea.Run]
  ) throws(FileSystemError) {
    switch node.entries {
    case .leaf(let records):
      for record in records {
        guard !record.isUnwritten else { throw corrupt("some of its blocks were never written") }
        runs.append(
          JournalArea.Run(
            first: record.logical, offset: record.address.rawValue * UInt64(superblock.blockSize),
            count: record.length))
      }
    case .index(let records):
      for (index, record) in records.enumerated() {
        let next = index + 1 < records.count ? records[index + 1].logical : end
        let buffer = try block(record.child)
        let child = try ExtentNode(
          block: buffer.bytes, at: record.child, depth: node.depth - 1, key: record.logical,
          end: next, context)
        try add(child, end: next, context, &runs)
      }
    }
  }

  // MARK: Mapped by block pointers

  /// 12 direct pointers, then one block of pointers, one of blocks of pointers, and one level more.
  private func pointers(of inode: RawInode) throws(FileSystemError) -> [JournalArea.Run] {
    let wanted = inode.wholeSize / UInt64(superblock.blockSize)
    // Pointers may lead to one block again and again: no more of them are followed than there can be.
    guard wanted <= min(superblock.blockCount, UInt64(UInt32.max)) else {
      throw corrupt("its size is \(inode.wholeSize)")
    }
    var found = PointerRuns(wanted: UInt32(wanted), blockSize: superblock.blockSize)
    let area = inode.blockArea
    for index in 0..<15 where !found.isComplete {
      let pointer = BlockAddress(UInt64(area.rawBytes.le32(4 * index)))
      try follow(pointer, levels: max(0, index - 11), &found)
    }
    guard found.isComplete else { throw corrupt("some of its blocks are missing") }
    return found.runs
  }

  private func follow(
    _ address: BlockAddress, levels: Int, _ found: inout PointerRuns
  ) throws(FileSystemError) {
    guard address.rawValue > UInt64(superblock.firstDataBlock), superblock.contains(address) else {
      throw .corrupt(
        Corruption("journal", inode: number, block: address, "a hole, or outside the filesystem"))
    }
    guard levels > 0 else { return found.add(address) }
    let buffer = try block(address)
    for index in 0..<superblock.blockSize / 4 where !found.isComplete {
      let pointer = BlockAddress(UInt64(buffer.bytes.le32(4 * index)))
      try follow(pointer, levels: levels - 1, &found)
    }
  }

  /// Gathers single blocks to runs.
  private struct PointerRuns {
    let wanted: UInt32
    let blockSize: Int
    private(set) var runs: [JournalArea.Run] = []
    private var count: UInt32 = 0

    init(wanted: UInt32, blockSize: Int) {
      self.wanted = wanted
      self.blockSize = blockSize
    }

    var isComplete: Bool { count >= wanted }

    mutating func add(_ address: BlockAddress) {
      let offset = address.rawValue * UInt64(blockSize)
      if let last = runs.last, last.offset + UInt64(last.count) * UInt64(blockSize) == offset {
        runs[runs.count - 1].count += 1
      } else {
        runs.append(JournalArea.Run(first: count, offset: offset, count: 1))
      }
      count += 1
    }
  }
}
