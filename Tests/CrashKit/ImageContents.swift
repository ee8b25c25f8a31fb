import BlockIO
import Ext4Format
import ExtantBase

/// What is in an image of 1 KiB blocks, read without the engine, with everything that is wrong with
/// it: as e2fsck would find, and a little stricter.
///
/// For images made by this kit: extents, no inline data, no attribute inodes.
public struct ImageContents {
  enum Block: CustomStringConvertible {
    case hole
    case unwritten
    /// The block's address.
    case written(Int)

    var description: String {
      switch self {
      case .hole: "a hole"
      case .unwritten: "unwritten"
      case .written(let address): "written (block \(address))"
      }
    }
  }

  struct Node {
    var number: UInt32
    var mode: UInt16
    var size: UInt64
    var links: Int
    var blocks: [Block] = []
    /// Of a directory, without "." and "..".
    var entries: [String: UInt32] = [:]
    var attributes: [[UInt8]: [UInt8]] = [:]
    var target: [UInt8] = []

    var kind: FileKind? { FileKind(mode: mode) }
  }

  /// Broken rules; empty for a sound image.
  private(set) var problems: [String] = []
  /// By number: what is in use and no reserved inode.
  private(set) var nodes: [UInt32: Node] = [:]
  /// Blocks of the journal, its superblock first.
  private(set) var journalBlocks: [Int] = []
  /// Per block, whether the bitmap says that it is in use.
  private(set) var usedBlocks: [Bool] = []

  private let device: BlockBuffer
  private var owners: [UInt32] = []
  private var superblock: Superblock?
  static let metadataOwner = UInt32.max

  /// - Parameter isClosed: whether it must look as after a proper close.
  public init(_ device: BlockBuffer, isClosed: Bool = true) {
    self.device = device
    do throws(FileSystemError) {
      try read(isClosed: isClosed)
    } catch {
      problems.append("\(error)")
    }
  }

  /// Where the block at `address` lies, in bytes.
  private static func range(_ address: Int) -> Range<Int> {
    address * Model.blockSize..<(address + 1) * Model.blockSize
  }

  func bytes(of address: Int, _ range: Range<Int>) -> [UInt8] {
    let start = address * Model.blockSize
    return device.bytes.array(start + range.lowerBound..<start + range.upperBound)
  }

  // MARK: The whole

  private mutating func read(isClosed: Bool) throws(FileSystemError) {
    let device = device
    let start = Int(Superblock.byteOffset)
    let superblock = try Superblock(
      device.bytes.extracting(start..<start + Superblock.byteCount))
    self.superblock = superblock
    guard superblock.blockSize == Model.blockSize, superblock.groupCount == 1,
      Int(superblock.blockCount) * Model.blockSize <= device.byteCount
    else { throw .unsupported(Unsupported("geometry", "one group of 1 KiB blocks")) }
    owners = [UInt32](repeating: 0, count: Int(superblock.blockCount))
    if isClosed { checkClosed(superblock) }
    let table = superblock.descriptorBlock(for: GroupIndex(0))
    let descriptor = try GroupDescriptor(
      device.bytes.extracting(Self.range(Int(table.rawValue))), group: GroupIndex(0),
      superblock: superblock)
    claimLayout(superblock, descriptor)
    let used = try readInodes(superblock, descriptor)
    try walk(superblock)
    checkBlocks(superblock, descriptor)
    checkInodes(superblock, descriptor, used)
    if isClosed { checkJournal(superblock) }
  }

  private mutating func complain(_ text: String) { problems.append(text) }

  private mutating func checkClosed(_ superblock: Superblock) {
    // Without a journal nobody but a check may say so after a crash.
    if superblock.features.compat.contains(.hasJournal), !superblock.state.contains(.clean) {
      complain("superblock: not marked clean")
    }
    if superblock.state.contains(.errors) { complain("superblock: marked as having errors") }
    if superblock.features.incompat.contains(.needsRecovery) {
      complain("superblock: the journal needs recovery")
    }
    if let orphan = superblock.lastOrphan { complain("superblock: orphan \(orphan) is left") }
  }

  private mutating func checkJournal(_ superblock: Superblock) {
    let device = device
    guard let first = journalBlocks.first else { return }
    do throws(FileSystemError) {
      let journal = try JournalSuperblock(
        device.bytes.extracting(Self.range(first)), superblock: superblock)
      if !journal.isClean { complain("journal superblock: not empty") }
      if journal.errno != 0 { complain("journal superblock: errno \(journal.errno)") }
    } catch {
      complain("\(error)")
    }
  }

