import BlockIO
import Ext4Format
import ExtantBase

/// Pass 2 over one directory after the other: what is the same for all of them, the one that is
/// being looked at, and memory that each uses again.
///
/// A block is scanned in place in `buffer`, mended there, and written back with its checksum.
final class DirectoryPass {
  let round: CheckRound
  let superblock: Superblock
  let blockSize: Int
  let inodeCount: UInt32
  let firstInode: UInt32
  /// Past the reserved ones, those that no directory may name: the orphan file, the projects' quota
  /// file. 0 where there is none.
  let hiddenInodes: (UInt32, UInt32)
  let hasFileType: Bool
  let hasIndexes: Bool
  let hasLargeDirectories: Bool

  /// The directory that is being looked at.
  var directory: CheckedDirectory
  /// The block that is being looked at, or the contents of an inode.
  let buffer: BlockBuffer
  /// Whether `buffer` was changed.
  var isChanged = false
  /// The names of the block so far.
  var names = BlockNames()
  /// The same without regard to case, where the directory has none.
  var foldedNames: Set<[UInt8]> = []
  /// Which parts of the block can be read as entries up to its end; made when first needed.
  var chains: [Bool] = []

  /// Directories to be written anew when all have been seen, with entries that lost their place.
  var rebuilds: [(number: InodeNumber, displaced: [DirectoryEntryImage])] = []
  /// Directories whose ".." is to be set to the parent that was found.
  var orphanedParents: [(number: InodeNumber, block: BlockAddress?, hasIndex: Bool)] = []

  /// Blocks that may still be looked at.
  private var blocksLeft: UInt64

  init(_ round: CheckRound) {
    self.round = round
    superblock = round.superblock
    blockSize = superblock.blockSize
    inodeCount = superblock.inodeCount
    firstInode = superblock.firstInode
    hiddenInodes = (
      superblock.orphanFileInode?.rawValue ?? 0, superblock.quotaInode(.project)?.rawValue ?? 0
    )
    hasFileType = superblock.features.incompat.contains(.filetype)
    hasIndexes = superblock.features.compat.contains(.dirIndex)
    hasLargeDirectories = superblock.features.incompat.contains(.largedir)
    blocksLeft = superblock.blockCount
    buffer = BlockBuffer(byteCount: superblock.blockSize)
    directory = CheckedDirectory(.root, 0, RawInode(byteCount: superblock.inodeSize), superblock)
  }

  /// Checks one directory, whose contents pass 1 found to be `runs`.
  func check(
    _ number: InodeNumber, _ runs: ArraySlice<DirectoryList.Run>
  ) throws(FileSystemError) {
    let entry = round.inodes[number]
    guard entry.isInUse, entry.kind == .directory, let place = round.directories.index(of: number)
    else { return }
    directory = CheckedDirectory(number, place, try round.readInode(number), superblock)
    directory.policy = try encryptionPolicy(number, directory.raw)
    if directory.raw.flags.contains(.inlineData) {
      try checkInline()
    } else {
      try checkBlocks(runs)
    }
    if directory.isRawChanged { try round.writeInode(number, directory.raw) }
    if directory.isRebuilt { rebuilds.append((number, directory.displaced)) }
  }

  /// Reports an issue of the directory. True where it shall be repaired.
  func found(
    _ issue: DirectoryIssue, _ place: Place, found: IssueValue? = nil, expected: IssueValue? = nil
  ) throws(FileSystemError) -> Bool {
    try round.found(.directory(issue), place, found: found, expected: expected)
  }

  // MARK: Blocks

  private func checkBlocks(_ runs: ArraySlice<DirectoryList.Run>) throws(FileSystemError) {
    let hasHole = try checkHoles(runs)
    try checkIndexFlag(runs, hasHole: hasHole)
    for run in runs where run.address.rawValue != 0 {
      // More than there is can only be claimed twice, by what nobody wanted to be mended.
      guard run.count <= blocksLeft else { break }
      blocksLeft -= run.count
      for index in 0..<run.count {
        try checkBlock(
          DirectoryBlock(logical: run.logical &+ index, address: run.address + index))
      }
    }
    try finishIndex()
  }

