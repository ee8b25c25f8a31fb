import ExtantBase

/// An entry of a hash tree's index (`dx_entry`): the block where hashes from `hash` on are.
public struct HashTreeEntry: Hashable, Sendable {
  /// The smallest major hash below this entry. The lowest bit says that names of this hash (with
  /// the bit cleared) begin in the block before. The first entry of a node stands for everything
  /// below the second and has no hash of its own: 0 here.
  public var hash: UInt32
  /// The directory's block, of which ext4 keeps 28 bits.
  public var block: UInt32

  public init(hash: UInt32, block: UInt32) {
    self.hash = hash
    self.block = block
  }

  public static let continuationBit: UInt32 = 1
  public var isContinuation: Bool { hash & Self.continuationBit != 0 }
  /// The hash without the bit.
  public var majorHash: UInt32 { hash & ~Self.continuationBit }
}

/// What a hash tree's root says of the whole tree (`dx_root_info`).
public struct HashTreeRootInfo: Hashable, Sendable {
  public var version: DirectoryHash.Version
  /// Levels of index nodes between the root and the leaves: 0 or 1.
  public var indirectLevels: Int

  public init(version: DirectoryHash.Version, indirectLevels: Int) {
    self.version = version
    self.indirectLevels = indirectLevels
  }

  /// Without the feature `large_dir`.
  public static let maximumIndirectLevels = 1
}

/// The head of an index node's entries: how many there are and how many fit.
///
/// Both roles begin with directory entries that make an old reader see an empty block: the root
/// (`dx_root`, the directory's first block) with "." and "..", of which the second covers the
/// rest; a node (`dx_node`) with one unused entry. Behind the place of the last possible entry
/// follows, with `metadata_csum`, a checksum (`dx_tail`).
public struct HashTreeNode: Hashable, Sendable {
  public enum Role: Sendable { case root, node }

  public var role: Role
  public var limit: Int
  public private(set) var count: Int

  public static let entrySize = 8
  static let tailSize = 8
  /// Bytes before the entries: "." and "..", then the root's own eight bytes.
  public static let rootHead = 32
  public static let nodeHead = 8
  public static let infoOffset = 24
  public static let infoSize = 8

  var head: Int { role == .root ? Self.rootHead : Self.nodeHead }

  /// A node with nothing but its head; `limit` is what fits in it, `count` no more.
  public init(role: Role, limit: Int, count: Int) {
    self.role = role
    self.limit = limit
    self.count = count
  }

  public var isFull: Bool { count >= limit }

  /// The entry at `index`, below `count`.
  public func entry(_ index: Int, in bytes: RawSpan) -> HashTreeEntry {
    precondition(index >= 0 && index < count)
    let offset = head + index * Self.entrySize
    return HashTreeEntry(
      hash: index == 0 ? 0 : bytes.le32(offset), block: bytes.le32(offset + 4) & 0x0fff_ffff)
  }

  /// The index of the last entry whose hash is at most `hash`: where its names begin.
  public func position(of hash: UInt32, in bytes: RawSpan) -> Int {
    var low = 0
    var high = count
    while high - low > 1 {
      let middle = (low + high) / 2
      if bytes.le32(head + middle * Self.entrySize) <= hash { low = middle } else { high = middle }
    }
    return low
  }
}

// MARK: - Changing

extension HashTreeNode {
  /// Inserts an entry before the one at `index`, which is 1 to `count`. The node must not be full.
  public mutating func insert(
    _ entry: HashTreeEntry, at index: Int, in bytes: inout MutableRawSpan
  ) {
    precondition(index > 0 && index <= count && count < limit)
    let offset = head + index * Self.entrySize
    let moved = bytes.array(offset..<(head + count * Self.entrySize))
    bytes.copy(moved, at: offset + Self.entrySize)
    bytes.setLE32(entry.hash, at: offset)
    bytes.setLE32(entry.block, at: offset + 4)
    setCount(count + 1, in: &bytes)
  }

  /// Makes the first entry, the one without a hash, point to another block.
  public func setFirstBlock(_ block: UInt32, in bytes: inout MutableRawSpan) {
    bytes.setLE32(block, at: head + 4)
  }

