import BlockIO
import Ext4Format
import ExtantBase

/// A directory's hash tree. Whatever is wrong with it, it is given up and built anew: it holds
/// nothing that the entries do not say.
extension DirectoryPass {
  /// Looks at the flag, and at the root that it promises, before the blocks are scanned.
  func checkIndexFlag(
    _ runs: ArraySlice<DirectoryList.Run>, hasHole: Bool
  ) throws(FileSystemError) {
    let buffer = buffer
    guard directory.raw.flags.contains(.index) else { return }
    guard hasIndexes else { return }
    guard let first = runs.first, first.logical == 0, first.address.rawValue != 0 else { return }
    try round.image.read(first.address, into: buffer)
    if let (issue, value) = rootIssue() {
      if try found(
        issue, Place(inode: directory.number, block: first.address, logical: 0),
        found: .number(UInt64(value)))
      {
        directory.isRebuilt = true
      }
      return
    }
    // Holes leave the index without some of what it names; the directory is written anew already.
    if hasHole || directory.isRebuilt { return }
    let info = HashTreeNode.infoOffset
    let version = buffer.bytes.u8(info + 4)
    let hash = DirectoryHash.Version(rawValue: version).map {
      DirectoryHash(
        version: $0, isUnsigned: superblock.hashIsUnsigned, seed: superblock.hashSeed)
    }
    let count = runs.reduce(0) { $0 &+ $1.count }
    guard count <= superblock.blockCount else { return }
    directory.index = DirectoryIndex(
      blockCount: Int(count), depth: Int(buffer.bytes.u8(info + 6)) + 1, hash: hash)
  }

  /// Of names that are both encrypted and without regard to case.
  static let sipHashVersion: UInt8 = 6

  /// What is wrong with the root's head, in `buffer`.
  private func rootIssue() -> (DirectoryIssue, UInt32)? {
    let buffer = buffer
    let bytes = buffer.bytes
    let info = HashTreeNode.infoOffset
    let length = bytes.u8(info + 5)
    if bytes.le32(info) != 0 { return (.indexRoot, bytes.le32(info)) }
    if Int(length) < HashTreeNode.infoSize { return (.indexRoot, UInt32(length)) }
    // With checksums the place of the root's own is only known where it looks exactly so.
    let hasChecksum = directory.format.checksumSeed != nil
    if hasChecksum, Int(length) != HashTreeNode.infoSize { return (.indexRoot, UInt32(length)) }
    let version = bytes.u8(info + 4)
    if version > 2, version != Self.sipHashVersion { return (.indexHashVersion, UInt32(version)) }
    if directory.carriesHashes, version != Self.sipHashVersion {
      return (.indexNeedsSipHash, UInt32(version))
    }
    if !directory.carriesHashes, version == Self.sipHashVersion {
      return (.indexForbidsSipHash, UInt32(version))
    }
    if bytes.u8(info + 7) & 1 != 0 { return (.indexFlags, UInt32(bytes.u8(info + 7))) }
    let levels = bytes.u8(info + 6)
    if levels > (hasLargeDirectories ? 2 : 1) { return (.indexTooDeep, UInt32(levels)) }
    let dot = recordLength(at: 0)
    if hasChecksum, dot != 12 || recordLength(at: 12) != blockSize - 12 {
      return (.indexRootLayout, UInt32(clamping: dot))
    }
    return nil
  }

  /// Whether the block in `buffer` is an inner node: an unused entry that covers it all, and room for
  /// as many index entries as fit.
  var looksLikeNode: Bool {
    let buffer = buffer
    let bytes = buffer.bytes
    return bytes.le32(0) == 0 && recordLength(at: 0) == blockSize && bytes.u8(6) == 0
      && Int(bytes.le16(HashTreeNode.nodeHead)) == directory.format.hashTreeLimit(.node)
  }

  /// The role of the block in `buffer` in an index that holds so far; nil for a block of entries.
  func prepareIndex(_ block: DirectoryBlock) -> HashTreeNode.Role? {
    guard let index = directory.index, let number = Int(exactly: block.logical),
      index.blocks.indices.contains(number)
    else { return nil }
    if number == 0 {
      index.blocks[0].role = .root
      return .root
    }
    guard looksLikeNode else { return nil }
    index.blocks[number].role = .node
    return .node
  }

