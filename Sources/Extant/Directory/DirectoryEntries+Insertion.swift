import BlockIO
import Ext4Format
import ExtantBase
import SystemPackage

/// A place for a new name, with everything read that the insertion will touch.
struct DirectoryInsertion {
  fileprivate enum Place {
    /// A linear directory's block with room.
    case block(DirectoryBlock)
    /// A new block at a linear directory's end.
    case append
    /// The only block of a directory that becomes a hash tree.
    case convert(DirectoryBlock)
    case leaf(HashTreePath, DirectoryBlock)
  }

  /// The most blocks that one insertion can need: a leaf and an index node.
  static let worstCaseNewBlocks = 2

  let name: [UInt8]
  /// How many new blocks the insertion takes at most; the caller reserves them.
  let newBlockCount: Int
  fileprivate let place: Place
}

// MARK: - Planning

extension DirectoryEntries {
  /// Looks for a place for `name`, which the directory must not hold yet.
  ///
  /// Throws EEXIST where it meets the name (it does not look everywhere for it), ENOSPC when the
  /// directory can hold no more: its index is full at every level.
  func planInsertion(of name: [UInt8]) throws(FileSystemError) -> DirectoryInsertion {
    storage.isIndexed ? try planInTree(name) : try planLinearly(name)
  }

  private func planLinearly(_ name: [UInt8]) throws(FileSystemError) -> DirectoryInsertion {
    let count = storage.blockCount
    var logical = LogicalBlock(0)
    while logical.rawValue < count {
      let block = try storage.readEntries(logical)
      try refuseDuplicate(name, in: block)
      if try hasRoom(for: name, in: block) {
        return DirectoryInsertion(name: name, newBlockCount: 0, place: .block(block))
      }
      if storage.mayBeIndexed, count == 1 { return try planConversion(name, block) }
      logical = logical + 1
    }
    return DirectoryInsertion(name: name, newBlockCount: 1, place: .append)
  }

  private func planConversion(
    _ name: [UInt8], _ block: DirectoryBlock
  ) throws(FileSystemError) -> DirectoryInsertion {
    let images = try format.images(block.buffer.bytes, block: block.address)
    guard images.count >= 2, images[0].name == [0x2e], images[1].name == [0x2e, 0x2e] else {
      throw format.corrupt("does not begin with \".\" and \"..\"", at: block.address)
    }
    return DirectoryInsertion(name: name, newBlockCount: 2, place: .convert(block))
  }

  private func planInTree(_ name: [UInt8]) throws(FileSystemError) -> DirectoryInsertion {
    let path = try probe(for: name).path
    let leaf = try readLeaf(path)
    try refuseDuplicate(name, in: leaf)
    var newBlockCount = 0
    let length = DirectoryEntryRecord.length(nameLength: name.count)
    if try !hasRoom(for: name, in: leaf), try !fitsPacked(length, inLeaf: leaf) {
      guard let count = path.newBlockCountOfSplit else { throw .refused(.noSpace) }
      newBlockCount = count
    }
    return DirectoryInsertion(
      name: name, newBlockCount: newBlockCount, place: .leaf(path, leaf))
  }

  private func refuseDuplicate(
    _ name: [UInt8], in block: DirectoryBlock
  ) throws(FileSystemError) {
    let found = try format.find(name, in: block.buffer.bytes, block: block.address)
    guard found == nil else { throw .refused(.fileExists) }
  }

  private func hasRoom(
    for name: [UInt8], in block: DirectoryBlock
  ) throws(FileSystemError) -> Bool {
    try format.room(for: name.count, in: block.buffer.bytes, block: block.address) != nil
  }

  /// Whether a leaf takes an entry of `length` bytes when its gaps are closed. (The order of a
  /// linear directory's entries is what its readers' positions rest on: it is never packed.)
  private func fitsPacked(
    _ length: Int, inLeaf leaf: DirectoryBlock
  ) throws(FileSystemError) -> Bool {
    let used = try format.usedByteCount(leaf.buffer.bytes, block: leaf.address)
    return used + length <= format.entriesEnd
  }
}

extension HashTreePath {
  /// New blocks for the split of this way's leaf: the leaf, and an index node when the node above
  /// the leaf is full. nil when the root is full as well and may not grow.
  fileprivate var newBlockCountOfSplit: Int? {
    guard let lowest = frames.last, lowest.node.isFull else { return 1 }
    let mayGrow = frames.count <= HashTreeRootInfo.maximumIndirectLevels
    guard mayGrow || !frames[frames.count - 2].node.isFull else { return nil }
    return 2
  }
}

