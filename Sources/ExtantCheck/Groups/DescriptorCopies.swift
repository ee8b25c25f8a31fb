import BlockIO
import Ext4Format
import ExtantBase

/// The copies of group descriptors, read as they are needed.
struct DescriptorCopies {
  /// How many copies of one block are looked at.
  private static let limit = 3

  private let image: WorkingImage
  private let superblock: Superblock
  private let holders: [GroupIndex]
  /// The copies of one block of descriptors, by the first group in it: who asks, asks in order.
  private var first: UInt32?
  private var blocks: [BlockBuffer] = []

  init(_ image: WorkingImage, _ superblock: Superblock) {
    self.image = image
    self.superblock = superblock
    holders = superblock.copyHolders
  }

  /// What the copies say of `group`, those with a wrong checksum left out.
  mutating func descriptors(_ group: GroupIndex) throws(FileSystemError) -> [GroupDescriptor] {
    try load(group)
    let offset = superblock.descriptorOffset(for: group)
    var result: [GroupDescriptor] = []
    for block in blocks {
      let bytes = block.bytes.extracting(offset..<offset + superblock.descriptorSize)
      guard !bytes.isZero(0..<bytes.byteCount),
        GroupDescriptor.hasValidChecksum(bytes, group: group, superblock: superblock)
      else { continue }
      result.append(GroupDescriptor(unchecked: bytes, superblock: superblock))
    }
    return result
  }

  private mutating func load(_ group: GroupIndex) throws(FileSystemError) {
    let start = group.rawValue - group.rawValue % superblock.descriptorsPerBlock
    guard first != start else { return }
    first = start
    blocks = []
    for holder in superblock.descriptorHolders(of: GroupIndex(start), among: holders) {
      guard blocks.count < Self.limit else { break }
      if let address = superblock.descriptorBlock(for: GroupIndex(start), backupIn: holder) {
        blocks.append(try image.block(address))
      }
    }
  }
}