  /// Reads what a node says, and checks that it can be true.
  func checkNode(
    _ block: DirectoryBlock, _ role: HashTreeNode.Role
  ) throws(FileSystemError) {
    guard let index = directory.index, let number = Int(exactly: block.logical) else { return }
    let place = Place(inode: directory.number, block: block.address, logical: block.logical)
    guard let (issue, value) = readNode(number, role, index) else { return }
    guard try found(issue, place, found: .number(UInt64(value))) else {
      // Nothing can be said of the rest of the tree.
      directory.index = nil
      return
    }
    giveUpIndex()
  }

  private func readNode(
    _ number: Int, _ role: HashTreeNode.Role, _ index: DirectoryIndex
  ) -> (DirectoryIssue, UInt32)? {
    let buffer = buffer
    let bytes = buffer.bytes
    let format = directory.format
    // A root's head may be longer than known where there are no checksums.
    let head =
      role == .root
      ? HashTreeNode.infoOffset + Int(bytes.u8(HashTreeNode.infoOffset + 5)) : HashTreeNode.nodeHead
    let known = role == .root ? HashTreeNode.rootHead : HashTreeNode.nodeHead
    let room = format.hashTreeLimit(role) - (head - known + 7) / HashTreeNode.entrySize
    guard head + 8 <= blockSize else { return (.indexRoot, UInt32(head)) }
    let limit = Int(bytes.le16(head))
    let count = Int(bytes.le16(head + 2))
    guard limit == room else { return (.indexLimit, UInt32(limit)) }
    guard count <= limit else { return (.indexCount, UInt32(count)) }
    if head == known {
      let node = HashTreeNode(role: role, limit: limit, count: count)
      // What was mended in the block is sealed later.
      if !isChanged, !format.hasValidHashTreeChecksum(bytes, node) {
        return (role == .root ? .indexRootChecksum : .indexNodeChecksum, 0)
      }
    }
    var previous: UInt32 = 0
    for position in 0..<count {
      let offset = head + position * HashTreeNode.entrySize
      let hash = position == 0 ? 0 : bytes.le32(offset) & ~1
      let block = bytes.le32(offset + 4) & 0x0fff_ffff
      guard Int(block) < index.blocks.count else { return (.indexBlock, block) }
      guard hash >= previous else { return (.indexOrder, hash) }
      let next = offset + HashTreeNode.entrySize
      index.refer(
        from: number, to: Int(block), lower: hash,
        upper: position + 1 < count ? bytes.le32(next) & ~1 : nil, isFirst: position == 0)
      previous = hash
    }
    return nil
  }

  /// The directory is written anew, with an index of its own.
  private func giveUpIndex() {
    directory.index = nil
    directory.isRebuilt = true
  }

  /// Takes note of the hash of an entry's name.
  func noteHash(_ area: EntryArea, _ offset: Int, _ index: DirectoryIndex) {
    let buffer = buffer
    let bytes = buffer.bytes
    let start = offset + DirectoryEntryRecord.headSize
    let length = Int(bytes.u8(offset + 6))
    guard let number = Int(exactly: area.logical), start + length <= buffer.byteCount else {
      return
    }
    guard let hash = index.hash else {
      let stored = start + (length + 3) & ~3
      guard stored + 4 <= buffer.byteCount else { return }
      return index.note(bytes.le32(stored), in: number)
    }
    if directory.isCasefolded {
      guard let folded = NameEncoding.folded(name(at: offset)) else { return }
      return index.note(hash.hash(folded).major, in: number)
    }
    index.note(hash.hash(bytes.extracting(start..<start + length)).major, in: number)
  }

  /// When all blocks were seen: whether the index leads to each of them, and rightly.
  func finishIndex() throws(FileSystemError) {
    guard let index = directory.index else { return }
    if directory.isRebuilt { return }
    for (issue, block, value) in index.contradictions() {
      if try found(
        issue, Place(inode: directory.number, logical: UInt64(block)),
        found: .hexadecimal(UInt64(value)))
      {
        directory.isRebuilt = true
      }
    }
  }
}
