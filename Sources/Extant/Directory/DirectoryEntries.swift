import BlockIO
import Ext4Format
import ExtantBase
import SystemPackage

/// The entries of one directory: by name, in order, and to be changed.
///
/// A directory is linear, a row of blocks full of entries, or a hash tree: the first block is
/// then the index's root, and each leaf holds the names of one range of hashes. A linear
/// directory of one block becomes a tree when it overflows and the filesystem has `dir_index`.
///
/// An operation that changes comes in two steps. The first looks up, reads and verifies all that
/// the second needs and says how many new blocks that may take, so that the caller can reserve
/// them; the second changes and does not fail. Between the two the directory may only become
/// emptier: when one operation both removes (or replaces) and inserts, it inserts last.
struct DirectoryEntries<Storage: DirectoryStorage> {
  let storage: Storage
  let format: DirectoryBlockFormat

  init(_ storage: Storage) {
    self.storage = storage
    format = storage.format
  }
}

/// An entry that was found, with the block it is in.
struct DirectoryMatch {
  var inode: InodeNumber
  /// nil where the entry does not say.
  var kind: FileKind?
  fileprivate var block: DirectoryBlock
  fileprivate var offset: Int
  /// The block is the root of a hash tree, and the entry "." or "..".
  fileprivate var isInRoot: Bool
}

// MARK: - Lookup

extension DirectoryEntries {
  /// The entry called `name`, "." and ".." included; nil when there is none.
  func lookup(_ name: [UInt8]) throws(FileSystemError) -> DirectoryMatch? {
    guard storage.isIndexed else { return try lookupLinearly(name) }
    if name == [0x2e] || name == [0x2e, 0x2e] { return try lookupInRoot(name) }
    var (path, hash) = try probe(for: name)
    while true {
      let leaf = try readLeaf(path)
      if let match = try match(name, in: leaf) { return match }
      guard let next = path.nextEntry, next.isContinuation, next.majorHash == hash.major else {
        return nil
      }
      try advance(&path)
    }
  }

  private func lookupLinearly(_ name: [UInt8]) throws(FileSystemError) -> DirectoryMatch? {
    var logical = LogicalBlock(0)
    while logical.rawValue < storage.blockCount {
      if let match = try match(name, in: try storage.readEntries(logical)) { return match }
      logical = logical + 1
    }
    return nil
  }

  private func match(
    _ name: [UInt8], in block: DirectoryBlock
  ) throws(FileSystemError) -> DirectoryMatch? {
    guard
      let record = try format.find(name, in: block.buffer.bytes, block: block.address)
    else { return nil }
    return DirectoryMatch(
      inode: InodeNumber(record.inode), kind: FileKind(directoryCode: record.fileType),
      block: block, offset: record.offset, isInRoot: false)
  }

  private func lookupInRoot(_ name: [UInt8]) throws(FileSystemError) -> DirectoryMatch? {
    let root = try readRoot().block
    let bytes = root.buffer.bytes
    var offset = 0
    for _ in 0..<2 {
      let record = try format.record(
        bytes, at: offset, end: format.blockSize, block: root.address)
      if record.isUsed, bytes.array(record.nameRange) == name {
        return DirectoryMatch(
          inode: InodeNumber(record.inode), kind: FileKind(directoryCode: record.fileType),
          block: root, offset: offset, isInRoot: true)
      }
      offset = record.end
    }
    return nil
  }

  /// Whether "." and ".." are all that is there.
  func isEmpty() throws(FileSystemError) -> Bool {
    var isEmpty = true
    try forEachBlockOfEntries { (block) throws(FileSystemError) in
      let bytes = block.buffer.bytes
      try format.forEachRecord(bytes, block: block.address) { (record) throws(FileSystemError) in
        guard record.isUsed else { return true }
        isEmpty = Self.isDotOrDotDot(bytes, record)
        return isEmpty
      }
      return isEmpty
    }
    return isEmpty
  }

  static func isDotOrDotDot(_ bytes: RawSpan, _ record: DirectoryEntryRecord) -> Bool {
    let first = record.nameRange.lowerBound
    return record.nameLength <= 2 && bytes.u8(first) == 0x2e
      && (record.nameLength == 1 || bytes.u8(first + 1) == 0x2e)
  }

  /// Calls `body` with every block that holds entries and no index, until it returns false.
  private func forEachBlockOfEntries(
    _ body: (DirectoryBlock) throws(FileSystemError) -> Bool
  ) throws(FileSystemError) {
    if storage.isIndexed {
      var path = try probe(0)
      while try body(try readLeaf(path)), path.nextEntry != nil { try advance(&path) }
    } else {
      var logical = LogicalBlock(0)
      while logical.rawValue < storage.blockCount, try body(try storage.readEntries(logical)) {
        logical = logical + 1
      }
    }
  }
}

// MARK: - Changes in place

extension DirectoryEntries {
  /// Gives a new directory, which has no blocks yet, its first with "." and "..".
  func initialise(parent: InodeNumber, _ handle: Storage.Handle) throws(FileSystemError) {
    let block = try storage.append(handle)
    handle.modify(block.address, block.buffer)
    var bytes = block.buffer.mutableBytes
    format.initialise(&bytes, parent: parent)
    format.seal(&bytes)
  }

  /// Makes the entry name another inode; ".." of a directory that moves, for one.
  func replace(
    _ match: DirectoryMatch, with inode: InodeNumber, _ kind: FileKind,
    _ handle: Storage.Handle
  ) throws(FileSystemError) {
    let block = match.block
    // Decided before the change, which must not fail.
    let root =
      match.isInRoot
      ? try format.hashTreeNode(block.buffer.bytes, .root, at: block.address) : nil
    handle.modify(block.address, block.buffer)
    var bytes = block.buffer.mutableBytes
    format.setTarget(&bytes, at: match.offset, inode, kind)
    if let root { format.sealHashTree(&bytes, root) } else { format.seal(&bytes) }
  }

  /// Takes the entry away. EINVAL for "." and ".." of a hash tree, which hold its index.
  func remove(_ match: DirectoryMatch, _ handle: Storage.Handle) throws(FileSystemError) {
    guard !match.isInRoot else { throw .refused(.invalidArgument) }
    let block = match.block
    handle.modify(block.address, block.buffer)
    var bytes = block.buffer.mutableBytes
    try format.remove(&bytes, at: match.offset, block: block.address)
    format.seal(&bytes)
  }
}
