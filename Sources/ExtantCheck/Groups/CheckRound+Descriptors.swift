import BlockIO
import Ext4Format
import ExtantBase

/// Reading and writing the table of group descriptors.
extension CheckRound {
  /// Fills `groups` with the descriptors as they stand, no rule enforced.
  ///
  /// - Returns: the groups whose descriptors have a wrong checksum, ascending.
  func loadGroups() throws(FileSystemError) -> [UInt32] {
    groups.removeAll(keepingCapacity: true)
    groups.reserveCapacity(Int(superblock.groupCount))
    var damaged: [UInt32] = []
    let buffer = BlockBuffer(byteCount: superblock.blockSize)
    for index in 0..<superblock.groupCount {
      let group = GroupIndex(index)
      let offset = superblock.descriptorOffset(for: group)
      if offset == 0 { try image.read(superblock.descriptorBlock(for: group), into: buffer) }
      let bytes = buffer.bytes.extracting(offset..<offset + superblock.descriptorSize)
      groups.append(GroupDescriptor(unchecked: bytes, superblock: superblock))
      if !GroupDescriptor.hasValidChecksum(bytes, group: group, superblock: superblock) {
        damaged.append(index)
      }
    }
    return damaged
  }

  /// Whether the descriptor in the image would have a right checksum if its tables lay where
  /// `tables` has them: then the rest of it is whole.
  func isWhole(
    _ group: GroupIndex, withTablesOf tables: GroupDescriptor
  ) throws(FileSystemError) -> Bool {
    let block = try image.block(superblock.descriptorBlock(for: group))
    let offset = superblock.descriptorOffset(for: group)
    let before = block.bytes.extracting(offset..<offset + superblock.descriptorSize)
    var changed = GroupDescriptor(unchecked: before, superblock: superblock)
    for part in GroupPart.allCases { changed[part] = tables[part] }
    let other = BlockBuffer(copying: block)
    var bytes = other.mutableBytes
    var slot = bytes._mutatingExtracting(offset..<offset + superblock.descriptorSize)
    changed.encode(into: &slot, group: group, superblock: superblock)
    let computed = other.bytes.le16(offset + GroupDescriptor.checksumOffset)
    return computed == block.bytes.le16(offset + GroupDescriptor.checksumOffset)
  }

  /// Writes the descriptors that differ from what the image holds, each with its checksum. What a
  /// descriptor holds besides stays.
  ///
  /// - Returns: whether any did.
  @discardableResult
  func storeGroups() throws(FileSystemError) -> Bool {
    var hasChanged = false
    let buffer = BlockBuffer(byteCount: superblock.blockSize)
    var first: UInt32 = 0
    while first < superblock.groupCount {
      let last = min(first + superblock.descriptorsPerBlock, superblock.groupCount)
      let address = superblock.descriptorBlock(for: GroupIndex(first))
      try image.read(address, into: buffer)
      let before = BlockBuffer(copying: buffer)
      for index in first..<last where Int(index) < groups.count {
        let group = GroupIndex(index)
        let offset = superblock.descriptorOffset(for: group)
        var bytes = buffer.mutableBytes
        var slot = bytes._mutatingExtracting(offset..<offset + superblock.descriptorSize)
        groups[Int(index)].encode(into: &slot, group: group, superblock: superblock)
      }
      if !buffer.bytes.isEqual(to: before.bytes) {
        try image.write(buffer, at: address)
        hasChanged = true
      }
      first = last
    }
    return hasChanged
  }
}
