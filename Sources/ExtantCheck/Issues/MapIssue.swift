/// Extent trees, block pointers, clusters, and blocks that several claim.
public enum MapIssue: String, IssueArea {
  // Extent trees.
  case extentRoot = "extent-root"
  case extentRootHeader = "extent-root-header"
  case extentRootEmpty = "extent-root-empty"
  case extentTreeTooDeep = "extent-tree-too-deep"
  case extentNode = "extent-node"
  case extentNodeChecksum = "extent-node-checksum"
  case extentNodeDepth = "extent-node-depth"
  case extentNodeEmpty = "extent-node-empty"
  case extentNodeOrder = "extent-node-order"
  case extentNodeOutside = "extent-node-outside"
  case extentNodeOverlap = "extent-node-overlap"
  case extentNodeStart = "extent-node-start"
  case extentLengthZero = "extent-length-zero"
  case extentLogicalLimit = "extent-logical-limit"
  case extentMisplaced = "extent-misplaced"
  case extentOutside = "extent-outside"
  case extentOverlap = "extent-overlap"
  case extentPastEnd = "extent-past-end"
  case extentPastSize = "extent-past-size"
  case extentUnwrittenDirectory = "extent-unwritten-directory"
  // Block pointers.
  case pointerOutside = "pointer-outside"
  case pointersGarbage = "pointers-garbage"
  case pointerBlockGarbage = "pointer-block-garbage"
  case pointerBlockOutside = "pointer-block-outside"
  case pointerBlockRepeated = "pointer-block-repeated"
  case symlinkTooLong = "symlink-too-long"
  // Directories.
  case directoryHole = "directory-hole"
  case directoryOverlap = "directory-overlap"
  case directoryTooBig = "directory-too-big"
  // Clusters.
  case clusterMisaligned = "cluster-misaligned"
  case clusterNoRoom = "cluster-no-room"
  // The list of bad blocks.
  case badBlockOutside = "bad-block-outside"
  case badBlockInMetadata = "bad-block-in-metadata"
  case badBlockListBlock = "bad-block-list-block"
  // The block of the Hurd's translators.
  case translatorOutside = "translator-outside"
  case translatorShared = "translator-shared"
  case translatorNoRoom = "translator-no-room"
  // Blocks that several claim.
  case sharedBlocks = "shared-blocks"
  case sharedWithMetadata = "shared-with-metadata"
  case sharedNoRoom = "shared-no-room"