  // MARK: Blocks

  private mutating func claim(_ address: UInt64, count: UInt64 = 1, _ owner: UInt32) {
    for place in address..<address &+ count {
      guard place < UInt64(owners.count) else { return complain("block \(place) is outside") }
      let before = owners[Int(place)]
      if before != 0 { complain("block \(place) belongs to inodes \(before) and \(owner)") }
      owners[Int(place)] = owner
    }
  }

  private mutating func claimLayout(_ superblock: Superblock, _ descriptor: GroupDescriptor) {
    let area = superblock.superblockAreaBlockCount(in: GroupIndex(0))
    claim(UInt64(superblock.firstDataBlock), count: UInt64(area), Self.metadataOwner)
    claim(descriptor.blockBitmap.rawValue, Self.metadataOwner)
    claim(descriptor.inodeBitmap.rawValue, Self.metadataOwner)
    claim(
      descriptor.inodeTable.rawValue, count: UInt64(superblock.inodeTableBlockCount),
      Self.metadataOwner)
  }

  private mutating func checkBlocks(_ superblock: Superblock, _ descriptor: GroupDescriptor) {
    let device = device
    let bitmap = device.bytes.extracting(Self.range(Int(descriptor.blockBitmap.rawValue)))
    do throws(FileSystemError) {
      try Bitmap.verifyBlockBitmap(
        bitmap, group: GroupIndex(0), descriptor: descriptor, superblock: superblock)
    } catch { complain("\(error)") }
    usedBlocks = [Bool](repeating: true, count: owners.count)
    var free: UInt64 = 0
    for address in Int(superblock.firstDataBlock)..<owners.count {
      let isUsed = bitmap.bit(address - Int(superblock.firstDataBlock))
      usedBlocks[address] = isUsed
      if !isUsed { free += 1 }
      if isUsed != (owners[address] != 0) {
        complain(
          isUsed
            ? "block \(address) is in use by nobody"
            : "block \(address) of inode \(owners[address]) is free")
      }
    }
    if UInt64(descriptor.freeBlocks) != free {
      complain("group: \(descriptor.freeBlocks) free blocks, \(free) there")
    }
    if superblock.freeBlockCount != free {
      complain("superblock: \(superblock.freeBlockCount) free blocks, \(free) there")
    }
  }

  // MARK: Inodes

  /// Which numbers are in use.
  private mutating func readInodes(
    _ superblock: Superblock, _ descriptor: GroupDescriptor
  ) throws(FileSystemError) -> [UInt32] {
    let device = device
    let bitmap = device.bytes.extracting(Self.range(Int(descriptor.inodeBitmap.rawValue)))
    try Bitmap.verifyInodeBitmap(
      bitmap, group: GroupIndex(0), descriptor: descriptor, superblock: superblock)
    var used: [UInt32] = []
    for number in 1...superblock.inodeCount where bitmap.bit(Int(number) - 1) {
      used.append(number)
      let inode = InodeNumber(number)
      let isReserved = number < superblock.firstInode && inode != .root
      let isJournal = inode == superblock.journalInode
      if isReserved && !isJournal && inode != .resize { continue }
      let place = try superblock.inodeLocation(inode, descriptor: descriptor)
      let slot = device.bytes.extracting(Self.range(Int(place.block.rawValue))).extracting(
        place.offset..<place.offset + superblock.inodeSize)
      if inode == .resize && Inode.isUnused(slot) { continue }
      do throws(FileSystemError) {
        let record = try Inode(slot, number: inode, superblock: superblock)
        try read(inode, record, slot, superblock, isJournal: isJournal)
      } catch {
        complain("\(error)")
      }
    }
    return used
  }

