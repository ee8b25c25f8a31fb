/// Directory blocks, their entries and hash trees.
public enum DirectoryIssue: String, IssueArea {
  // Blocks.
  case hole = "hole"
  case firstBlockMissing = "first-block-missing"
  case blockChecksum = "block-checksum"
  case tailMissing = "tail-missing"
  case tailDamaged = "tail-damaged"

  // Records.
  case recordTooShort = "record-too-short"
  case recordUnaligned = "record-unaligned"
  case recordPastEnd = "record-past-end"
  case recordLeavesGap = "record-leaves-gap"
  case nameTooLong = "name-too-long"

  // "." and "..".
  case dotMissing = "dot-missing"
  case firstNotDot = "first-not-dot"
  case dotInode = "dot-inode"
  case dotNotTerminated = "dot-not-terminated"
  case dotTooLong = "dot-too-long"
  case dotDotMissing = "dotdot-missing"
  case secondNotDotDot = "second-not-dotdot"
  case dotDotNotTerminated = "dotdot-not-terminated"
  case dotDotInode = "dotdot-inode"
  case dotDotUnused = "dotdot-unused"
  case duplicateDot = "duplicate-dot"
  case duplicateDotDot = "duplicate-dotdot"

  // What entries name.
  case inodeOutOfRange = "inode-out-of-range"
  case inodeReserved = "inode-reserved"
  case inodeUnused = "inode-unused"
  case linkToSelf = "link-to-self"
  case linkToRoot = "link-to-root"
  case linkedTwice = "linked-twice"

  // Names and kinds.
  case emptyName = "empty-name"
  case nameHasNul = "name-has-nul"
  case nameHasSlash = "name-has-slash"
  case nameBadEncoding = "name-bad-encoding"
  case duplicateName = "duplicate-name"
  case duplicateFoldedName = "duplicate-folded-name"
  case duplicateInlineName = "duplicate-inline-name"
  case duplicateEntry = "duplicate-entry"
  case fileTypeMissing = "file-type-missing"
  case fileTypeWrong = "file-type-wrong"
  case fileTypeNotAllowed = "file-type-not-allowed"

  // Encrypted directories.
  case encryptedNameTooShort = "encrypted-name-too-short"
  case unencryptedEntry = "unencrypted-entry"
  case otherPolicy = "other-policy"

  // Hash trees.
  case indexRoot = "index-root"
  case indexHashVersion = "index-hash-version"
  case indexNeedsSipHash = "index-needs-siphash"
  case indexForbidsSipHash = "index-forbids-siphash"
  case indexFlags = "index-flags"
  case indexTooDeep = "index-too-deep"
  case indexRootLayout = "index-root-layout"
  case indexRootChecksum = "index-root-checksum"
  case indexNodeChecksum = "index-node-checksum"
  case indexLimit = "index-limit"
  case indexCount = "index-count"
  case indexBlock = "index-block"
  case indexOrder = "index-order"
  case indexBlockUnreferenced = "index-block-unreferenced"
  case indexBlockReferencedTwice = "index-block-referenced-twice"
  case indexLeafDepth = "index-leaf-depth"
  case indexHashBelow = "index-hash-below"
  case indexHashAbove = "index-hash-above"
  case indexNodeAbove = "index-node-above"

  // Directories in their inode.
  case inlineSize = "inline-size"
  case inlineParent = "inline-parent"
  case inlineParentUnused = "inline-parent-unused"

  public var entry: IssueEntry {
    switch self {
    case .hole, .firstBlockMissing, .blockChecksum, .tailMissing, .tailDamaged: blockEntry
    case .recordTooShort, .recordUnaligned, .recordPastEnd, .recordLeavesGap, .nameTooLong:
      recordEntry
    case .dotMissing, .firstNotDot, .dotInode, .dotNotTerminated, .dotTooLong, .dotDotMissing,
      .secondNotDotDot, .dotDotNotTerminated, .dotDotInode, .dotDotUnused, .duplicateDot,
      .duplicateDotDot:
      dotEntry
    case .inodeOutOfRange, .inodeReserved, .inodeUnused,
      .linkToSelf, .linkToRoot, .linkedTwice:
      targetEntry
    case .emptyName, .nameHasNul, .nameHasSlash, .nameBadEncoding, .duplicateName,
      .duplicateFoldedName, .duplicateInlineName,
      .duplicateEntry, .fileTypeMissing, .fileTypeWrong, .fileTypeNotAllowed,
      .encryptedNameTooShort, .unencryptedEntry, .otherPolicy:
      nameEntry
    case .inlineSize, .inlineParent, .inlineParentUnused: inlineEntry
    default: indexEntry
    }
  }