  public var entry: IssueEntry {
    switch self {
    case .extentRoot:
      IssueEntry(.major, "has an extent tree without a usable root", repair: "Clear the inode")
    case .extentRootHeader:
      IssueEntry(
        .major, "has an extent tree whose root has a damaged header", repair: "Mend the header")
    case .extentRootEmpty:
      IssueEntry(
        .notice, "has an extent tree of several levels with nothing in it",
        repair: "Make it one level", isSafe: true)
    case .extentTreeTooDeep:
      IssueEntry(
        .notice, "has an extent tree of more levels than the kernel reads",
        repair: "Build the tree anew", isSafe: true)
    case .extentNode:
      IssueEntry(
        .major, "has an extent tree with a block that is no node of it",
        repair: "Take the block out of the tree")
    case .extentNodeChecksum:
      IssueEntry(
        .major, "has an extent tree node with a wrong checksum",
        repair: "Keep what can be used of it")
    case .extentNodeDepth:
      IssueEntry(
        .notice, "has an extent tree node that says a wrong depth", repair: "Correct it",
        isSafe: true)
    case .extentNodeEmpty:
      IssueEntry(
        .major, "has an extent tree node with nothing in it",
        repair: "Take the node out of the tree")
    case .extentNodeOrder:
      IssueEntry(
        .major, "has an extent tree node whose entries are out of order", repair: "Sort them")
    case .extentNodeOutside:
      IssueEntry(
        .major, "has an extent tree that names a node outside the filesystem",
        repair: "Take the entry out of the tree")
    case .extentNodeOverlap:
      IssueEntry(
        .major, "has an extent tree node that maps only what others before it map",
        repair: "Take the node out of the tree")
    case .extentNodeStart:
      IssueEntry(
        .major, "has an extent tree node that starts elsewhere than its parent says",
        repair: "Correct the parent")
    case .extentLengthZero:
      IssueEntry(.major, "has an extent without length", repair: "Remove the extent")
    case .extentLogicalLimit:
      IssueEntry(
        .major, "has an extent past the largest block that a file can have",
        repair: "Remove the extent", isSafe: true)
    case .extentMisplaced:
      IssueEntry(
        .major, "has an extent that does not belong to its node", repair: "Remove the extent")
    case .extentOutside:
      IssueEntry(.major, "has an extent outside the filesystem", repair: "Remove the extent")
    case .extentOverlap:
      IssueEntry(
        .major, "has an extent for what another before it maps", repair: "Remove the extent")
    case .extentPastEnd:
      IssueEntry(
        .major, "has an extent that goes past the end of the filesystem",
        repair: "Remove the extent")
    case .extentPastSize:
      IssueEntry(
        .major, "has an extent tree that maps a block past the end of the file",
        repair: "Remove the block")
    case .extentUnwrittenDirectory:
      IssueEntry(
        .major, "is a directory with an extent marked as never written", repair: "Clear the mark",
        isSafe: true)
    case .pointerOutside:
      IssueEntry(
        .major, "has a block pointer outside the filesystem", repair: "Clear the pointer")
    case .pointersGarbage:
      IssueEntry(
        .major, "has block pointers that are none", repair: "Clear the inode")
    case .pointerBlockGarbage:
      IssueEntry(
        .major, "has a block in its map that holds no block pointers",
        repair: "Take the block out of the map")
    case .pointerBlockOutside:
      IssueEntry(
        .major, "has an indirect block outside the filesystem", repair: "Clear the pointer")
    case .pointerBlockRepeated:
      IssueEntry(
        .major, "has an indirect block that too many others have", repair: "Clear the pointer")
    case .symlinkTooLong:
      IssueEntry(
        .major, "is a symbolic link of more than one block", repair: "Cut it off after the first")
    case .directoryHole:
      IssueEntry(.major, "is a directory with a hole", repair: "Close the hole")
    case .directoryOverlap:
      IssueEntry(
        .major, "is a directory with an extent for what another before it maps",
        repair: "Put it behind that")
    case .directoryTooBig:
      IssueEntry(
        .major, "is a directory that goes past the largest size of one",
        repair: "Remove what is past it")
    case .clusterMisaligned:
      IssueEntry(
        .major, "maps blocks across the bounds of clusters",
        repair: "Move them to clusters of theirs"
      )
    case .clusterNoRoom:
      IssueEntry(
        .major, "maps blocks across the bounds of clusters, and there is no room to move them",
        repair: "Delete it")
    case .badBlockOutside:
      IssueEntry(
        .major, "lists a bad block outside the filesystem", repair: "Take it off the list")
    case .badBlockInMetadata:
      IssueEntry(
        .major, "lists a block of the filesystem's own structures as bad",
        repair: "Take it off the list")
    case .badBlockListBlock:
      IssueEntry(
        .major, "keeps the list of bad blocks in a block that is on it, or is something else",
        repair: "Do without it")
    case .translatorOutside:
      IssueEntry(
        .major, "has its translator in a block outside the filesystem", repair: "Clear the pointer")
    case .translatorShared:
      IssueEntry(
        .major, "has its translator in a block that others claim too", repair: "Give it a copy")
    case .translatorNoRoom:
      IssueEntry(
        .major,
        "has its translator in a block that others claim too, and there is no room for a copy",
        repair: "Clear the pointer")
    case .sharedBlocks:
      IssueEntry(
        .major, "claims blocks that others claim too", repair: "Give it copies of them")
    case .sharedWithMetadata:
      IssueEntry(
        .major, "claims blocks of the filesystem's own structures",
        repair: "Give it copies of them")
    case .sharedNoRoom:
      IssueEntry(
        .major, "claims blocks that others claim too, and there is no room for copies",
        repair: "Delete it")
    }
  }
}