  /// Moves the entries from `index` on into the empty node `other`; returns the hash that the
  /// first of them had, which their parent needs.
  public mutating func moveTail(
    from index: Int, in bytes: inout MutableRawSpan, to other: inout HashTreeNode,
    _ target: inout MutableRawSpan
  ) -> UInt32 {
    precondition(index >= 0 && index < count && count - index <= other.limit)
    let start = head + index * Self.entrySize
    let end = head + count * Self.entrySize
    let hash = entry(index, in: bytes.bytes).hash
    target.copy(bytes.array(start..<end), at: other.head)
    // The hash's place in a first entry is where limit and count are kept.
    target.setLE16(UInt16(other.limit), at: other.head)
    other.setCount(count - index, in: &target)
    bytes.fill(start..<end, with: 0)
    bytes.setLE16(UInt16(limit), at: head)
    setCount(max(index, 1), in: &bytes)
    return hash
  }

  private mutating func setCount(_ count: Int, in bytes: inout MutableRawSpan) {
    self.count = count
    bytes.setLE16(UInt16(count), at: head + 2)
  }
}

// MARK: - Decoding and verifying

extension DirectoryBlockFormat {
  /// Entries that fit in an index node.
  public func hashTreeLimit(_ role: HashTreeNode.Role) -> Int {
    let head = role == .root ? HashTreeNode.rootHead : HashTreeNode.nodeHead
    let tail = checksumSeed == nil ? 0 : HashTreeNode.tailSize
    return (blockSize - head - tail) / HashTreeNode.entrySize
  }

  private func corruptIndex(_ rule: String, _ block: BlockAddress) -> FileSystemError {
    .corrupt(Corruption("hash tree", inode: inode, block: block, rule))
  }

  /// The node in `bytes`, checked as far as is needed to use it safely. Cheap: for every use.
  public func hashTreeNode(
    _ bytes: RawSpan, _ role: HashTreeNode.Role, at block: BlockAddress
  ) throws(FileSystemError) -> HashTreeNode {
    guard bytes.byteCount == blockSize else {
      throw corruptIndex("\(bytes.byteCount) bytes instead of \(blockSize)", block)
    }
    switch role {
    case .root:
      guard
        decodeRecordLength(bytes.le16(4)) == Self.minimumRecordLength,
        decodeRecordLength(bytes.le16(Self.minimumRecordLength + 4))
          == blockSize - Self.minimumRecordLength
      else { throw corruptIndex("\".\" and \"..\" do not cover the root", block) }
    case .node:
      guard bytes.le32(0) == 0, decodeRecordLength(bytes.le16(4)) == blockSize else {
        throw corruptIndex("no unused entry covers the node", block)
      }
    }
    let head = role == .root ? HashTreeNode.rootHead : HashTreeNode.nodeHead
    let limit = Int(bytes.le16(head))
    let count = Int(bytes.le16(head + 2))
    guard limit == hashTreeLimit(role) else {
      throw corruptIndex("room for \(limit) entries instead of \(hashTreeLimit(role))", block)
    }
    guard count > 0, count <= limit else {
      throw corruptIndex("\(count) entries where 1 to \(limit) are possible", block)
    }
    return HashTreeNode(role: role, limit: limit, count: count)
  }

  /// What the root says of the tree.
  public func hashTreeRootInfo(
    _ bytes: RawSpan, at block: BlockAddress
  ) throws(FileSystemError) -> HashTreeRootInfo {
    let info = HashTreeNode.infoOffset
    guard bytes.le32(info) == 0, Int(bytes.u8(info + 5)) == HashTreeNode.infoSize else {
      throw corruptIndex("the root's head is not \(HashTreeNode.infoSize) bytes long", block)
    }
    guard let version = DirectoryHash.Version(rawValue: bytes.u8(info + 4)) else {
      throw corruptIndex("hash version \(bytes.u8(info + 4)) is unknown", block)
    }
    let levels = Int(bytes.u8(info + 6))
    guard levels <= HashTreeRootInfo.maximumIndirectLevels else {
      throw corruptIndex("\(levels) levels below the root", block)
    }
    guard bytes.u8(info + 7) & 1 == 0 else { throw corruptIndex("unknown flags", block) }
    return HashTreeRootInfo(version: version, indirectLevels: levels)
  }

