/// The superblock, its copies, and the MMP block.
public enum SuperblockIssue: String, IssueArea {
  // What nothing can be computed with.
  case noMagic = "no-magic"
  case badChecksum = "bad-checksum"
  case badBlockSize = "bad-block-size"
  case badClusterSize = "bad-cluster-size"
  case badBlocksPerGroup = "bad-blocks-per-group"
  case badClustersPerGroup = "bad-clusters-per-group"
  case badFirstDataBlock = "bad-first-data-block"
  case badBlockCount = "bad-block-count"
  case badReservedBlocks = "bad-reserved-blocks"
  case badInodeSize = "bad-inode-size"
  case badInodesPerGroup = "bad-inodes-per-group"
  case badInodeCount = "bad-inode-count"
  case badFirstInode = "bad-first-inode"
  case badDescriptorSize = "bad-descriptor-size"
  case badDescriptorTable = "bad-descriptor-table"
  case badReservedDescriptorBlocks = "bad-reserved-gdt-blocks"
  case largerThanDevice = "larger-than-device"
  case unlikeDescriptors = "unlike-descriptors"
  case unlikeCopies = "unlike-copies"

  // Features and fields that do not go together.
  case bothChecksums = "uninit-bg-with-metadata-csum"
  case is64BitWithoutExtents = "64bit-without-extent"
  case seedWithoutChecksums = "csum-seed-without-metadata-csum"
  case hurdFiletype = "hurd-filetype"
  case resizeInodeWithMetaBg = "resize-inode-with-meta-bg"
  case firstMetaBgTooBig = "first-meta-bg-too-big"
  case firstMetaBgUnneeded = "first-meta-bg-unneeded"
  case reserveWithoutResizeInode = "reserved-gdt-without-resize-inode"
  case flexBgMissing = "flex-bg-missing"
  case badFlexSize = "bad-flex-bg-size"
  case requiredExtraSize = "bad-required-extra-isize"
  case desiredExtraSize = "bad-desired-extra-isize"
  case featuresInRevision0 = "features-in-revision-0"
  case noUUID = "no-uuid"

  // The state.
  case mountTimeInFuture = "mount-time-in-future"
  case writeTimeInFuture = "write-time-in-future"
  case testFilesystem = "test-filesystem"
  case noHashSignedness = "no-hash-signedness"
  case badHashVersion = "bad-hash-version"
  case badOverhead = "bad-overhead"
  case notClean = "not-clean"
  case errorsRecorded = "errors-recorded"
  case checkDue = "check-due"

  // Copies.
  case copyChosen = "copy-chosen"
  case copyDiffers = "copy-differs"
  case descriptorCopyDiffers = "descriptor-copy-differs"

  // Protection against two hosts.
  case badMMPBlock = "bad-mmp-block"
  case badMMPMagic = "bad-mmp-magic"
  case badMMPChecksum = "bad-mmp-checksum"
  case mmpNotReleased = "mmp-not-released"

