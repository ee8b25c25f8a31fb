import Ext4Format
import ExtantBase

/// Blocks that belong to the filesystem itself: superblocks, descriptor tables and their reserve,
/// bitmaps, inode tables. No file may own one and none is ever freed.
///
/// Found from the layout alone, so that it can judge what bitmaps and extents say.
struct SystemZones: Sendable {
  /// Ascending, apart from each other by at least one block.
  let ranges: [Range<UInt64>]

  /// Throws `corrupt` where two structures claim one block.
  init(
    _ superblock: Superblock, descriptors: [GroupDescriptor], also extra: [Range<UInt64>] = []
  ) throws(FileSystemError) {
    var claims = extra
    claims.reserveCapacity(descriptors.count * 4)
    let tableBlocks = UInt64(superblock.inodeTableBlockCount)
    for (index, descriptor) in descriptors.enumerated() {
      let group = GroupIndex(UInt32(truncatingIfNeeded: index))
      let first = superblock.groupFirstBlock(group).rawValue
      // In a short last group the copy may be cut; what lies past the end does not matter.
      let area = UInt64(superblock.superblockAreaBlockCount(in: group))
      if area > 0 { claims.append(first..<first + area) }
      for (start, count) in [
        (descriptor.blockBitmap, 1), (descriptor.inodeBitmap, 1),
        (descriptor.inodeTable, tableBlocks),
      ] {
        // `GroupDescriptor` proved that these end inside the device.
        claims.append(start.rawValue..<start.rawValue + count)
      }
    }
    claims.sort { $0.lowerBound < $1.lowerBound }
    var merged: [Range<UInt64>] = []
    for claim in claims where !claim.isEmpty {
      guard let last = merged.last, claim.lowerBound <= last.upperBound else {
        merged.append(claim)
        continue
      }
      guard claim.lowerBound == last.upperBound else {
        throw .corrupt(
          Corruption(
            "group descriptor", block: BlockAddress(claim.lowerBound),
            "two of the filesystem's own structures lie in this block"))
      }
      merged[merged.count - 1] = last.lowerBound..<claim.upperBound
    }
    ranges = merged
  }

  func overlaps(_ range: Range<UInt64>) -> Bool {
    let index = firstRange(endingAfter: range.lowerBound)
    return index < ranges.count && ranges[index].lowerBound < range.upperBound
  }

  /// The parts of the zones inside `range`, ascending.
  func parts(in range: Range<UInt64>) -> [Range<UInt64>] {
    var parts: [Range<UInt64>] = []
    var index = firstRange(endingAfter: range.lowerBound)
    while index < ranges.count, ranges[index].lowerBound < range.upperBound {
      parts.append(ranges[index].clamped(to: range))
      index += 1
    }
    return parts
  }

  private func firstRange(endingAfter block: UInt64) -> Int {
    var low = 0
    var high = ranges.count
    while low < high {
      let middle = (low + high) / 2
      if ranges[middle].upperBound > block { high = middle } else { low = middle + 1 }
    }
    return low
  }
}