  private mutating func read(
    _ number: InodeNumber, _ inode: Inode, _ slot: RawSpan, _ superblock: Superblock,
    isJournal: Bool
  ) throws(FileSystemError) {
    let device = device
    func broken(_ rule: String) -> FileSystemError {
      .corrupt(Corruption("inode", inode: number, rule))
    }
    if number == .resize { throw .unsupported(Unsupported("resize_inode", "not in such images")) }
    var node = Node(
      number: number.rawValue, mode: inode.mode, size: inode.size, links: Int(inode.linkCount))
    guard let kind = node.kind else { throw broken("mode \(inode.mode) is of no kind") }
    if inode.linkCount == 0 { complain("inode \(number.rawValue) has no links and is in use") }
    if inode.deletionTime != 0 { complain("inode \(number.rawValue) has a deletion time") }
    var owned: UInt64 = 0
    if inode.fileACL.rawValue != 0 {
      guard superblock.contains(inode.fileACL) else { throw broken("attribute block outside") }
      claim(inode.fileACL.rawValue, number.rawValue)
      owned += 1
      let attributes = try XattrBlock(
        device.bytes.extracting(Self.range(Int(inode.fileACL.rawValue))), at: inode.fileACL,
        inode: number,
        checksumSeed: superblock.checksumSeed)
      if attributes.referenceCount != 1 { complain("\(number): attribute block shared by nobody") }
      enter(attributes.attributes, &node)
    }
    if let range = inode.xattrRange(inodeSize: superblock.inodeSize) {
      enter(try InodeXattrs.decode(slot.array(range), inode: number), &node)
    }
    if inode.isFastSymlink(superblock: superblock) {
      node.target = inode.fastSymlinkTarget ?? []
    } else if [.regular, .directory, .symbolicLink].contains(kind) {
      guard inode.flags.contains(.extents) else { throw broken("it has no extents") }
      let tree = ExtentTreeContext(
        inode: number, firstDataBlock: BlockAddress(UInt64(superblock.firstDataBlock)),
        blockCount: superblock.blockCount,
        checksumSeed: inode.checksumSeed(
          number: number, superblock: superblock))
      let root = try ExtentNode(root: inode.blockArea, tree)
      owned += try map(root, &node, tree, isUnlimited: isJournal)
    }
    if inode.blocks512 != owned * UInt64(Model.blockSize / 512) {
      complain("\(number): \(inode.blocks512) sectors, \(owned) blocks there")
    }
    if isJournal {
      journalBlocks = node.blocks.compactMap { if case .written(let at) = $0 { at } else { nil } }
      return
    }
    check(node, kind)
    if kind == .symbolicLink, node.target.isEmpty, case .written(let address) = node.blocks.first {
      node.target = device.bytes.extracting(Self.range(address)).array(
        0..<min(Int(clamping: inode.size), Model.blockSize))
    }
    nodes[number.rawValue] = node
    if kind == .directory { try readEntries(number, inode, superblock) }
  }

  private mutating func check(_ node: Node, _ kind: FileKind) {
    let reach = (Int(clamping: node.size) + Model.blockSize - 1) / Model.blockSize
    guard reach < node.blocks.count else { return }
    for (index, block) in node.blocks.enumerated().dropFirst(reach) {
      if case .written = block {
        complain("inode \(node.number): written block \(index) behind its end at \(node.size)")
      }
    }
  }

  private func enter(_ attributes: [Xattr], _ node: inout Node) {
    for attribute in attributes {
      node.attributes[attribute.name.text ?? attribute.name.suffix] = attribute.value
    }
  }

  /// Claims the tree's blocks and enters its extents. Returns how many blocks they are.
  private mutating func map(
    _ tree: ExtentNode, _ node: inout Node, _ context: ExtentTreeContext, isUnlimited: Bool
  ) throws(FileSystemError) -> UInt64 {
    let device = device
    var owned: UInt64 = 0
    switch tree.entries {
    case .leaf(let records):
      for record in records {
        claim(record.address.rawValue, count: UInt64(record.length), node.number)
        owned += UInt64(record.length)
        let end = Int(record.logical) + Int(record.length)
        guard isUnlimited || end <= 4096 else {
          complain("inode \(node.number): extent at block \(record.logical)")
          continue
        }
        while node.blocks.count < end { node.blocks.append(.hole) }
        for index in 0..<Int(record.length) {
          node.blocks[Int(record.logical) + index] =
            record.isUnwritten ? .unwritten : .written(Int(record.address.rawValue) + index)
        }
      }
    case .index(let records):
      for (index, record) in records.enumerated() {
        claim(record.child.rawValue, node.number)
        owned += 1
        let next = index + 1 < records.count ? records[index + 1].logical : nil
        let child = try ExtentNode(
          block: device.bytes.extracting(Self.range(Int(record.child.rawValue))), at: record.child,
          depth: tree.depth - 1,
          key: record.logical, end: next, context)
        owned += try map(child, &node, context, isUnlimited: isUnlimited)
      }
    }
    return owned
  }

