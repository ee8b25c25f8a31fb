import Ext4Format
import ExtantBase

/// The files that a new filesystem has, and where their blocks are: the root directory, lost+found,
/// the resize inode, the journal and the orphan file.
struct FirstFiles {
  static let lostAndFoundNumber = InodeNumber(11)
  static let orphanFileNumber = InodeNumber(12)
  /// In bytes: how long lost+found is from the start, so that repairs need not allocate. At most as
  /// many blocks as an inode maps directly.
  private static let lostAndFoundByteCount = 16 << 10

  private(set) var superblock: Superblock
  private(set) var used: UsedBlocks
  private(set) var isTouched: [Bool]
  let time: Timestamp
  private(set) var inodes: [(number: InodeNumber, inode: Inode)] = []
  /// Whole blocks, to be written where they belong.
  private(set) var blocks: [(address: UInt64, bytes: [UInt8])] = []
  /// What must be zero but for `blocks`.
  private(set) var zeroed: [Range<UInt64>] = []
  /// Blocks that count as overhead though they are a file's.
  private(set) var journalBlockCount: UInt64 = 0

  init(
    _ placement: TablePlacement, time: Timestamp, rootOwner: (uid: UInt32, gid: UInt32)?
  ) throws(FileSystemError) {
    superblock = placement.superblock
    used = placement.used
    isTouched = placement.isTouched
    self.time = time
    try makeDirectories()
    if let rootOwner, let root = inodes.firstIndex(where: { $0.number == .root }) {
      inodes[root].inode.uid = rootOwner.uid
      inodes[root].inode.gid = rootOwner.gid
    }
    if superblock.features.compat.contains(.resizeInode) { try makeResizeInode() }
    if superblock.features.compat.contains(.hasJournal) { try makeJournal() }
    if superblock.features.compat.contains(.orphanFile) { try makeOrphanFile() }
  }

  /// The last inode in use.
  var lastInode: InodeNumber { inodes.map(\.number).max() ?? Self.lostAndFoundNumber }

  // MARK: - Pieces

  private var sectorsPerBlock: UInt64 { UInt64(superblock.blockSize / 512) }

  private mutating func allocate(
    _ count: UInt64, from goal: UInt64
  ) throws(FileSystemError) -> [Range<UInt64>] {
    let found: [Range<UInt64>]
    do throws(FileSystemError) {
      found = try used.allocate(count, from: goal)
    } catch {
      throw wrong(
        "a filesystem of \(superblock.blockCount) blocks", "its first files do not fit it")
    }
    for range in found {
      guard let first = superblock.group(of: BlockAddress(range.lowerBound)),
        let last = superblock.group(of: BlockAddress(range.upperBound - 1))
      else { continue }
      for group in first.rawValue...last.rawValue { isTouched[Int(group)] = true }
    }
    return found
  }

  private func newInode(mode: UInt16, links: UInt16, size: UInt64, blocks: UInt64) -> Inode {
    var inode = Inode(mode: mode, uid: 0, gid: 0, time: time, superblock: superblock)
    inode.linkCount = links
    inode.size = size
    inode.blocks512 = blocks * sectorsPerBlock
    return inode
  }

  /// A file's inode whose extents map `runs`, with a leaf of its own where the root is too small.
  private mutating func mapped(
    _ number: InodeNumber, mode: UInt16, links: UInt16, _ runs: [Range<UInt64>]
  ) throws(FileSystemError) -> Inode {
    var records: [ExtentRecord] = []
    var logical: UInt32 = 0
    for run in runs {
      var start = run.lowerBound
      while start < run.upperBound {
        let length = min(run.upperBound - start, UInt64(ExtentRecord.maximumWrittenLength))
        records.append(
          ExtentRecord(logical: logical, length: UInt32(length), address: BlockAddress(start)))
        start += length
        logical += UInt32(length)
      }
    }
    var inode = newInode(
      mode: mode, links: links, size: UInt64(logical) * UInt64(superblock.blockSize),
      blocks: UInt64(logical))
    inode.flags = .extents
    var root = ExtentNode(depth: 0, entries: .leaf(records))
    if records.count > ExtentNode.rootCapacity {
      guard records.count <= ExtentNode.capacity(blockSize: superblock.blockSize) else {
        throw wrong("\(superblock.blockCount) blocks", "the journal would be in too many pieces")
      }
      let goal = max(records[0].address.rawValue, 1) - 1
      let leaf = try allocate(1, from: goal)[0].lowerBound
      let seed =
        superblock.hasMetadataChecksums
        ? inode.checksumSeed(number: number, superblock: superblock) : nil
      addBlock(leaf) { root.encode(into: &$0, checksumSeed: seed) }
      inode.blocks512 += sectorsPerBlock
      root = ExtentNode(
        depth: 1, entries: .index([ExtentIndexRecord(logical: 0, child: BlockAddress(leaf))]))
    }
    inode.blockArea = root.encodeRoot()
    return inode
  }

