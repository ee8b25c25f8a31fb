/// Group descriptors, where they put bitmaps and inode tables, and the inode that keeps room for more
/// of them.
public enum GroupIssue: String, IssueArea {
  case badChecksum = "bad-checksum"
  case blockBitmapOutside = "block-bitmap-outside"
  case inodeBitmapOutside = "inode-bitmap-outside"
  case inodeTableOutside = "inode-table-outside"
  case blockBitmapInOtherGroup = "block-bitmap-in-other-group"
  case inodeBitmapInOtherGroup = "inode-bitmap-in-other-group"
  case inodeTableInOtherGroup = "inode-table-in-other-group"
  case blockBitmapOverlaps = "block-bitmap-overlaps"
  case inodeBitmapOverlaps = "inode-bitmap-overlaps"
  case inodeTableOverlaps = "inode-table-overlaps"
  case tablesElsewhere = "tables-elsewhere"
  case inodeTableElsewhere = "inode-table-elsewhere"
  case uninitWithoutChecksums = "uninit-without-checksums"
  case unusedWithoutChecksums = "unused-without-checksums"
  case lastBlockBitmapUninit = "last-block-bitmap-uninit"
  case tooManyUnusedInodes = "too-many-unused-inodes"
  case resizeInodeNotEmpty = "resize-inode-not-empty"
  case resizeInodeInvalid = "resize-inode-invalid"
  case resizeInodeMap = "resize-inode-map"
  case resizeInodePointers = "resize-inode-pointers"
  case resizeInodeFields = "resize-inode-fields"

  public var entry: IssueEntry {
    switch self {
    case .badChecksum:
      IssueEntry(
        .minor, "has a descriptor with a wrong checksum",
        repair: "Take from it what a copy confirms, and compute it anew", isSafe: true)
    case .blockBitmapOutside: moved("has its block bitmap outside the filesystem")
    case .inodeBitmapOutside: moved("has its inode bitmap outside the filesystem")
    case .inodeTableOutside: moved("has its inode table outside the filesystem")
    case .blockBitmapInOtherGroup:
      moved("has its block bitmap in another group, without flex_bg")
    case .inodeBitmapInOtherGroup:
      moved("has its inode bitmap in another group, without flex_bg")
    case .inodeTableInOtherGroup:
      moved("has its inode table in another group, without flex_bg")
    case .blockBitmapOverlaps: moved("has its block bitmap where something else lies")
    case .inodeBitmapOverlaps: moved("has its inode bitmap where something else lies")
    case .inodeTableOverlaps: moved("has its inode table where something else lies")
    case .tablesElsewhere:
      IssueEntry(
        .major, "has a damaged descriptor that puts tables where its copy does not",
        repair: "Believe the copy")
    case .inodeTableElsewhere:
      IssueEntry(
        .major, "has no inodes where its descriptor says, but where a copy of it says",
        repair: "Believe the copy")
    case .uninitWithoutChecksums:
      IssueEntry(
        .minor, "says that parts of it were never used, without a feature to say so",
        repair: "Clear that", isSafe: true)
    case .unusedWithoutChecksums:
      IssueEntry(
        .notice, "counts inodes that were never used, without a feature to say so",
        repair: "Clear that", isSafe: true)
    case .lastBlockBitmapUninit:
      IssueEntry(
        .minor, "is the last, and says that its block bitmap was never written",
        repair: "Write it", isSafe: true)
    case .tooManyUnusedInodes:
      IssueEntry(
        .minor, "says that more inodes were never used than are free",
        repair: "Look at all of them", isSafe: true)
    case .resizeInodeNotEmpty:
      IssueEntry(
        .minor, "is the inode of resize_inode, in use without the feature", repair: "Clear it")
    case .resizeInodeInvalid:
      IssueEntry(
        .minor, "is the inode of resize_inode, and does not keep the room it should",
        repair: "Make it anew, or give up the room where no block is free")
    case .resizeInodeMap:
      IssueEntry(
        .minor, "is the inode of resize_inode, and maps other blocks than it should",
        repair: "Map what it should", isSafe: true)
    case .resizeInodePointers:
      IssueEntry(
        .notice, "is the inode of resize_inode, and names copies of blocks where they are not",
        repair: "Name them where they are", isSafe: true)
    case .resizeInodeFields:
      IssueEntry(
        .minor, "is the inode of resize_inode, with fields that do not fit its map",
        repair: "Set what fits", isSafe: true)
    }
  }

  private func moved(_ summary: String) -> IssueEntry {
    IssueEntry(
      .major, summary, repair: "Believe a copy of the descriptor, or make it anew elsewhere")
  }
}
