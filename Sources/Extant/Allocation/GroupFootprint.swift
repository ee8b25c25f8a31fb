import Ext4Format
import ExtantBase

/// The bitmaps and blocks of descriptors that allocating or freeing certain blocks changes: what
/// these cost a transaction.
struct GroupFootprint {
  private let firstBlock: UInt64
  private let blocksPerGroup: UInt64
  private let descriptorsPerBlock: UInt64
  private var groups: Set<UInt64> = []
  private var descriptorBlocks: Set<UInt64> = []
  /// The group added last: neighbours mostly lie in the same one.
  private var last = UInt64.max

  init(_ superblock: Superblock) {
    firstBlock = UInt64(superblock.firstDataBlock)
    blocksPerGroup = max(1, UInt64(superblock.blocksPerGroup))
    descriptorsPerBlock = max(1, UInt64(superblock.descriptorsPerBlock))
  }

  /// Blocks of metadata.
  var count: Int { groups.count + descriptorBlocks.count }

  mutating func add(_ address: BlockAddress, count: UInt64 = 1) {
    guard count > 0, address.rawValue >= firstBlock, !address.isVirtual else { return }
    let group = (address.rawValue - firstBlock) / blocksPerGroup
    let end = (address.rawValue - firstBlock &+ (count - 1)) / blocksPerGroup
    if group == last, end == last { return }
    for group in group...max(group, end) {
      groups.insert(group)
      descriptorBlocks.insert(group / descriptorsPerBlock)
    }
    last = end
  }

  /// Adds the last blocks of a run, as many as leave the footprint at `limit` or below. Returns how
  /// many: `count` where all fit.
  mutating func addFromEnd(_ address: BlockAddress, count: UInt64, limit: Int) -> UInt64 {
    guard count > 0, address.rawValue >= firstBlock, !address.isVirtual else { return count }
    let start = address.rawValue - firstBlock
    var group = (start + count - 1) / blocksPerGroup
    let first = start / blocksPerGroup
    if group == last, first == last { return count }
    while true {
      let isNew = !groups.contains(group)
      let newDescriptors = !descriptorBlocks.contains(group / descriptorsPerBlock)
      guard self.count + (isNew ? 1 : 0) + (newDescriptors ? 1 : 0) <= limit else {
        let kept = (group + 1) * blocksPerGroup
        return start + count - min(start + count, kept)
      }
      groups.insert(group)
      descriptorBlocks.insert(group / descriptorsPerBlock)
      last = group
      guard group > first else { return count }
      group -= 1
    }
  }
}