// MARK: - Inserting

extension DirectoryEntries {
  /// Inserts the planned name. The blocks that the plan needs have been reserved.
  func insert(
    _ insertion: DirectoryInsertion, inode: InodeNumber, _ kind: FileKind,
    _ handle: Storage.Handle
  ) throws(FileSystemError) {
    let image = DirectoryEntryImage(
      inode: inode.rawValue, fileType: format.hasFileType ? kind.directoryCode : 0,
      name: insertion.name)
    switch insertion.place {
    case .block(let block):
      guard try insert(image, intoRoomOf: block, handle) else {
        throw format.corrupt("lost the room it had", at: block.address)
      }
    case .append:
      let block = try storage.append(handle)
      handle.modify(block.address, block.buffer)
      pack([image], into: block)
    case .convert(let block):
      // A removal in the same operation may have made room; the plan's checks still hold.
      guard try !insert(image, intoRoomOf: block, handle) else { return }
      try convertAndInsert(image, block, handle)
    case .leaf(let path, let leaf):
      guard try !insert(image, intoLeaf: leaf, handle) else { return }
      try splitAndInsert(image, path, leaf, handle)
    }
  }

  /// False, and nothing changed, when the block has no room in one piece.
  private func insert(
    _ image: DirectoryEntryImage, intoRoomOf block: DirectoryBlock, _ handle: Storage.Handle
  ) throws(FileSystemError) -> Bool {
    let room = try format.room(
      for: image.name.count, in: block.buffer.bytes, block: block.address)
    guard let room else { return false }
    handle.modify(block.address, block.buffer)
    var bytes = block.buffer.mutableBytes
    format.insert(&bytes, into: room, image)
    format.seal(&bytes)
    return true
  }

  /// False, and nothing changed, when the leaf has no room, not even with its gaps closed.
  private func insert(
    _ image: DirectoryEntryImage, intoLeaf leaf: DirectoryBlock, _ handle: Storage.Handle
  ) throws(FileSystemError) -> Bool {
    if try insert(image, intoRoomOf: leaf, handle) { return true }
    guard try fitsPacked(image.length, inLeaf: leaf) else { return false }
    let images = try format.images(leaf.buffer.bytes, block: leaf.address)
    handle.modify(leaf.address, leaf.buffer)
    pack(images + [image], into: leaf)
    return true
  }

  private func pack(_ images: [DirectoryEntryImage], into block: DirectoryBlock) {
    var bytes = block.buffer.mutableBytes
    format.pack(&bytes, images)
    format.seal(&bytes)
  }
}

// MARK: - Growing the tree

extension DirectoryEntries {
  /// Moves the entries of a full linear block to a leaf, makes the block the root above it, and
  /// goes on as in any tree.
  private func convertAndInsert(
    _ image: DirectoryEntryImage, _ first: DirectoryBlock, _ handle: Storage.Handle
  ) throws(FileSystemError) {
    let images = try format.images(first.buffer.bytes, block: first.address)
    let leaf = try storage.append(handle)
    storage.setIndexFlag(handle)
    handle.modify(leaf.address, leaf.buffer)
    pack(Array(images.dropFirst(2)), into: leaf)

    handle.modify(first.address, first.buffer)
    var bytes = first.buffer.mutableBytes
    let root = format.makeHashTreeRoot(
      &bytes, dot: images[0], dotDot: images[1], version: storage.hash.version,
      leaf: UInt32(truncatingIfNeeded: leaf.logical.rawValue))
    format.sealHashTree(&bytes, root)

    guard try !insert(image, intoLeaf: leaf, handle) else { return }
    let frame = HashTreePath.Frame(block: first, node: root, position: 0)
    try splitAndInsert(image, HashTreePath(frames: [frame]), leaf, handle)
  }

