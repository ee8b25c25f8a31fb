extension InodeIssue {
  public var entry: IssueEntry {
    switch self {
    case .badChecksum:
      IssueEntry(
        .minor, "has a wrong checksum, and nothing else wrong", repair: "Compute it anew",
        isSafe: true)
    case .garbage:
      IssueEntry(.major, "holds garbage, as most of its block does", repair: "Clear the inode")
    case .namedInUnusedPart:
      IssueEntry(
        .major, "has a name, but its group's descriptor says that it was never used",
        repair: "Read the whole inode table", isSafe: true)

    case .orphanNumber:
      IssueEntry(
        .major, "has an inode number for its time of deletion: a list of orphans went to pieces",
        repair: "Correct the time")
    case .noDeletionTime:
      IssueEntry(
        .minor, "is deleted, but has no time of deletion", repair: "Set it", isSafe: true)
    case .deletionTime:
      IssueEntry(
        .minor, "is in use, but has a time of deletion", repair: "Clear the time", isSafe: true)

    case .badBlocksFields:
      IssueEntry(
        .major, "lists bad blocks, and has fields set that it must not have",
        repair: "Clear the list")
    case .rootMode:
      IssueEntry(
        .major, "is the root and holds a directory, but its mode says otherwise",
        repair: "Make it a directory")
    case .rootNotDirectory:
      IssueEntry(.major, "is the root and no directory", repair: "Clear it and make a new root")
    case .rootUnlinked:
      IssueEntry(.major, "is the root and has a link count of zero", repair: "Keep it in use")
    case .journalUnasked:
      IssueEntry(
        .major, "is reserved for a journal, and in use without one", repair: "Clear it",
        isSafe: true)
    case .quotaMode:
      IssueEntry(
        .minor, "is a quota file and no regular file", repair: "Make it one", isSafe: true)
    case .quotaUnasked:
      IssueEntry(
        .major, "is reserved for a quota file, and in use without one", repair: "Clear it",
        isSafe: true)
    case .bootLoaderDirectory:
      IssueEntry(
        .minor, "is the boot loader's and a directory", repair: "Clear its mode", isSafe: true)
    case .reservedMode:
      IssueEntry(
        .minor, "is reserved and has a mode that it must not have",
        repair: "Correct the mode, or clear the inode",
        isSafe: true)

    case .casefoldNotDirectory:
      IssueEntry(
        .major, "has the flag of case-insensitive names, but is no directory",
        repair: "Clear the flag")
    case .casefoldWithoutFeature:
      IssueEntry(
        .major, "has case-insensitive names, which the filesystem has not",
        repair: "Clear the flag")
    case .extentsWithoutFeature:
      IssueEntry(
        .major, "has extents, which the filesystem says it has not", repair: "Set the feature")
    case .extentsFlagWrong:
      IssueEntry(
        .major, "says it has extents, which neither it nor the filesystem has",
        repair: "Clear the flag, or the inode where it has no block pointers either")
    case .extentsFlagMissing:
      IssueEntry(
        .major, "has extents, but not the flag that says so", repair: "Set the flag", isSafe: true)
    case .imagicWithoutFeature:
      IssueEntry(
        .major, "has the flag of AFS servers, which the filesystem does not know",
        repair: "Clear the flag")
    case .indexNotDirectory:
      IssueEntry(
        .major, "has the flag of indexed directories, but is none", repair: "Clear the flag",
        isSafe: true)
    case .indexWithoutFeature:
      IssueEntry(
        .major, "is an indexed directory, which the filesystem says it has not",
        repair: "Clear the flag")
    case .encryptedWithoutPolicy:
      IssueEntry(
        .major, "is flagged as encrypted, but has no encryption policy", repair: "Clear the flag")
    case .encryptionPolicy:
      IssueEntry(
        .major, "has an encryption policy that cannot be read", repair: "Clear the inode")

    case .unknownKind:
      IssueEntry(.major, "has a mode of no kind of file", repair: "Clear the inode")
    case .unknownKindFile:
      IssueEntry(
        .major, "has a mode of no kind of file, but a file's contents",
        repair: "Make it a regular file")
    case .unknownKindDirectory:
      IssueEntry(
        .major, "has a mode of no kind of file, but a directory's contents",
        repair: "Make it a directory")
    case .specialIsDirectory:
      IssueEntry(
        .major, "is a device, fifo or socket by its mode, but holds a directory",
        repair: "Make it a directory")
    case .specialIsFile:
      IssueEntry(
        .major, "is a device, fifo or socket by its mode, but holds a file's contents",
        repair: "Make it a regular file")
    case .specialMapFlags:
      IssueEntry(
        .major, "is a device, fifo or socket, but has flags of a file's contents",
        repair: "Clear the flags")
    case .specialWords:
      IssueEntry(
        .major, "is a device, fifo or socket with protecting flags and block pointers",
        repair: "Clear both")
    case .specialProtected:
      IssueEntry(
        .notice, "is a device, fifo or socket that is immutable or append-only",
        repair: "Clear the flags", isSafe: true)
    case .specialSize:
      IssueEntry(
        .minor, "is a device, fifo or socket, but has a size", repair: "Clear the size",
        isSafe: true)
    case .symlinkProtected:
      IssueEntry(
        .notice, "is a symbolic link that is immutable or append-only", repair: "Clear the flags",
        isSafe: true)
    case .symlinkExtentsFlag:
      IssueEntry(
        .major, "is a symbolic link with its target in the inode, but has the flag of extents",
        repair: "Clear the flag")
    case .symlinkEmpty:
      IssueEntry(.major, "is a symbolic link without a target", repair: "Clear the inode")
    case .symlinkLength:
      IssueEntry(
        .major, "is a symbolic link whose size is not its target's length",
        repair: "Correct the size")
    case .symlinkInBlock:
      IssueEntry(
        .major, "is a symbolic link with a short target in a block",
        repair: "Move the target into the inode")
    case .symlinkUnended:
      IssueEntry(
        .major, "is a symbolic link whose target does not end", repair: "End it where its size says"
      )
    case .symlinkBlocks:
      IssueEntry(
        .major, "is a symbolic link with more than a block", repair: "Keep the first block")

    case .fragmentAddress:
      IssueEntry(.minor, "has the address of a fragment, which ext4 has not", repair: "Clear it")
    case .hurdFragment:
      IssueEntry(
        .minor, "has the number or size of a fragment, which ext4 has not", repair: "Clear both")
    case .attributesHigh:
      IssueEntry(
        .minor, "has upper bits in its attributes' address, which need 64bit", repair: "Clear them",
        isSafe: true)
    case .blockCountHigh:
      IssueEntry(
        .minor, "has upper bits in its block count, which need huge_file", repair: "Clear them")
    case .directorySizeHigh:
      IssueEntry(
        .minor, "is a directory with upper bits in its size, which need large_dir",
        repair: "Clear them", isSafe: true)
    case .extraSize:
      IssueEntry(
        .minor, "has an impossible size of its extra fields", repair: "Set the usual size",
        isSafe: true)
    case .extraTime:
      IssueEntry(
        .notice, "has a time after the year 2310 that was meant to be one before 1970",
        repair: "Clear its extra bits", isSafe: true)

    case .directoryEmpty:
      IssueEntry(.major, "is a directory without any block", repair: "Clear the inode")
    case .directorySizeUneven:
      IssueEntry(
        .minor, "is a directory whose size is not one of whole blocks", repair: "Correct the size",
        isSafe: true)
    case .directorySizeTooLarge:
      IssueEntry(
        .minor, "is a directory whose size goes past its last block", repair: "Correct the size",
        isSafe: true)
    case .directorySizeTooSmall:
      IssueEntry(
        .minor, "is a directory with blocks past its size", repair: "Correct the size",
        isSafe: true)
    case .sizeTooSmall:
      IssueEntry(
        .minor, "has blocks past its size", repair: "Make the size cover them", isSafe: true)
    case .sizeForPointers:
      IssueEntry(
        .minor, "has a size that block pointers cannot reach", repair: "Correct the size",
        isSafe: true)
    case .sizeForExtents:
      IssueEntry(
        .minor, "has a size that extents cannot reach", repair: "Correct the size", isSafe: true)
    case .blockCount:
      IssueEntry(.minor, "has a wrong block count", repair: "Count them", isSafe: true)
    case .pointersWithBigalloc:
      IssueEntry(
        .major, "has block pointers in a filesystem of clusters", repair: "Give it extents")
    case .largeFileFeature:
      IssueEntry(
        .minor, "has 2 GiB or more, and the filesystem does not say that it may",
        repair: "Set the feature", isSafe: true)
    }
  }
}