  private mutating func checkInodes(
    _ superblock: Superblock, _ descriptor: GroupDescriptor, _ used: [UInt32]
  ) {
    let free = superblock.inodeCount - UInt32(used.count)
    if descriptor.freeInodes != free {
      complain("group: \(descriptor.freeInodes) free inodes, \(free) there")
    }
    if superblock.freeInodeCount != free {
      complain("superblock: \(superblock.freeInodeCount) free inodes, \(free) there")
    }
    let directories = nodes.values.count { $0.kind == .directory }
    if descriptor.usedDirectories != directories {
      complain("group: \(descriptor.usedDirectories) directories, \(directories) there")
    }
    if let last = used.last, last > superblock.inodeCount - descriptor.unusedInodes {
      complain("group: inode \(last) is among the \(descriptor.unusedInodes) never used")
    }
  }

  // MARK: Directories

  private mutating func readEntries(
    _ number: InodeNumber, _ inode: Inode, _ superblock: Superblock
  ) throws(FileSystemError) {
    let device = device
    guard var node = nodes[number.rawValue] else { return }
    let format = DirectoryBlockFormat(
      inode: number, blockSize: Model.blockSize, hasFileType: true,
      checksumSeed: inode.checksumSeed(number: number, superblock: superblock),
      inodeCount: superblock.inodeCount)
    let count = Int(clamping: node.size) / Model.blockSize
    guard count == node.blocks.count, Int(clamping: node.size) % Model.blockSize == 0 else {
      complain("directory \(number.rawValue): \(node.size) bytes, \(node.blocks.count) blocks")
      return
    }
    let isTree = inode.flags.contains(.index)
    for (index, place) in node.blocks.enumerated() {
      guard case .written(let address) = place else {
        complain("directory \(number.rawValue): block \(index) is \(place)")
        continue
      }
      let bytes = device.bytes.extracting(Self.range(address))
      let at = BlockAddress(UInt64(address))
      if isTree && index == 0 {
        try format.verifyHashTree(bytes, .root, at: at, blockCount: UInt64(count))
        node.entries["."] = bytes.le32(0)
        node.entries[".."] = bytes.le32(12)
        continue
      }
      try format.verify(bytes, at: at)
      var twice: [String] = []
      try format.forEachRecord(bytes, block: at) { record in
        guard record.isUsed else { return true }
        let name = String(decoding: bytes.array(record.nameRange), as: UTF8.self)
        if node.entries.updateValue(record.inode, forKey: name) != nil { twice.append(name) }
        return true
      }
      for name in twice { complain("directory \(number.rawValue): \(name) is there twice") }
    }
    nodes[number.rawValue] = node
  }

  /// Follows the names from the root: every inode is reached, and has as many links as names.
  private mutating func walk(_ superblock: Superblock) throws(FileSystemError) {
    var links: [UInt32: Int] = [:]
    var reached: Set<UInt32> = [InodeNumber.root.rawValue]
    var pending: [(directory: UInt32, parent: UInt32)] = [
      (InodeNumber.root.rawValue, InodeNumber.root.rawValue)
    ]
    while let (directory, parent) = pending.popLast() {
      guard var node = nodes[directory] else { continue }
      if node.entries.removeValue(forKey: ".") != directory {
        complain("directory \(directory): \".\" is another")
      }
      if node.entries.removeValue(forKey: "..") != parent {
        complain("directory \(directory): \"..\" is not \(parent)")
      }
      nodes[directory] = node
      links[directory, default: 0] += 1
      links[parent, default: 0] += 1
      for (name, number) in node.entries {
        guard let child = nodes[number] else {
          complain("directory \(directory): \(name) names free inode \(number)")
          continue
        }
        links[number, default: 0] += 1
        if child.kind == .directory {
          guard reached.insert(number).inserted else {
            complain("directory \(number) has two names")
            continue
          }
          pending.append((number, directory))
        } else {
          reached.insert(number)
        }
      }
    }
    for (number, node) in nodes {
      guard reached.contains(number) else {
        complain("inode \(number) has no name")
        continue
      }
      if node.links != links[number, default: 0] {
        complain("inode \(number) has \(node.links) links, \(links[number, default: 0]) names")
      }
    }
  }
}
