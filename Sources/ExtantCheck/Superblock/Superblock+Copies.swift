import Ext4Format
import ExtantBase

extension Superblock {
  /// Features that come and go while a filesystem is used, which nobody writes to the copies.
  private static let passingCompat: CompatFeatures = [.extAttr]
  private static let passingIncompat: IncompatFeatures = [.needsRecovery, .extents]
  private static let passingReadOnlyCompat: ReadOnlyCompatFeatures = [
    .largeFile, .dirNlink, .orphanPresent,
  ]

  /// Whether both say the same of what stays as it was made until somebody resizes or tunes it.
  func hasSameLayout(as other: Superblock) -> Bool {
    blockSize == other.blockSize && blockCount == other.blockCount
      && inodeCount == other.inodeCount && blocksPerGroup == other.blocksPerGroup
      && inodesPerGroup == other.inodesPerGroup && inodeSize == other.inodeSize
      && firstInode == other.firstInode && descriptorSize == other.descriptorSize
      && reservedDescriptorBlockCount == other.reservedDescriptorBlockCount
      && clusterShift == other.clusterShift && uuid == other.uuid
      && features.compat.symmetricDifference(other.features.compat)
        .subtracting(Self.passingCompat).isEmpty
      && features.incompat.symmetricDifference(other.features.incompat)
        .subtracting(Self.passingIncompat).isEmpty
      && features.readOnlyCompat.symmetricDifference(other.features.readOnlyCompat)
        .subtracting(Self.passingReadOnlyCompat).isEmpty
  }

  /// The groups that hold a copy of the block of descriptors that starts with `first`'s, ascending.
  ///
  /// - Parameter holders: `copyHolders`.
  func descriptorHolders(of first: GroupIndex, among holders: [GroupIndex]) -> [GroupIndex] {
    let index = first.rawValue / descriptorsPerBlock
    guard index >= undividedDescriptorBlockCount else { return holders }
    return [first.rawValue + 1, first.rawValue + descriptorsPerBlock - 1]
      .filter { $0 < groupCount }.map { GroupIndex($0) }
  }

  /// The groups that start with a copy of the superblock, ascending.
  var copyHolders: [GroupIndex] {
    (1..<max(groupCount, 1)).map { GroupIndex($0) }.filter { groupHasSuperblock($0) }
  }

  /// The block of `mmp`.
  var mmpBlock: BlockAddress { BlockAddress(raw.rawBytes.le64(SuperblockField.mmpBlock)) }
}
