/// Bitmaps, and the counts in descriptors and superblock.
public enum SummaryIssue: String, IssueArea {
  case blockMarkedFree = "block-marked-free"
  case metadataMarkedFree = "metadata-marked-free"
  case blockMarkedUsed = "block-marked-used"
  case blockBitmapEnd = "block-bitmap-end"
  case blockBitmapTail = "block-bitmap-tail"
  case blockBitmapChecksum = "block-bitmap-checksum"
  case blockUninit = "block-uninit"
  case inodeMarkedFree = "inode-marked-free"
  case reservedInodeMarkedFree = "reserved-inode-marked-free"
  case inodeMarkedUsed = "inode-marked-used"
  case inodeBitmapTail = "inode-bitmap-tail"
  case inodeBitmapChecksum = "inode-bitmap-checksum"
  case inodeUninit = "inode-uninit"
  case unusedInodes = "unused-inodes"
  case groupFreeBlocks = "group-free-blocks"
  case groupFreeInodes = "group-free-inodes"
  case groupDirectories = "group-directories"
  case freeBlocks = "free-blocks"
  case freeInodes = "free-inodes"

  public var entry: IssueEntry {
    switch self {
    case .blockMarkedFree:
      safe("has blocks in use that its bitmap says are free", "Mark them as in use")
    case .metadataMarkedFree:
      safe(
        "has blocks of the filesystem's own that its bitmap says are free", "Mark them as in use")
    case .blockMarkedUsed:
      safe("has free blocks that its bitmap says are in use", "Mark them as free")
    case .blockBitmapEnd:
      safe("has a block bitmap with blocks past the filesystem's end", "Mark them as in use")
    case .blockBitmapTail:
      safe("has a block bitmap whose tail, past the group's blocks, is not all ones", "Fill it")
    case .blockBitmapChecksum:
      safe("has a block bitmap with a wrong checksum", "Compute it anew")
    case .blockUninit:
      safe("has blocks in use, but its block bitmap counts as never written", "Write the bitmap")
    case .inodeMarkedFree:
      safe("has inodes in use that its bitmap says are free", "Mark them as in use")
    case .reservedInodeMarkedFree:
      safe("has reserved inodes that its bitmap says are free", "Mark them as in use")
    case .inodeMarkedUsed:
      safe("has free inodes that its bitmap says are in use", "Mark them as free")
    case .inodeBitmapTail:
      safe("has an inode bitmap whose tail, past the group's inodes, is not all ones", "Fill it")
    case .inodeBitmapChecksum:
      safe("has an inode bitmap with a wrong checksum", "Compute it anew")
    case .inodeUninit:
      safe("has inodes in use, but its inode bitmap counts as never written", "Write the bitmap")
    case .unusedInodes:
      safe("has inodes in use in the part of its table that counts as unused", "Count them")
    case .groupFreeBlocks: safe("has a wrong count of free blocks", "Count them")
    case .groupFreeInodes: safe("has a wrong count of free inodes", "Count them")
    case .groupDirectories: safe("has a wrong count of directories", "Count them")
    // Kernels keep the superblock's counts up to date only at an unmount.
    case .freeBlocks:
      IssueEntry(
        .notice, "has a wrong count of free blocks in its superblock", repair: "Count them",
        isSafe: true)
    case .freeInodes:
      IssueEntry(
        .notice, "has a wrong count of free inodes in its superblock", repair: "Count them",
        isSafe: true)
    }
  }

  /// All of it follows from the rest: nothing can get lost.
  private func safe(_ summary: String, _ repair: String) -> IssueEntry {
    IssueEntry(.minor, summary, repair: repair, isSafe: true)
  }
}
