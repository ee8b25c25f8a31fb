import Ext4Format
import ExtantBase

/// A piece of a sound image that a fuzzer may change, and how its checksum is set afterwards.
struct ImageStructure: Sendable {
  enum Seal: Sendable {
    case none
    case superblock
    case descriptor(GroupIndex)
    /// The checksum is in the group's descriptor.
    case blockBitmap(GroupIndex)
    case inodeBitmap(GroupIndex)
    case inode(InodeNumber)
    case block(ChecksummedBlock, BlockAddress)
  }

  /// In bytes from the image's start.
  var range: Range<Int>
  var seal: Seal
}

/// Finds the structures of a sound image, by the shortest way: what is sound needs no care.
struct ImageStructures {
  let bytes: [UInt8]
  let superblock: Superblock
  private(set) var all: [ImageStructure] = []
  /// The journal's superblock; empty where there is no journal.
  private var journal: [UInt8] = []

  init(_ bytes: [UInt8]) throws(FileSystemError) {
    self.bytes = bytes
    let start = Int(Superblock.byteOffset)
    let copy = Array(bytes[start..<start + Superblock.byteCount])
    superblock = try Superblock(copy.rawBytes)
    all.append(
      ImageStructure(range: start..<start + Superblock.byteCount, seal: .superblock))
    for group in 0..<superblock.groupCount { try add(GroupIndex(group)) }
    for group in 1..<max(superblock.groupCount, 1)
    where superblock.groupHasSuperblock(GroupIndex(group)) {
      let address = superblock.superblockBlock(in: GroupIndex(group))
      let start = Int(address.rawValue) * superblock.blockSize
      all.append(
        ImageStructure(range: start..<start + Superblock.byteCount, seal: .superblock))
    }
    if superblock.features.incompat.contains(.mmp) {
      let address = BlockAddress(copy.rawBytes.le64(SuperblockField.mmpBlock))
      all.append(ImageStructure(range: range(address), seal: .block(.mmp, address)))
    }
  }

  private func range(_ address: BlockAddress) -> Range<Int> {
    let start = Int(address.rawValue) * superblock.blockSize
    return start..<start + superblock.blockSize
  }

  func descriptorRange(_ group: GroupIndex) -> Range<Int> {
    let start =
      Int(superblock.descriptorBlock(for: group).rawValue) * superblock.blockSize
      + superblock.descriptorOffset(for: group)
    return start..<start + superblock.descriptorSize
  }

  private mutating func add(_ group: GroupIndex) throws(FileSystemError) {
    let place = descriptorRange(group)
    all.append(ImageStructure(range: place, seal: .descriptor(group)))
    let copy = Array(bytes[place])
    let descriptor = GroupDescriptor(unchecked: copy.rawBytes, superblock: superblock)
    // A bitmap's first bytes stand for what is in use; further ones are dull.
    let blockBitmap = range(descriptor.blockBitmap)
    all.append(
      ImageStructure(
        range: blockBitmap.lowerBound..<blockBitmap.lowerBound + 64, seal: .blockBitmap(group)))
    let inodeBitmap = range(descriptor.inodeBitmap)
    all.append(
      ImageStructure(
        range: inodeBitmap.lowerBound..<inodeBitmap.lowerBound + 16, seal: .inodeBitmap(group)))
    for index in 0..<superblock.inodesPerGroup {
      let number = InodeNumber(superblock.firstInode(in: group).rawValue + index)
      let location = try superblock.inodeLocation(number, descriptor: descriptor)
      let start = Int(location.block.rawValue) * superblock.blockSize + location.offset
      let slot = start..<start + superblock.inodeSize
      let raw = RawInode(Array(bytes[slot]))
      guard raw.linkCount > 0 || number.rawValue < superblock.firstInode else { continue }
      all.append(ImageStructure(range: slot, seal: .inode(number)))
      if raw.linkCount > 0 || raw.blocksLow > 0 { add(number, raw) }
    }
  }

