import BlockIO
import Ext4Format
import ExtantBase

/// What the owners of one kind use, by their ids.
struct QuotaUsage {
  struct Amount: Equatable {
    var inodes: UInt64 = 0
    /// In bytes.
    var space: UInt64 = 0
  }

  let kind: QuotaKind
  private(set) var amounts: [UInt32: Amount] = [:]

  init(_ kind: QuotaKind) { self.kind = kind }

  /// - Parameter valueInodes: inodes that hold values of its attributes, charged to the same owner.
  mutating func add(_ raw: RawInode, _ superblock: Superblock, valueInodes: UInt64) {
    let units = raw.blocks512(superblock) ?? 0
    amounts[id(raw), default: Amount()].inodes &+= 1 &+ valueInodes
    amounts[id(raw), default: Amount()].space &+= units &* 512
  }

  private func id(_ raw: RawInode) -> UInt32 {
    switch kind {
    case .user: return raw.uid
    case .group: return raw.gid
    case .project:
      let field = Self.projectField
      return raw.bytes.count >= field + 4 ? raw.le32(field) : 0
    }
  }

  /// i_projid, in bytes from the slot's start.
  private static let projectField = 0x9C
}

extension CheckRound {
  /// Adds up what is used by the inodes that quota counts, as they are now.
  func quotaUsage(_ kind: QuotaKind) throws(FileSystemError) -> QuotaUsage {
    var usage = QuotaUsage(kind)
    let size = superblock.inodeSize
    let perBlock = superblock.inodesPerBlock
    let pieceBlocks = UInt32(max(1, (1 << 18) / superblock.blockSize))
    let buffer = BlockBuffer(byteCount: Int(pieceBlocks) * superblock.blockSize)
    for index in groups.indices {
      let group = GroupIndex(UInt32(index))
      let entries = inodes.entries(in: group)
      let first = superblock.firstInode(in: group).rawValue
      // The piece of the table that is in the buffer.
      var loaded = 0..<0
      for (place, entry) in entries.enumerated() where entry.isInUse {
        let number = InodeNumber(first + UInt32(place))
        guard number == .root || number.rawValue >= superblock.firstInode,
          !superblock.isHidden(number)
        else { continue }
        if !loaded.contains(place) {
          let block = UInt32(place) / perBlock
          let count = min(pieceBlocks, superblock.inodeTableBlockCount - block)
          var bytes = buffer.mutableBytes
          var part = bytes._mutatingExtracting(0..<Int(count) * superblock.blockSize)
          let start = groups[index].inodeTable + UInt64(block)
          try image.overlay.read(into: &part, at: start.rawValue &* UInt64(superblock.blockSize))
          loaded = Int(block * perBlock)..<Int((block + count) * perBlock)
        }
        let offset =
          (place - loaded.lowerBound) / Int(perBlock) * superblock.blockSize
          + place % Int(perBlock) * size
        let raw = RawInode(buffer.bytes.array(offset..<offset + size))
        if raw.flags.contains(.eaInode) || maps.inodesInBadBlocks.contains(number) { continue }
        // Kernels make no such links, and what makes them, e2fsprogs, does not count them.
        if raw.kind == .symbolicLink, raw.flags.contains(.inlineData) { continue }
        usage.add(raw, superblock, valueInodes: valueInodes[number] ?? 0)
      }
    }
    return usage
  }
}
