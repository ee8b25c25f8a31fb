import BlockIO
import Ext4Format
import ExtantBase

/// Reading and writing the table of group descriptors.
extension CheckRound {
  /// Fills `groups` with the descriptors as they stand, no rule enforced.
  func loadGroups() throws(FileSystemError) {
    groups.removeAll(keepingCapacity: true)
    groups.reserveCapacity(Int(superblock.groupCount))
    let buffer = BlockBuffer(byteCount: superblock.blockSize)
    for index in 0..<superblock.groupCount {
      let group = GroupIndex(index)
      let offset = superblock.descriptorOffset(for: group)
      if offset == 0 { try image.read(superblock.descriptorBlock(for: group), into: buffer) }
      let bytes = buffer.bytes.extracting(offset..<offset + superblock.descriptorSize)
      groups.append(GroupDescriptor(unchecked: bytes, superblock: superblock))
    }
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