  private var blockEntry: IssueEntry {
    switch self {
    case .hole:
      IssueEntry(.major, "is a directory with a hole", repair: "Close it")
    case .firstBlockMissing:
      IssueEntry(
        .major, "is a directory without its first block",
        repair: "Write the directory anew from the blocks that it has")
    case .blockChecksum:
      IssueEntry(
        .minor, "has a directory block with a wrong checksum",
        repair: "Check what it holds and compute the checksum anew", isSafe: true)
    case .tailMissing:
      IssueEntry(
        .minor, "has a directory block without room for its checksum",
        repair: "Write the directory anew", isSafe: true)
    default:
      IssueEntry(
        .minor, "has a directory block without its checksum's entry", repair: "Add it",
        isSafe: true)
    }
  }

  private var recordEntry: IssueEntry {
    let what =
      switch self {
      case .recordTooShort: "has a directory entry that is too short"
      case .recordUnaligned: "has a directory entry whose length is no multiple of 4"
      case .recordPastEnd: "has a directory entry that passes the end of its block"
      case .recordLeavesGap: "has a directory entry that leaves less than an entry behind it"
      default: "has a directory entry that is shorter than its name"
      }
    return IssueEntry(.major, what, repair: "Keep the entries around it that can be used")
  }

  private var dotEntry: IssueEntry {
    switch self {
    case .dotMissing:
      IssueEntry(.major, "is a directory without '.'", repair: "Add it")
    case .firstNotDot:
      IssueEntry(
        .major, "is a directory whose first entry is not '.'",
        repair: "Put '.' there, and the entry elsewhere")
    case .dotInode:
      IssueEntry(.major, "is a directory whose '.' names another inode", repair: "Correct it")
    case .dotNotTerminated:
      IssueEntry(
        .minor, "is a directory with a byte behind the name '.'", repair: "Clear it")
    case .dotTooLong:
      IssueEntry(
        .notice, "is a directory whose '.' takes more than its place",
        repair: "Cut it")
    case .dotDotMissing:
      IssueEntry(.major, "is a directory without '..'", repair: "Add it")
    case .secondNotDotDot:
      IssueEntry(
        .major, "is a directory whose second entry is not '..'",
        repair: "Put '..' there, and the entry elsewhere")
    case .dotDotNotTerminated:
      IssueEntry(
        .minor, "is a directory with a byte behind the name '..'", repair: "Clear it")
    case .dotDotInode:
      IssueEntry(
        .major, "is a directory whose '..' names an inode that cannot be a parent",
        repair: "Name the parent")
    case .dotDotUnused:
      IssueEntry(
        .major, "is a directory whose '..' names an inode that is not in use",
        repair: "Name the parent")
    case .duplicateDot:
      IssueEntry(.major, "is a directory with a second '.'", repair: "Remove it")
    default:
      IssueEntry(.major, "is a directory with a second '..'", repair: "Remove it")
    }
  }

  private var targetEntry: IssueEntry {
    switch self {
    case .inodeOutOfRange:
      IssueEntry(
        .major, "has an entry for an inode number that there is not", repair: "Remove the entry")
    case .inodeReserved:
      IssueEntry(.major, "has an entry for a reserved inode", repair: "Remove the entry")
    case .inodeUnused:
      // What a crash without a journal leaves: nobody has to be there at every boot after one.
      IssueEntry(
        .major, "has an entry for an inode that is not in use", repair: "Remove the entry",
        isSafe: true)
    case .linkToSelf:
      IssueEntry(.major, "is a directory with an entry for itself", repair: "Remove the entry")
    case .linkToRoot:
      IssueEntry(.major, "has an entry for the root directory", repair: "Remove the entry")
    default:
      IssueEntry(
        .major, "has an entry for a directory that has a name already", repair: "Remove the entry")
    }
  }

