/// Extended attributes, in inodes, blocks and inodes of their own.
public enum XattrIssue: String, IssueArea {
  // In the inode.
  case inodeEntryTooLong = "inode-entry-too-long"
  case inodeNoEnd = "inode-no-end"
  case inodeValueOutside = "inode-value-outside"
  case inodeOverlap = "inode-overlap"
  case inodeHash = "inode-hash"
  case strayOffset = "stray-offset"

  // The address in the inode.
  case blockWithoutFeature = "block-without-feature"
  case blockAddress = "block-address"
  case ignoredBlockAddress = "ignored-block-address"

  // In the block.
  case blockMagic = "block-magic"
  case blockCount = "block-count"
  case blockChecksum = "block-checksum"
  case blockEntryTooLong = "block-entry-too-long"
  case blockNoEnd = "block-no-end"
  case blockNoPrefix = "block-no-prefix"
  case blockValueOutside = "block-value-outside"
  case blockOverlap = "block-overlap"
  case blockHash = "block-hash"
  case blockEmptied = "block-emptied"
  case blockShared = "block-shared"
  case blockNoRoom = "block-no-room"
  case referenceCount = "reference-count"

  // Values in inodes.
  case valueInodeNumber = "value-inode-number"
  case valueInodeHash = "value-inode-hash"
  case valueInodeFlag = "value-inode-flag"
  case valueInodeReferenceCount = "value-inode-reference-count"
  case valueInodeUnreferenced = "value-inode-unreferenced"
  case valueInodeNamed = "value-inode-named"
  case valueInodeKind = "value-inode-kind"
  case valueInodeSize = "value-inode-size"
  case valueInodeSizeBesideData = "value-inode-size-beside-data"
  case valueInodeSizeImpossible = "value-inode-size-impossible"
  case valueInodeAttributes = "value-inode-attributes"
  case valueInodeFeature = "value-inode-feature"

  // What does no harm by itself.
  case junkAtEnd = "junk-at-end"
  case nameWithNul = "name-with-nul"
  case unsorted = "unsorted"