  /// Checks a whole index node: head, checksum, order of its hashes, and that its blocks are some
  /// of the directory's `blockCount`.
  public func verifyHashTree(
    _ bytes: RawSpan, _ role: HashTreeNode.Role, at block: BlockAddress, blockCount: UInt64
  ) throws(FileSystemError) {
    let node = try hashTreeNode(bytes, role, at: block)
    if role == .root { _ = try hashTreeRootInfo(bytes, at: block) }
    if let checksumSeed {
      let computed = hashTreeChecksum(checksumSeed, bytes, node)
      let stored = bytes.le32(tailOffset(node) + 4)
      guard computed == stored else {
        throw corruptIndex("checksum \(hex(stored)) does not match \(hex(computed))", block)
          .ofChecksum
      }
    }
    var previous: UInt32 = 0
    for index in 0..<node.count {
      let entry = node.entry(index, in: bytes)
      // One hash may fill several blocks, which then all say that they continue it.
      guard entry.hash >= previous else {
        throw corruptIndex("hash \(hex(entry.hash)) follows \(hex(previous))", block)
      }
      guard entry.block > 0, UInt64(entry.block) < blockCount else {
        throw corruptIndex("block \(entry.block) is none of the directory's \(blockCount)", block)
      }
      previous = entry.hash
    }
  }

  /// Whether the checksum of a node is right whose head says what it must; true where the
  /// filesystem has none.
  public func hasValidHashTreeChecksum(_ bytes: RawSpan, _ node: HashTreeNode) -> Bool {
    guard let checksumSeed else { return true }
    return hashTreeChecksum(checksumSeed, bytes, node) == bytes.le32(tailOffset(node) + 4)
  }

  private func tailOffset(_ node: HashTreeNode) -> Int {
    node.head + node.limit * HashTreeNode.entrySize
  }

  /// Over everything up to the last used entry, then the tail with its checksum as zeros.
  private func hashTreeChecksum(_ seed: UInt32, _ bytes: RawSpan, _ node: HashTreeNode) -> UInt32 {
    let used = node.head + node.count * HashTreeNode.entrySize
    let tail = tailOffset(node)
    var checksum = crc32c(seed, bytes.extracting(0..<used))
    checksum = crc32c(checksum, bytes.extracting(tail..<(tail + 4)))
    return crc32c(checksum, zeros: 4)
  }
}

// MARK: - Making

extension DirectoryBlockFormat {
  /// Writes the node's checksum, to be called after every change; nothing without
  /// `metadata_csum`.
  public func sealHashTree(_ bytes: inout MutableRawSpan, _ node: HashTreeNode) {
    guard let checksumSeed else { return }
    let checksum = hashTreeChecksum(checksumSeed, bytes.bytes, node)
    bytes.setLE32(checksum, at: tailOffset(node) + 4)
  }

  /// Turns a directory's first block into the root of a tree with one leaf. Nothing of the block
  /// stays but "." and "..", which are given here as they were in it.
  public func makeHashTreeRoot(
    _ bytes: inout MutableRawSpan, dot: DirectoryEntryImage, dotDot: DirectoryEntryImage,
    version: DirectoryHash.Version, leaf: UInt32
  ) -> HashTreeNode {
    bytes.fill(0..<blockSize, with: 0)
    let second = dot.length
    write(dot, into: &bytes, at: 0, recordLength: second)
    write(dotDot, into: &bytes, at: second, recordLength: blockSize - second)
    bytes.setU8(version.rawValue, at: HashTreeNode.infoOffset + 4)
    bytes.setU8(UInt8(HashTreeNode.infoSize), at: HashTreeNode.infoOffset + 5)
    let node = HashTreeNode(role: .root, limit: hashTreeLimit(.root), count: 1)
    bytes.setLE16(UInt16(node.limit), at: node.head)
    bytes.setLE16(1, at: node.head + 2)
    node.setFirstBlock(leaf, in: &bytes)
    return node
  }

  /// An index node without entries, to be filled by `moveTail`.
  public func makeHashTreeNode(_ bytes: inout MutableRawSpan) -> HashTreeNode {
    bytes.fill(0..<blockSize, with: 0)
    bytes.setLE16(encodeRecordLength(blockSize), at: 4)
    return HashTreeNode(role: .node, limit: hashTreeLimit(.node), count: 0)
  }

  public func setIndirectLevels(_ levels: Int, in bytes: inout MutableRawSpan) {
    bytes.setU8(UInt8(levels), at: HashTreeNode.infoOffset + 6)
  }
}