  private var nameEntry: IssueEntry {
    switch self {
    case .emptyName:
      IssueEntry(.major, "has an entry without a name", repair: "Remove the entry")
    case .nameHasNul:
      IssueEntry(.major, "has a name with a zero byte", repair: "Put '.' in its place")
    case .nameHasSlash:
      IssueEntry(.major, "has a name with a slash", repair: "Put '.' in its place")
    case .nameBadEncoding:
      IssueEntry(
        .major, "has a name that is no UTF-8, which its directory demands",
        repair: "Put '.' in place of what cannot be read")
    case .duplicateName:
      IssueEntry(.major, "has a name twice, for different inodes", repair: "Rename one")
    case .duplicateFoldedName:
      IssueEntry(
        .notice, "does not tell upper from lower case and has a name twice", repair: "Rename one")
    case .duplicateInlineName:
      IssueEntry(
        .notice, "is a directory in its inode and has a name twice",
        repair: "Rename one, or remove one of the same inode")
    case .duplicateEntry:
      IssueEntry(.major, "has an entry twice", repair: "Remove one")
    case .fileTypeMissing:
      IssueEntry(
        .notice, "has an entry without its inode's kind", repair: "Set it", isSafe: true)
    case .fileTypeWrong:
      IssueEntry(.minor, "has an entry with a wrong kind of inode", repair: "Set it")
    case .fileTypeNotAllowed:
      IssueEntry(
        .minor, "has an entry with a kind of inode, which the filesystem does not know",
        repair: "Clear it", isSafe: true)
    case .encryptedNameTooShort:
      IssueEntry(
        .major, "has a name that is too short to be encrypted", repair: "Remove the entry")
    case .unencryptedEntry:
      IssueEntry(
        .major, "is encrypted and has an entry for what is not", repair: "Remove the entry")
    default:
      IssueEntry(
        .major, "has an entry for what is encrypted in another way", repair: "Remove the entry")
    }
  }

  private var inlineEntry: IssueEntry {
    switch self {
    case .inlineSize:
      IssueEntry(
        .major, "is a directory in its inode whose size cannot be", repair: "Correct the size")
    case .inlineParent:
      IssueEntry(
        .major, "is a directory in its inode whose parent cannot be one", repair: "Name the parent")
    default:
      IssueEntry(
        .major, "is a directory in its inode whose parent is not in use",
        repair: "Name the parent")
    }
  }

  private var indexEntry: IssueEntry {
    let what =
      switch self {
      case .indexRoot: "has a hash tree with a damaged root"
      case .indexHashVersion: "has a hash tree with an unknown hash"
      case .indexNeedsSipHash: "has a hash tree without SipHash, which its names need"
      case .indexForbidsSipHash: "has a hash tree with SipHash, which its names do not carry"
      case .indexFlags: "has a hash tree with unknown flags"
      case .indexTooDeep: "has a hash tree that is too deep"
      case .indexRootLayout: "has a hash tree whose root is not covered by '..'"
      case .indexRootChecksum: "has a hash tree whose root has a wrong checksum"
      case .indexNodeChecksum: "has a hash tree with a node that has a wrong checksum"
      case .indexLimit: "has a hash tree with a node of the wrong size"
      case .indexCount: "has a hash tree with a node of more entries than fit"
      case .indexBlock: "has a hash tree that names a block which the directory has not"
      case .indexOrder: "has a hash tree whose hashes are out of order"
      case .indexBlockUnreferenced: "has a block that its hash tree does not name"
      case .indexBlockReferencedTwice: "has a block that its hash tree names twice"
      case .indexLeafDepth: "has a hash tree with a leaf at the wrong depth"
      case .indexHashBelow: "has a name in a block whose hashes are above its own"
      case .indexHashAbove: "has a name in a block whose hashes are below its own"
      default: "has a hash tree with a node that goes beyond what its own node says"
      }
    // Names behind it are not found; e2fsck takes it for sound.
    let severity: Severity = self == .indexNodeAbove ? .notice : .major
    // A tree that can be thrown away as a whole is no matter for a person; one that is torn is: what
    // tore it may have taken names.
    let isTorn =
      switch self {
      case .indexRoot, .indexNeedsSipHash, .indexTooDeep, .indexRootLayout, .indexRootChecksum,
        .indexLimit, .indexCount, .indexOrder, .indexNodeAbove:
        false
      default: true
      }
    return IssueEntry(severity, what, repair: "Build the tree anew", isSafe: !isTorn)
  }
}
