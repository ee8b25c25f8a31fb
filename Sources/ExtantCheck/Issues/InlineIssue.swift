/// Data that lies in the inode.
public enum InlineIssue: String, IssueArea {
  // The flag and the filesystem.
  case withoutFeature = "without-feature"
  case flagWithoutFeature = "flag-without-feature"
  case inodeWithoutFeature = "inode-without-feature"

  // The flag and that of extents.
  case withExtentTree = "with-extent-tree"
  case withExtentsFlag = "with-extents-flag"
  case withBlockMap = "with-block-map"
  case withJunk = "with-junk"

  // The data.
  case flagMissing = "flag-missing"
  case markMissing = "mark-missing"
  case extentTreeInstead = "extent-tree-instead"
  case noAttribute = "no-attribute"
  case nothingLeft = "nothing-left"
  case directorySize = "directory-size"
  case fileSize = "file-size"
  case symlinkSize = "symlink-size"
  case symlinkAttributes = "symlink-attributes"

  public var entry: IssueEntry {
    switch self {
    case .withoutFeature:
      IssueEntry(
        .major, "has data in inodes, which the superblock does not say",
        repair: "Let the superblock say so", isSafe: true)
    case .flagWithoutFeature:
      IssueEntry(
        .major, "says that its data is in the inode, but there is a map of blocks or a target",
        repair: "Clear the flag")
    case .inodeWithoutFeature:
      IssueEntry(
        .major, "says that its data is in the inode, but there is none, and no map of blocks",
        repair: "Delete the inode")

    case .withExtentTree:
      IssueEntry(
        .major, "is flagged as having data in the inode and extents, and has extents",
        repair: "Clear the flag of data in the inode")
    case .withExtentsFlag:
      IssueEntry(
        .major, "is flagged as having data in the inode and extents, and has no extents",
        repair: "Clear the flag of extents")
    case .withBlockMap:
      IssueEntry(
        .major, "is flagged as having data in the inode and extents, and has block pointers",
        repair: "Clear both flags")
    case .withJunk:
      IssueEntry(
        .major, "is flagged as having data in the inode and extents, and has none of them",
        repair: "Delete the inode")

    case .flagMissing:
      IssueEntry(
        .major, "has data in the inode, by its attribute and i_block, and no flag that says so",
        repair: "Set the flag")
    case .markMissing:
      IssueEntry(
        .major, "has data in the inode and lacks the magic number before the attributes there",
        repair: "Write it")
    case .extentTreeInstead:
      IssueEntry(
        .major, "is flagged as having data in the inode, but has extents there",
        repair: "Set the flag of extents instead")
    case .noAttribute:
      IssueEntry(
        .major, "has data in the inode without the attribute for what does not fit into i_block",
        repair: "Keep what is in i_block")
    case .nothingLeft:
      IssueEntry(
        .major, "has data in the inode without the attribute that goes with it",
        repair: "Make it empty")
    case .directorySize:
      IssueEntry(
        .major, "is a directory in the inode with a size that is not that of its data",
        repair: "Set the size", isSafe: true)
    case .fileSize:
      IssueEntry(
        .major, "is a file in the inode with a size that no file without extents can have",
        repair: "Set it to what is there", isSafe: true)
    case .symlinkSize:
      IssueEntry(
        .major, "is a symbolic link in the inode with a size that is not that of its target",
        repair: "Set the size")
    case .symlinkAttributes:
      IssueEntry(
        .major,
        "is a symbolic link in the inode with attributes in a block, which e2fsck takes for free",
        repair: "Move the target out of the attributes", isSafe: true)
    }
  }
}