  private func checkBlock(_ block: DirectoryBlock) throws(FileSystemError) {
    try round.image.read(block.address, into: buffer)
    isChanged = false
    let role = prepareIndex(block)
    names.startBlock()
    if directory.isCasefolded { foldedNames.removeAll(keepingCapacity: true) }
    try checkContents(block, role)
    if isChanged { try sealAndWrite(block.address, role) }
  }

  func sealAndWrite(
    _ address: BlockAddress, _ role: HashTreeNode.Role?
  ) throws(FileSystemError) {
    let buffer = buffer
    var bytes = buffer.mutableBytes
    if let role {
      let count = Int(
        bytes.le16((role == .root ? HashTreeNode.rootHead : HashTreeNode.nodeHead) + 2))
      let limit = directory.format.hashTreeLimit(role)
      if count <= limit {
        directory.format.sealHashTree(
          &bytes, HashTreeNode(role: role, limit: limit, count: count))
      }
    } else if !directory.isTailless {
      directory.format.seal(&bytes)
    }
    try round.image.write(buffer, at: address)
  }

  /// Holes, and contents that do not begin with the first block. True where there are any.
  private func checkHoles(_ runs: ArraySlice<DirectoryList.Run>) throws(FileSystemError) -> Bool {
    let number = directory.number
    // A filesystem with large_dir may free blocks in the middle, unless an index names them all.
    let mayHaveHoles =
      hasLargeDirectories && !superblock.features.incompat.contains(.inlineData)
      && !directory.raw.flags.contains(.index)
    var hasHole = false
    for run in runs where run.address.rawValue == 0 && run.logical > 0 && !mayHaveHoles {
      hasHole = true
      if try found(
        .hole, Place(inode: number, logical: run.logical), found: .number(run.count))
      {
        directory.isRebuilt = true
      }
    }
    if let first = runs.first, first.logical == 0, first.address.rawValue != 0 { return hasHole }
    if try found(.firstBlockMissing, Place(inode: number, logical: 0)) {
      directory.isRebuilt = true
      // "." will be there again.
      round.inodes[number].namesCounted &+= 1
      round.directories[directory.place].dotDot = nil
      orphanedParents.append((number, nil, false))
    }
    return true
  }
}

/// A block of a directory's contents.
struct DirectoryBlock {
  /// Within the directory, in blocks.
  var logical: UInt64
  var address: BlockAddress
}

/// The directory that pass 2 is looking at.
struct CheckedDirectory {
  let number: InodeNumber
  /// Its place in the list of directories.
  let place: Int
  var raw: RawInode
  var isRawChanged = false
  let format: DirectoryBlockFormat
  let isCasefolded: Bool
  /// Entries carry their hash behind the name.
  let carriesHashes: Bool
  /// What its contents are encrypted with; nil where they are not.
  var policy: EncryptionPolicy?
  /// While nothing was found wrong with it.
  var index: DirectoryIndex?
  /// Whether it is to be written anew.
  var isRebuilt = false
  /// Whether the block that is looked at has no room for a checksum.
  var isTailless = false
  /// Used entries that had to give way, for the directory that is written anew.
  var displaced: [DirectoryEntryImage] = []

  init(_ number: InodeNumber, _ place: Int, _ raw: RawInode, _ superblock: Superblock) {
    self.number = number
    self.place = place
    self.raw = raw
    format = DirectoryBlockFormat(
      inode: number, blockSize: superblock.blockSize,
      hasFileType: superblock.features.incompat.contains(.filetype),
      checksumSeed: raw.checksumSeed(number, superblock), inodeCount: superblock.inodeCount)
    isCasefolded =
      raw.flags.contains(.casefold) && superblock.features.incompat.contains(.casefold)
    carriesHashes = isCasefolded && raw.flags.contains(.encrypted)
  }
}