  private mutating func addBlock<E: Error>(
    _ address: UInt64, _ fill: (inout MutableRawSpan) throws(E) -> Void
  ) throws(E) {
    var bytes = [UInt8](repeating: 0, count: superblock.blockSize)
    try bytes.withMutableBytes { (span) throws(E) in try fill(&span) }
    blocks.append((address, bytes))
  }

  // MARK: - Directories

  private mutating func makeDirectories() throws(FileSystemError) {
    let root = InodeNumber.root
    let lost = Self.lostAndFoundNumber
    let start = superblock.groupFirstBlock(GroupIndex(0)).rawValue
    let rootRuns = try allocate(1, from: start)
    let rootInode = try mapped(root, mode: 0o040755, links: 3, rootRuns)
    inodes.append((root, rootInode))

    let count = min(Self.lostAndFoundByteCount / superblock.blockSize, 12)
    let lostRuns = try allocate(UInt64(count), from: start)
    let lostInode = try mapped(lost, mode: 0o040700, links: 2, lostRuns)
    inodes.append((lost, lostInode))

    let rootFormat = directoryFormat(root, rootInode)
    let entry = DirectoryEntryImage(
      inode: lost.rawValue, fileType: rootFormat.hasFileType ? FileKind.directory.directoryCode : 0,
      name: Array("lost+found".utf8))
    try addBlock(rootRuns[0].lowerBound) { (bytes) throws(FileSystemError) in
      rootFormat.initialise(&bytes, parent: root)
      guard let room = try rootFormat.room(for: entry.name.count, in: bytes.bytes) else {
        throw .refused(.noSpace)
      }
      rootFormat.insert(&bytes, into: room, entry)
      rootFormat.seal(&bytes)
    }
    let lostFormat = directoryFormat(lost, lostInode)
    for (index, address) in lostRuns.joined().enumerated() {
      addBlock(address) { bytes in
        if index == 0 {
          lostFormat.initialise(&bytes, parent: root)
        } else {
          lostFormat.clear(&bytes)
        }
        lostFormat.seal(&bytes)
      }
    }
  }

  private func directoryFormat(_ number: InodeNumber, _ inode: Inode) -> DirectoryBlockFormat {
    DirectoryBlockFormat(
      inode: number, blockSize: superblock.blockSize,
      hasFileType: superblock.features.incompat.contains(.filetype),
      checksumSeed: superblock.hasMetadataChecksums
        ? inode.checksumSeed(number: number, superblock: superblock) : nil,
      inodeCount: superblock.inodeCount)
  }

  // MARK: - Resize inode

