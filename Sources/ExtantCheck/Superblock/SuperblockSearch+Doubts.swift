import BlockIO
import Ext4Format
import ExtantBase

/// When a first superblock that can be used is not to be believed: what it says of where things are is
/// held against what is there.
extension SuperblockSearch {
  // MARK: By where the copies are

  /// A copy with another geometry, by which there are copies where they should be, while by that of the
  /// first superblock there is none.
  func copyElsewhere(_ primary: [UInt8]) throws(FileSystemError) -> SuperblockChoice? {
    guard let superblock = try? Superblock(primary.rawBytes),
      !Self.firstCopyHolders(superblock).isEmpty,
      try copyCount(superblock) == 0, var choice = try copy(of: primary),
      let copy = try? Superblock(choice.bytes.rawBytes), copy.uuid == superblock.uuid,
      try copyCount(copy) > 0
    else { return nil }
    choice.doubt = .unlikeCopies
    return choice
  }

  /// A few groups that hold copies, without going through all there are.
  private static func firstCopyHolders(_ superblock: Superblock) -> [GroupIndex] {
    let first = (1..<max(1, min(superblock.groupCount, 64))).map { GroupIndex($0) }
    return Array(first.filter { superblock.groupHasSuperblock($0) }.prefix(4))
  }

  /// How many of the first copies are where a superblock's numbers have them.
  private func copyCount(_ superblock: Superblock) throws(FileSystemError) -> Int {
    var count = 0
    for group in Self.firstCopyHolders(superblock) {
      let offset = superblock.superblockBlock(in: group).rawValue * UInt64(superblock.blockSize)
      if let bytes = try read(at: offset),
        bytes.rawBytes.le16(SuperblockField.magic) == Superblock.magic,
        bytes[SuperblockField.uuid..<SuperblockField.uuid + 16]
          == superblock.raw[SuperblockField.uuid..<SuperblockField.uuid + 16]
      {
        count += 1
      }
    }
    return count
  }

  // MARK: By the descriptors

  /// So many groups tell whether a superblock fits the descriptors.
  private static let sampleCount: UInt32 = 256

  /// A copy that the group descriptors fit where they do not fit the first superblock, sound as it is:
  /// one of its numbers or features is wrong.
  func copyForDescriptors(_ primary: [UInt8]) throws(FileSystemError) -> SuperblockChoice? {
    guard let superblock = try? Superblock(primary.rawBytes) else { return nil }
    let fitting = try fittingDescriptors(superblock)
    // Of descriptors read in half their size every other one fits.
    guard fitting * 2 <= min(superblock.groupCount, Self.sampleCount),
      var choice = try copy(of: primary),
      let copy = try? Superblock(choice.bytes.rawBytes), !superblock.hasSameLayout(as: copy),
      try fittingDescriptors(copy) > fitting
    else { return nil }
    choice.doubt = .unlikeDescriptors
    return choice
  }

  /// How many of the first descriptors have a right checksum and places that there are, as a superblock would have them.
  private func fittingDescriptors(_ superblock: Superblock) throws(FileSystemError) -> UInt32 {
    let block = BlockBuffer(byteCount: superblock.blockSize)
    var address: BlockAddress?
    var count: UInt32 = 0
    for index in 0..<min(superblock.groupCount, Self.sampleCount) {
      let group = GroupIndex(index)
      let place = superblock.descriptorBlock(for: group)
      guard superblock.contains(place) else { continue }
      if place != address {
        var bytes = block.mutableBytes
        try device.read(into: &bytes, at: place.rawValue * UInt64(superblock.blockSize))
        address = place
      }
      let start = superblock.descriptorOffset(for: group)
      let bytes = block.bytes.extracting(start..<start + superblock.descriptorSize)
      guard GroupDescriptor.hasValidChecksum(bytes, group: group, superblock: superblock) else {
        continue
      }
      let descriptor = GroupDescriptor(unchecked: bytes, superblock: superblock)
      let isFitting = GroupPart.allCases.allSatisfy {
        descriptor[$0].rawValue > 0
          && superblock.contains(descriptor[$0], count: $0.count(superblock))
      }
      if isFitting { count += 1 }
    }
    return count
  }
}
