import BlockIO
import Ext4Format
import ExtantBase

extension ImageContents {
  // MARK: Inodes

  /// Which numbers are in use.
  mutating func readInodes(
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
    node.device = inode.deviceNumber
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
    if inode.blocks512 != owned * UInt64(CrashModel.blockSize / 512) {
      complain("\(number): \(inode.blocks512) sectors, \(owned) blocks there")
    }
    if isJournal {
      journalBlocks = node.blocks.compactMap { if case .written(let at) = $0 { at } else { nil } }
      return
    }
    check(node, kind)
    if kind == .symbolicLink, node.target.isEmpty, case .written(let address) = node.blocks.first {
      node.target = device.bytes.extracting(Self.range(address)).array(
        0..<min(Int(clamping: inode.size), CrashModel.blockSize))
    }
    nodes[number.rawValue] = node
    if kind == .directory { try readEntries(number, inode, superblock) }
  }

  private mutating func check(_ node: Node, _ kind: FileKind) {
    let reach = (Int(clamping: node.size) + CrashModel.blockSize - 1) / CrashModel.blockSize
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

  mutating func checkInodes(
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
}