  public var entry: IssueEntry {
    switch self {
    case .noMagic: unusable("has no superblock where its first should be")
    case .badChecksum: unusable("has a superblock with a wrong checksum")
    case .badBlockSize: unusable("has a block size that there is not")
    case .badClusterSize: unusable("has a cluster size that does not fit its block size")
    case .badBlocksPerGroup: unusable("has a number of blocks per group that cannot be")
    case .badClustersPerGroup: unusable("has a number of clusters per group that cannot be")
    case .badFirstDataBlock: unusable("has a wrong first data block")
    case .badBlockCount: unusable("has a number of blocks that cannot be")
    case .badReservedBlocks:
      IssueEntry(
        .major, "reserves more blocks for the superuser than half of all",
        repair: "Reserve a twentieth")
    case .badInodeSize: unusable("has an inode size that there is not")
    case .badInodesPerGroup: unusable("has a number of inodes per group that cannot be")
    case .badInodeCount: unusable("has another number of inodes than its groups make")
    case .badFirstInode: unusable("has a first inode that cannot be")
    case .badDescriptorSize: unusable("has a group descriptor size that there is not")
    case .badDescriptorTable: unusable("has more group descriptors than there is room for")
    case .badReservedDescriptorBlocks:
      unusable("reserves more blocks for group descriptors than there can be")
    case .largerThanDevice:
      IssueEntry(
        .fatal, "has more blocks than its device", repair: "Take the size that a copy says")
    case .unlikeDescriptors:
      IssueEntry(
        .fatal, "has group descriptors that do not fit its superblock, but fit a copy of it",
        repair: "Take the copy")
    case .unlikeCopies:
      IssueEntry(
        .fatal, "has numbers by which its copies should be where they are not",
        repair: "Take a copy that is where it should be")
    case .bothChecksums:
      IssueEntry(
        .notice, "has both metadata_csum and uninit_bg", repair: "Clear uninit_bg", isSafe: true)
    case .is64BitWithoutExtents:
      IssueEntry(.major, "has 64bit without extent", repair: "Set extent", isSafe: true)
    case .seedWithoutChecksums:
      IssueEntry(
        .notice, "has metadata_csum_seed without metadata_csum", repair: "Clear it", isSafe: true)
    case .hurdFiletype:
      IssueEntry(
        .notice, "was made for the Hurd, which does not know filetype", repair: "Clear filetype")
    case .resizeInodeWithMetaBg:
      IssueEntry(
        .major, "has both resize_inode and meta_bg", repair: "Clear resize_inode", isSafe: true)
    case .firstMetaBgTooBig:
      IssueEntry(
        .major, "has a first meta block group past the last", repair: "Set it to 0")
    case .firstMetaBgUnneeded:
      IssueEntry(
        .notice, "has a first meta block group past the last, and needs none",
        repair: "Set it to 0")
    case .reserveWithoutResizeInode:
      IssueEntry(
        .notice, "reserves blocks for group descriptors without resize_inode",
        repair: "Reserve none", isSafe: true)
    case .flexBgMissing:
      IssueEntry(
        .major, "has groups whose tables lie in others, without flex_bg", repair: "Set flex_bg")
    case .badFlexSize:
      IssueEntry(
        .major, "has a size of flexible groups that cannot be", repair: "Set it to 16 groups")
    case .requiredExtraSize:
      IssueEntry(
        .notice, "requires a size of inodes' extra fields that cannot be",
        repair: "Set it to what is usual")
    case .desiredExtraSize:
      IssueEntry(
        .notice, "wants a size of inodes' extra fields that cannot be",
        repair: "Set it to what is usual")
    case .featuresInRevision0:
      IssueEntry(
        .notice, "has features, and the revision that knows none", repair: "Set revision 1",
        isSafe: true)
    case .noUUID: IssueEntry(.notice, "has no UUID", repair: "Make one", isSafe: true)
    case .mountTimeInFuture:
      IssueEntry(.notice, "was last mounted in the future", repair: "Set it to now", isSafe: true)
    case .writeTimeInFuture:
      IssueEntry(.notice, "was last written in the future", repair: "Set it to now", isSafe: true)
    case .testFilesystem:
      IssueEntry(
        .notice, "says that it is for tests of the filesystem's code", repair: "Clear the flag",
        isSafe: true)
    case .noHashSignedness:
      IssueEntry(
        .notice, "does not say whether directory hashes see signed bytes",
        repair: "Say that they do", isSafe: true)
    case .badHashVersion:
      IssueEntry(
        .notice, "has a default directory hash that there is not", repair: "Set half_md4",
        isSafe: true)
    case .badOverhead:
      IssueEntry(
        .notice, "counts more blocks that no file can have than there are",
        repair: "Have it counted at the next mount", isSafe: true)
    case .notClean:
      IssueEntry(.notice, "was not unmounted", repair: "Mark it as clean", isSafe: true)
    case .errorsRecorded:
      IssueEntry(
        .notice, "remembers errors that were met while it was mounted", repair: "Forget them",
        isSafe: true)
    case .checkDue:
      IssueEntry(
        .notice, "is due for a check, by its count of mounts or the time since the last",
        repair: "Count anew from now", isSafe: true)
    case .copyChosen:
      IssueEntry(
        .notice, "is checked by a copy of its superblock, as was asked",
        repair: "Write it as the first", isSafe: true)
    case .copyDiffers:
      IssueEntry(
        .notice, "has a copy of its superblock that says something else", repair: "Write it anew",
        isSafe: true)
    case .descriptorCopyDiffers:
      IssueEntry(
        .notice, "has a copy of its group descriptors that puts tables elsewhere",
        repair: "Write it anew", isSafe: true)
    case .badMMPBlock:
      IssueEntry(
        .major, "has its MMP block where none can be", repair: "Clear the feature mmp")
    case .badMMPMagic:
      IssueEntry(.major, "has an MMP block that is none", repair: "Make it anew", isSafe: true)
    case .badMMPChecksum:
      IssueEntry(
        .major, "has an MMP block with a wrong checksum", repair: "Make it anew", isSafe: true)
    case .mmpNotReleased:
      IssueEntry(
        .notice, "was not released by the host that used it last", repair: "Release it",
        isSafe: true)
    }
  }

  private func unusable(_ summary: String) -> IssueEntry {
    IssueEntry(
      .major, summary, repair: "Take a copy of the superblock, or what follows from the rest")
  }
}