  /// Moves the upper half of a leaf's hashes to a new leaf and inserts into the half where the
  /// name belongs.
  ///
  /// Both halves take the name: entries are at most 264 bytes, a half at most half a block and
  /// half an entry, and blocks at least 1,024 bytes.
  private func splitAndInsert(
    _ image: DirectoryEntryImage, _ path: HashTreePath, _ leaf: DirectoryBlock,
    _ handle: Storage.Handle
  ) throws(FileSystemError) {
    var path = path
    let function = try treeHash()
    let images = try format.images(leaf.buffer.bytes, block: leaf.address)
    let sorted = images.map { (hash: function.hash($0.name), image: $0) }
      .sorted { $0.hash < $1.hash }
    let split = splitPosition(sorted.map(\.image.length))
    var lower = sorted[..<split].map(\.image)
    var upper = sorted[split...].map(\.image)
    let boundary = sorted[split].hash.major
    let isContinuation = sorted[split - 1].hash.major == boundary

    storage.willSplit()
    // Everything that could still fail comes before the first change.
    let newLeaf = try storage.append(handle)
    if path.frames[path.frames.count - 1].node.isFull {
      makeRoomForEntry(&path, try storage.append(handle), handle)
    }
    if function.hash(image.name).major >= boundary {
      upper.append(image)
    } else {
      lower.append(image)
    }
    handle.modify(newLeaf.address, newLeaf.buffer)
    pack(upper, into: newLeaf)
    handle.modify(leaf.address, leaf.buffer)
    pack(lower, into: leaf)

    let entry = HashTreeEntry(
      hash: boundary | (isContinuation ? HashTreeEntry.continuationBit : 0),
      block: UInt32(truncatingIfNeeded: newLeaf.logical.rawValue))
    insert(entry, behind: &path.frames[path.frames.count - 1], handle)
  }

  /// Where to cut entries of these lengths, in bytes, so that both parts are about equally long.
  /// At least one stays on each side.
  private func splitPosition(_ lengths: [Int]) -> Int {
    var position = lengths.count
    var moved = 0
    while position > 1, moved + lengths[position - 1] / 2 <= format.entriesEnd / 2 {
      position -= 1
      moved += lengths[position]
    }
    return position == lengths.count ? max(position - 1, 1) : position
  }

  /// Splits the full index node above the leaf with the help of a new block; when that node is
  /// the root, all of its entries move to the new one below it.
  private func makeRoomForEntry(
    _ path: inout HashTreePath, _ newBlock: DirectoryBlock, _ handle: Storage.Handle
  ) {
    let lowest = path.frames[path.frames.count - 1]
    handle.modify(newBlock.address, newBlock.buffer)
    var newBytes = newBlock.buffer.mutableBytes
    var newNode = format.makeHashTreeNode(&newBytes)
    let logical = UInt32(truncatingIfNeeded: newBlock.logical.rawValue)
    handle.modify(lowest.block.address, lowest.block.buffer)
    var bytes = lowest.block.buffer.mutableBytes
    var node = lowest.node

    if path.frames.count == 1 {
      // A node below the root holds more entries than the root, so that it has room now.
      _ = node.moveTail(from: 0, in: &bytes, to: &newNode, &newBytes)
      node.setFirstBlock(logical, in: &bytes)
      format.setIndirectLevels(1, in: &bytes)
      path.frames = [
        HashTreePath.Frame(block: lowest.block, node: node, position: 0),
        HashTreePath.Frame(block: newBlock, node: newNode, position: lowest.position),
      ]
    } else {
      let half = node.count / 2
      let hash = node.moveTail(from: half, in: &bytes, to: &newNode, &newBytes)
      let parent = path.frames.count - 2
      insert(HashTreeEntry(hash: hash, block: logical), behind: &path.frames[parent], handle)
      if lowest.position < half {
        path.frames[parent + 1].node = node
      } else {
        path.frames[parent].position += 1
        path.frames[parent + 1] = HashTreePath.Frame(
          block: newBlock, node: newNode, position: lowest.position - half)
      }
    }
    format.sealHashTree(&newBytes, newNode)
    format.sealHashTree(&bytes, node)
  }

  /// Inserts `entry` behind the one that `frame` follows. Its node has room.
  private func insert(
    _ entry: HashTreeEntry, behind frame: inout HashTreePath.Frame, _ handle: Storage.Handle
  ) {
    handle.modify(frame.block.address, frame.block.buffer)
    var bytes = frame.block.buffer.mutableBytes
    var node = frame.node
    node.insert(entry, at: frame.position + 1, in: &bytes)
    format.sealHashTree(&bytes, node)
    frame.node = node
  }
}
