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

  /// The block of `mmp`.
  var mmpBlock: BlockAddress { BlockAddress(raw.rawBytes.le64(SuperblockField.mmpBlock)) }
}
