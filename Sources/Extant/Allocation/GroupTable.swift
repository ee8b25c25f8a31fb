import BlockIO
import Ext4Format
import ExtantBase
import Threading

/// All group descriptors: decoded and verified at open, changed in memory, encoded at commit.
///
/// Lock order: its lock is a leaf under the locks of both allocators.
final class GroupTable: Sendable {
  let superblock: Superblock
  let zones: SystemZones
  /// The blocks of the primary descriptor table. Held, so that a commit reads nothing and cannot
  /// fail; changed only in `encode`.
  private let buffers: [BlockBuffer]
  private let state: Guarded<State>

  /// Sums over all groups.
  struct Totals: Sendable, Equatable {
    var freeBlocks: UInt64 = 0
    var freeInodes: UInt64 = 0
    var usedDirectories: UInt64 = 0
  }

  private struct State {
    var descriptors: [GroupDescriptor]
    var totals: Totals
    /// Groups whose descriptor changed since the last `encode`.
    var dirty: Set<Int> = []
  }

  /// Reads the whole table.
  ///
  /// - Throws: `corrupt` for a descriptor that is wrong, or where the filesystem's own structures
  ///   overlap; `io`.
  init(
    superblock: Superblock, reader: any MetadataReader
  ) throws(FileSystemError) {
    self.superblock = superblock
    var buffers: [BlockBuffer] = []
    var descriptors: [GroupDescriptor] = []
    var totals = Totals()
    for number in 0..<superblock.groupCount {
      let group = GroupIndex(number)
      let offset = superblock.descriptorOffset(for: group)
      if offset == 0 {
        let address = superblock.descriptorBlock(for: group)
        buffers.append(try reader.read(address) { (_) throws(FileSystemError) in })
      }
      guard let buffer = buffers.last,
        buffer.byteCount >= offset + superblock.descriptorSize
      else {
        throw .corrupt(Corruption("group descriptor", "the table's block is too short"))
      }
      let descriptor = try GroupDescriptor(
        buffer.bytes.extracting(offset..<offset + superblock.descriptorSize), group: group,
        superblock: superblock)
      totals.freeBlocks += UInt64(descriptor.freeBlocks)
      totals.freeInodes += UInt64(descriptor.freeInodes)
      totals.usedDirectories += UInt64(descriptor.usedDirectories)
      descriptors.append(descriptor)
    }
    self.buffers = buffers
    zones = try SystemZones(superblock, descriptors: descriptors)
    state = Guarded(State(descriptors: descriptors, totals: totals), .groupTable)
  }

  var count: Int { Int(superblock.groupCount) }

  /// What the superblock's counts should say at this moment.
  var totals: Totals { state.withLock { $0.totals } }

  /// - Parameter group: below `count`.
  func descriptor(_ group: Int) -> GroupDescriptor { state.withLock { $0.descriptors[group] } }

  /// Looks at all descriptors at once; `body` must not call back.
  func withDescriptors<R, E: Error>(
    _ body: (borrowing [GroupDescriptor]) throws(E) -> R
  ) throws(E) -> R {
    try state.withLock { (state) throws(E) -> R in try body(state.descriptors) }
  }

  /// Changes a descriptor in memory; it reaches its block at `encode`.
  func update(_ group: Int, _ change: (inout GroupDescriptor) -> Void) {
    state.withLock { state in
      let old = state.descriptors[group]
      change(&state.descriptors[group])
      let new = state.descriptors[group]
      guard new != old else { return }
      state.totals.freeBlocks &+= UInt64(new.freeBlocks) &- UInt64(old.freeBlocks)
      state.totals.freeInodes &+= UInt64(new.freeInodes) &- UInt64(old.freeInodes)
      state.totals.usedDirectories &+= UInt64(new.usedDirectories) &- UInt64(old.usedDirectories)
      state.dirty.insert(group)
    }
  }

  /// Announces that the block with `group`'s descriptor will change at this commit.
  func announce(_ group: Int, _ handle: any MetadataHandle) {
    let place = superblock.descriptorBlock(for: GroupIndex(UInt32(truncatingIfNeeded: group)))
    handle.modify(place, buffers[group / Int(superblock.descriptorsPerBlock)])
  }

  /// Brings every changed descriptor into its block. At commit, after both allocators' `encode`.
  func encode(handle: any MetadataHandle) {
    state.withLock { state in
      for group in state.dirty.sorted() {
        announce(group, handle)
        let index = GroupIndex(UInt32(truncatingIfNeeded: group))
        let offset = superblock.descriptorOffset(for: index)
        let buffer = buffers[group / Int(superblock.descriptorsPerBlock)]
        var block = buffer.mutableBytes
        var bytes = block._mutatingExtracting(offset..<offset + superblock.descriptorSize)
        state.descriptors[group].encode(into: &bytes, group: index, superblock: superblock)
      }
      state.dirty.removeAll(keepingCapacity: true)
    }
  }
}
