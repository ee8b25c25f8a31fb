import Ext4Format
import ExtantBase

/// Where the groups' parts and the superblock areas lie, to see which overlap.
struct GroupMap {
  /// A part of a group, by its numbers.
  struct Item: Hashable {
    var group: UInt32
    var part: GroupPart
  }

  private struct Extent {
    var start: UInt64
    var end: UInt64
    /// Nil for a superblock area, which lies where it lies.
    var item: Item?
  }

  /// The parts that lie where another part or a superblock area lies.
  ///
  /// - Parameter skipped: the parts whose place cannot be at all.
  static func contested(
    _ superblock: Superblock, _ groups: [GroupDescriptor], skipping skipped: Set<Item>
  ) -> Set<Item> {
    var extents: [Extent] = []
    extents.reserveCapacity(groups.count * 4)
    for (index, descriptor) in groups.enumerated() {
      let group = GroupIndex(UInt32(index))
      let area = min(
        superblock.superblockAreaBlockCount(in: group), superblock.blocks(in: group))
      let first = superblock.groupFirstBlock(group).rawValue
      if area > 0 { extents.append(Extent(start: first, end: first + UInt64(area), item: nil)) }
      for part in GroupPart.allCases {
        let item = Item(group: UInt32(index), part: part)
        guard !skipped.contains(item) else { continue }
        let start = descriptor[part].rawValue
        let (end, overflow) = start.addingReportingOverflow(part.count(superblock))
        guard !overflow else { continue }
        extents.append(Extent(start: start, end: end, item: item))
      }
    }
    extents.sort { $0.start != $1.start ? $0.start < $1.start : $0.end > $1.end }
    var contested: Set<Item> = []
    // The one so far that reaches furthest.
    var furthest: Extent?
    for extent in extents {
      if let other = furthest, extent.start < other.end {
        for item in [extent.item, other.item] {
          if let item { contested.insert(item) }
        }
      }
      if extent.end > furthest?.end ?? 0 { furthest = extent }
    }
    return contested
  }
}