  private mutating func add(_ number: InodeNumber, _ raw: RawInode) {
    var data: [BlockAddress] = []
    if raw.flags.contains(.extents) {
      addExtents(raw.blockArea, number, &data)
    } else if raw.kind == .directory || raw.kind == .regular, !raw.flags.contains(.inlineData) {
      for index in 0..<12 where raw.blockWord(index) != 0 {
        data.append(BlockAddress(UInt64(raw.blockWord(index))))
      }
      for index in 12..<15 where raw.blockWord(index) != 0 {
        let address = BlockAddress(UInt64(raw.blockWord(index)))
        all.append(ImageStructure(range: range(address), seal: .none))
      }
    }
    if raw.fileACL(superblock).rawValue != 0 {
      let address = raw.fileACL(superblock)
      all.append(ImageStructure(range: range(address), seal: .block(.xattrs, address)))
    }
    if superblock.journalInode == number {
      addJournal(data)
    } else if number == superblock.orphanFileInode {
      for address in data.prefix(4) {
        all.append(
          ImageStructure(range: range(address), seal: .block(.orphanFile(number), address)))
      }
    } else if raw.kind == .directory {
      for (index, address) in data.enumerated() {
        let block = Array(bytes[range(address)])
        let isRoot = index == 0 && raw.flags.contains(.index)
        let isNode =
          index > 0 && block.rawBytes.le16(4) == superblock.blockSize
          && block.rawBytes.le32(0) == 0 && raw.flags.contains(.index)
        let kind: ChecksummedBlock =
          isRoot ? .hashTreeRoot(number) : isNode ? .hashTreeNode(number) : .directory(number)
        all.append(ImageStructure(range: range(address), seal: .block(kind, address)))
      }
    } else if number.rawValue < superblock.firstInode || raw.kind == .symbolicLink {
      for address in data.prefix(4) {
        all.append(ImageStructure(range: range(address), seal: .none))
      }
    }
  }

  /// Blocks at the log's start that may be changed: the transactions that a seed's log has lie there.
  private static let logBlockLimit = 16

  private mutating func addJournal(_ data: [BlockAddress]) {
    for (index, address) in data.prefix(Self.logBlockLimit).enumerated() {
      let block = Array(bytes[range(address)])
      let hasHeader = block.rawBytes.be32(0) == 0xc03b_3998
      let seal: ImageStructure.Seal =
        index == 0
        ? .block(.journalSuperblock, address)
        : hasHeader && hasJournalChecksums ? .block(.journalBlock, address) : .none
      if index == 0 { journal = block }
      all.append(ImageStructure(range: range(address), seal: seal))
    }
  }

  private var hasJournalChecksums: Bool {
    journal.count >= 1024 && journal.rawBytes.be32(0x28) & 0x18 != 0
  }

  /// What the checksums of the log's blocks start from.
  var journalSeed: UInt32 {
    journal.count >= 1024 ? crc32c(~0, Array(journal[0x30..<0x40])) : 0
  }

  private mutating func addExtents(
    _ node: [UInt8], _ number: InodeNumber, _ data: inout [BlockAddress]
  ) {
    var stack = [node]
    while let node = stack.popLast() {
      let bytes = node.rawBytes
      guard bytes.le16(0) == ExtentNode.magic else { continue }
      for index in 0..<Int(bytes.le16(2)) {
        let offset = 12 * (1 + index)
        if bytes.le16(6) == 0 {
          let first = UInt64(bytes.le32(offset + 8)) | UInt64(bytes.le16(offset + 6)) << 32
          for distance in 0..<UInt64(bytes.le16(offset + 4) & 0x7fff) {
            data.append(BlockAddress(first + distance))
          }
        } else {
          let child = BlockAddress(
            UInt64(bytes.le32(offset + 4)) | UInt64(bytes.le16(offset + 8)) << 32)
          all.append(
            ImageStructure(range: range(child), seal: .block(.extentNode(number), child)))
          stack.append(Array(self.bytes[range(child)]))
        }
      }
    }
  }
}