  /// Inode 7 keeps the blocks reserved behind the descriptor tables, so that only resizing takes
  /// them: its double-indirect block leads to the primary's reserved blocks, and each of those, an
  /// indirect block itself, to the blocks that stand in its place behind the copies.
  private mutating func makeResizeInode() throws(FileSystemError) {
    let reserved = UInt64(superblock.reservedDescriptorBlockCount)
    let table = UInt64(superblock.descriptorTableBlockCount)
    let perBlock = UInt64(superblock.blockSize / 4)
    let goal =
      UInt64(superblock.firstDataBlock) + table + reserved + 2
      + UInt64(superblock.inodeTableBlockCount)
    let double = try allocate(1, from: goal)[0].lowerBound
    let superblock = self.superblock
    let holders = (1..<superblock.groupCount).map { GroupIndex($0) }.filter {
      superblock.groupHasSuperblock($0)
    }
    func reservedBlock(_ index: UInt64, in group: GroupIndex) -> UInt64 {
      superblock.groupFirstBlock(group).rawValue + 1 + table + index
    }
    addBlock(double) { bytes in
      for index in 0..<reserved {
        let slot = Int((table + index) % perBlock) * 4
        bytes.setLE32(
          UInt32(truncatingIfNeeded: reservedBlock(index, in: GroupIndex(0))), at: slot)
      }
    }
    for index in 0..<reserved {
      addBlock(reservedBlock(index, in: GroupIndex(0))) { bytes in
        for (slot, holder) in holders.prefix(Int(perBlock)).enumerated() {
          bytes.setLE32(
            UInt32(truncatingIfNeeded: reservedBlock(index, in: holder)), at: slot * 4)
        }
      }
    }
    var inode = newInode(
      mode: 0o100600, links: 1,
      size: (perBlock * perBlock + perBlock + 12) * UInt64(superblock.blockSize),
      blocks: 1 + reserved * UInt64(1 + holders.count))
    // Word 13 of i_block is the double-indirect pointer.
    inode.blockArea.withMutableBytes {
      $0.setLE32(UInt32(truncatingIfNeeded: double), at: 13 * 4)
    }
    if inode.size > UInt64(Int32.max) { self.superblock.features.readOnlyCompat.insert(.largeFile) }
    inodes.append((.resize, inode))
  }

  // MARK: - Journal and orphan file

  private mutating func makeJournal() throws(FileSystemError) {
    journalBlockCount = Journal.blockCount(for: superblock.blockCount)
    let runs = try allocate(journalBlockCount, from: journalGoal)
    let inode = try mapped(.journal, mode: 0o100600, links: 1, runs)
    inodes.append((.journal, inode))
    zeroed += runs
    let journal = JournalSuperblock(
      blockSize: UInt32(superblock.blockSize), blockCount: UInt32(journalBlockCount),
      uuid: superblock.uuid)
    addBlock(runs[0].lowerBound) { journal.encode(into: &$0) }
    superblock.setJournal(.journal, inode)
  }

  /// Where the journal's first block is looked for: in the middle, to keep seeks short. Of a
  /// flexible group there, the first group that has free blocks or the next, whichever is emptier;
  /// else of the group there and its neighbours.
  private var journalGoal: UInt64 {
    let groups = superblock.groupCount
    let first = UInt64(superblock.firstDataBlock)
    let middle = BlockAddress((superblock.blockCount - first) / 2)
    var group = superblock.group(of: middle)?.rawValue ?? 0
    let flexSize = UInt32(1) << UInt32(superblock.logGroupsPerFlex)
    var candidates: ClosedRange<UInt32>
    if flexSize > 1, group > flexSize {
      group &= ~(flexSize - 1)
      while group < groups, freeBlocks(group) == 0 { group += 1 }
      if group == groups { group = 0 }
      candidates = group...group
    } else {
      candidates = (group > 0 ? group - 1 : 0)...group
    }
    candidates = candidates.lowerBound...min(group + 1, groups - 1)
    var best = candidates.lowerBound
    for candidate in candidates where freeBlocks(candidate) > freeBlocks(best) {
      best = candidate
    }
    return superblock.groupFirstBlock(GroupIndex(best)).rawValue
  }

  private func freeBlocks(_ group: UInt32) -> UInt32 {
    superblock.blocks(in: GroupIndex(group)) - used.usedCount(in: GroupIndex(group))
  }

  private mutating func makeOrphanFile() throws(FileSystemError) {
    // 32 blocks, and in a large filesystem one for each 4,096 up to 512.
    let count = min(max(superblock.blockCount / 4096, 32), 512)
    let number = Self.orphanFileNumber
    let runs = try allocate(count, from: UInt64(superblock.firstDataBlock))
    let inode = try mapped(number, mode: 0o100600, links: 1, runs)
    inodes.append((number, inode))
    let seed =
      superblock.hasMetadataChecksums
      ? inode.checksumSeed(number: number, superblock: superblock) : nil
    let empty = OrphanFileBlock(inodes: [])
    for address in runs.joined() {
      addBlock(address) { bytes in
        empty.encode(into: &bytes, at: BlockAddress(address), checksumSeed: seed)
      }
    }
    superblock.setOrphanFile(number)
  }
}
