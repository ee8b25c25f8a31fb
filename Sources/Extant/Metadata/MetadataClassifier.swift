import BlockIO
import Ext4Format
import ExtantBase

/// Says what a metadata block is, in the words that devices are told: the filesystem's own
/// structures by their place, all others by the magic number they begin or end with.
///
/// Made only for a device that listens (`listensToEvents`). Takes 24 bytes for each structure of
/// each group.
struct MetadataClassifier: Sendable {
  private struct Zone {
    var start: UInt64
    var end: UInt64
    var event: DeviceEvent
  }

  /// Ascending and apart.
  private let zones: [Zone]

  init(_ superblock: Superblock, descriptors: [GroupDescriptor]) {
    var zones: [Zone] = []
    let tableBlocks = UInt64(superblock.inodeTableBlockCount)
    for (index, descriptor) in descriptors.enumerated() {
      let group = GroupIndex(UInt32(truncatingIfNeeded: index))
      let area = UInt64(superblock.superblockAreaBlockCount(in: group))
      if area > 0 {
        let first = superblock.groupFirstBlock(group).rawValue
        zones.append(Zone(start: first, end: first + 1, event: .superblockWrite))
        zones.append(Zone(start: first + 1, end: first + area, event: .groupDescriptorWrite))
      }
      for (start, count, event) in [
        (descriptor.blockBitmap, 1, DeviceEvent.blockBitmapWrite),
        (descriptor.inodeBitmap, 1, .inodeBitmapWrite),
        (descriptor.inodeTable, tableBlocks, .inodeTableWrite),
      ] {
        zones.append(Zone(start: start.rawValue, end: start.rawValue + count, event: event))
      }
    }
    self.zones = zones.sorted { $0.start < $1.start }
  }

  init(_ groups: GroupTable) {
    self = groups.withDescriptors { descriptors in
      MetadataClassifier(groups.superblock, descriptors: descriptors)
    }
  }

  /// The event for a write of the metadata block at `address`, whose new bytes are `contents`.
  func event(ofBlockAt address: BlockAddress, _ contents: RawSpan) -> DeviceEvent {
    var low = 0
    var high = zones.count
    while low < high {
      let middle = (low + high) / 2
      if zones[middle].end > address.rawValue { high = middle } else { low = middle + 1 }
    }
    if low < zones.count, zones[low].start <= address.rawValue { return zones[low].event }
    return switch MetadataBlockKind(contents) {
    case .extentLeaf: .leafWrite
    case .extentIndex: .indexWrite
    case .xattrs: .xattrWrite
    case .orphans: .orphanFileWrite
    case .directory: .directoryWrite
    }
  }
}