  public var entry: IssueEntry {
    switch self {
    case .inodeEntryTooLong:
      IssueEntry(
        .major, "has an attribute in it whose name goes past its end",
        repair: "Keep the attributes before it")
    case .inodeNoEnd:
      IssueEntry(
        .major, "has attributes in it that nothing ends", repair: "Keep those that fit")
    case .inodeValueOutside:
      IssueEntry(
        .major, "has an attribute in it whose value goes past its end",
        repair: "Remove the attribute")
    case .inodeOverlap:
      IssueEntry(
        .major, "has an attribute in it whose value lies over others",
        repair: "Remove the attribute unless its hash tells that the value is its own")
    case .inodeHash:
      IssueEntry(
        .major, "has an attribute in it with a wrong hash", repair: "Clear the hash", isSafe: true)
    case .strayOffset:
      IssueEntry(
        .major, "has data in it beside an attribute that says its value is where it cannot be",
        repair: "Write the attributes anew")

    case .blockWithoutFeature:
      IssueEntry(
        .major, "names a block of attributes, which the filesystem does not know",
        repair: "Let the filesystem have attributes if that block is one, else clear the field")
    case .blockAddress:
      IssueEntry(
        .major, "has its attributes in a block outside the filesystem", repair: "Clear the field")

    case .ignoredBlockAddress:
      IssueEntry(
        .notice, "has no name, and attributes that nobody asks for outside the filesystem",
        repair: "Clear the field", isSafe: true)

    case .blockMagic:
      IssueEntry(
        .major, "has its attributes in a block that is no such block", repair: "Clear the field")
    case .blockCount:
      IssueEntry(
        .major, "has an attribute block that says it is more than one", repair: "Set it to one")
    case .blockChecksum:
      IssueEntry(
        .minor, "has an attribute block with a wrong checksum and nothing else wrong",
        repair: "Compute it anew")
    case .blockEntryTooLong:
      IssueEntry(
        .major, "has an attribute block in which a name goes past the end",
        repair: "Keep the attributes before it")
    case .blockNoEnd:
      IssueEntry(
        .major, "has an attribute block in which nothing ends the entries",
        repair: "Keep those that fit")
    case .blockNoPrefix:
      IssueEntry(
        .major, "has an attribute block with a name that has no prefix",
        repair: "Remove the attribute")
    case .blockValueOutside:
      IssueEntry(
        .major, "has an attribute block in which a value goes past the end",
        repair: "Remove the attribute")
    case .blockOverlap:
      IssueEntry(
        .major, "has an attribute block in which a value lies over others",
        repair: "Remove the attribute unless its hash tells that the value is its own")
    case .blockHash:
      IssueEntry(
        .major, "has an attribute block with a wrong hash of an attribute",
        repair: "Remove the attribute, or compute the hash where the checksum covers the value",
        isSafe: true)
    case .blockEmptied:
      IssueEntry(
        .major, "names an attribute block of which nothing could be kept",
        repair: "Clear the field")
    case .blockShared:
      IssueEntry(
        .major,
        "is an attribute block that the filesystem itself or the list of bad blocks claims, too",
        repair: "Move the attributes to a block of their own")
    case .blockNoRoom:
      IssueEntry(
        .major, "is an attribute block that must be moved, and there is no room",
        repair: "Give the attributes up")
    case .referenceCount:
      IssueEntry(
        .minor, "is an attribute block with a wrong count of the inodes that name it",
        repair: "Set it to the number found")

    case .valueInodeNumber:
      IssueEntry(
        .major, "has an attribute whose value is said to be in an inode that holds no value",
        repair: "Remove the attribute", isSafe: true)
    case .valueInodeHash:
      IssueEntry(
        .major, "has an attribute whose hash is not that of the value in another inode",
        repair: "Compute the hash anew if the value has the right size, else remove the attribute")
    case .valueInodeFlag:
      IssueEntry(
        .major, "holds an attribute's value and does not say so", repair: "Set its flag",
        isSafe: true)
    case .valueInodeReferenceCount:
      IssueEntry(
        .minor, "holds the value of attributes and has a wrong count of them",
        repair: "Set it to the number found", isSafe: true)
    case .valueInodeUnreferenced:
      IssueEntry(
        .major, "is there for an attribute's value, and no attribute names it",
        repair: "Make it an ordinary file")
    case .valueInodeNamed:
      IssueEntry(
        .major,
        "is there for an attribute's value and has only a name, by which nobody can open it",
        repair: "Make it an ordinary file", isSafe: true)
    case .valueInodeKind:
      IssueEntry(
        .major,
        "is flagged as the place of an attribute's value, which only a nameless file can be",
        repair: "Make it a file if it is the place of one, else clear the flag", isSafe: true)
    case .valueInodeSize:
      IssueEntry(
        .notice, "has an attribute whose size is not that of the inode with its value",
        repair: "Take the inode\'s")
    case .valueInodeSizeBesideData:
      IssueEntry(
        .major,
        "has data in it beside an attribute whose size is not that of the inode with its value",
        repair: "Take the inode's")
    case .valueInodeSizeImpossible:
      IssueEntry(
        .major,
        "has an attribute whose value is in an inode and of a size that no such value has",
        repair: "Take the inode's size if it can be, else remove the attribute")
    case .valueInodeAttributes:
      IssueEntry(
        .major,
        "holds an attribute's value and has attributes itself, for which nobody can read it",
        repair: "Remove its attributes")
    case .valueInodeFeature:
      IssueEntry(
        .notice, "has values in inodes, and the filesystem does not say so",
        repair: "Let the superblock say so", isSafe: true)

    case .junkAtEnd:
      IssueEntry(
        .notice, "has bytes behind its last attribute that are none", repair: "Clear them",
        isSafe: true)
    case .nameWithNul:
      IssueEntry(
        .notice, "has an attribute with a NUL in its name, for which the kernel refuses them all",
        repair: "Cut the name there")
    case .unsorted:
      IssueEntry(
        .notice, "has an attribute block out of order, in which the kernel may miss attributes",
        repair: "Sort it", isSafe: true)
    }
  }
}
