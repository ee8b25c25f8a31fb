import BlockIO
import Ext4Format
import ExtantBase

// The order of entries, and cookies.
//
// With `dir_index`, entries are read in the order of their names' hashes, "." and ".." first. A
// cookie (0 is the start, all are below 2^63) is then the hash to go on with: 31 bits of the major
// hash above 32 of another. That stays true whatever is inserted, removed or split meanwhile, also
// when a directory of one block becomes a tree. A linear directory of several blocks never becomes
// one: it is read as it lies, and a cookie is the byte to go on with; its entries never move
// either.
extension DirectoryEntries {
  /// Calls `body` with each entry from `cookie` on, until it returns false. The entry that it
  /// refused is not consumed: the cookie of the one before leads to it again.
  func forEachEntry(
    from cookie: UInt64, _ body: (DirectoryEntry) -> Bool
  ) throws(FileSystemError) {
    if storage.isIndexed {
      try readTree(from: cookie, body)
    } else if storage.mayBeIndexed, storage.blockCount <= 1 {
      try readSingleBlock(from: cookie, body)
    } else {
      try readLinearly(from: cookie, body)
    }
  }

  private func readLinearly(
    from cookie: UInt64, _ body: (DirectoryEntry) -> Bool
  ) throws(FileSystemError) {
    let size = UInt64(format.blockSize)
    var logical = LogicalBlock(cookie / size)
    var first = Int(cookie % size)
    while logical.rawValue < storage.blockCount {
      let block = try storage.readEntries(logical)
      let bytes = block.buffer.bytes
      let start = logical.rawValue * size
      var goesOn = true
      // Always from the block's start: the entry at `first` may have been merged into another.
      try format.forEachRecord(bytes, block: block.address) { (record) throws(FileSystemError) in
        guard record.isUsed, record.offset >= first else { return true }
        goesOn = body(
          entry(record, bytes.array(record.nameRange), nextCookie: start + UInt64(record.end)))
        return goesOn
      }
      guard goesOn else { return }
      logical = logical + 1
      first = 0
    }
  }

  private func readSingleBlock(
    from cookie: UInt64, _ body: (DirectoryEntry) -> Bool
  ) throws(FileSystemError) {
    guard storage.blockCount > 0 else { return }
    let block = try storage.readEntries(LogicalBlock(0))
    let entries = try keyedEntries(block, storage.hash, from: cookie)
    _ = yield(entries.sorted(by: KeyedEntry.isOrdered), body)
  }

  private func readTree(
    from cookie: UInt64, _ body: (DirectoryEntry) -> Bool
  ) throws(FileSystemError) {
    let hash = try treeHash()
    guard yield(try rootEntries(from: cookie), body) else { return }
    var path = try probe(UInt32(truncatingIfNeeded: cookie >> 32) << 1)
    // Names of one hash may lie in several leaves: the last hash of a leaf that continues in the
    // next one waits for it, so that what is yielded is sorted throughout.
    var waiting: [KeyedEntry] = []
    while true {
      let leaf = try readLeaf(path)
      var entries = try keyedEntries(leaf, hash, from: cookie)
      // A name in the wrong leaf would lead a reader, by its cookie, back to where it was.
      for entry in entries { try check(entry.hash.major, belongsTo: path, at: leaf.address) }
      entries.append(contentsOf: waiting)
      entries.sort(by: KeyedEntry.isOrdered)
      waiting = []
      let next = path.nextEntry
      if let next, next.isContinuation {
        let shared = entries.firstIndex { $0.hash.major >= next.majorHash } ?? entries.endIndex
        waiting = Array(entries[shared...])
        entries.removeSubrange(shared...)
      }
      guard yield(entries, body), next != nil else { return }
      try advance(&path)
    }
  }

  /// "." and ".." of a hash tree, which are in its root.
  private func rootEntries(from cookie: UInt64) throws(FileSystemError) -> [KeyedEntry] {
    var entries: [KeyedEntry] = []
    let names: [[UInt8]] = [[0x2e], [0x2e, 0x2e]]
    for (key, name) in names.enumerated() where cookie <= UInt64(key) {
      guard let match = try lookup(name) else { continue }
      entries.append(
        KeyedEntry(
          key: UInt64(key), hash: NameHash(major: 0, minor: 0),
          entry: DirectoryEntry(
            name: name, inode: match.inode, kind: match.kind, nextCookie: UInt64(key) + 1)))
    }
    return entries
  }

  private func entry(
    _ record: DirectoryEntryRecord, _ name: [UInt8], nextCookie: UInt64
  ) -> DirectoryEntry {
    DirectoryEntry(
      name: name, inode: InodeNumber(record.inode),
      kind: FileKind(directoryCode: record.fileType), nextCookie: nextCookie)
  }
}

// MARK: - Keys

/// An entry with what it is sorted by.
private struct KeyedEntry {
  var key: UInt64
  var hash: NameHash
  var entry: DirectoryEntry

  static func isOrdered(_ a: KeyedEntry, _ b: KeyedEntry) -> Bool {
    a.key != b.key ? a.key < b.key : a.entry.name.lexicographicallyPrecedes(b.entry.name)
  }
}

extension DirectoryEntries {
  /// A block's entries whose keys are at least `cookie`, as they lie.
  private func keyedEntries(
    _ block: DirectoryBlock, _ function: DirectoryHash, from cookie: UInt64
  ) throws(FileSystemError) -> [KeyedEntry] {
    var entries: [KeyedEntry] = []
    let bytes = block.buffer.bytes
    try format.forEachRecord(bytes, block: block.address) { (record) throws(FileSystemError) in
      guard record.isUsed else { return true }
      let name = bytes.array(record.nameRange)
      let hash = function.hash(name)
      let key = Self.key(name, hash)
      if key >= cookie {
        entries.append(
          KeyedEntry(key: key, hash: hash, entry: entry(record, name, nextCookie: key + 1)))
      }
      return true
    }
    return entries
  }

  /// 63 bits that order names as their major hashes do; 0 and 1 are "." and "..".
  private static func key(_ name: [UInt8], _ hash: NameHash) -> UInt64 {
    if name == [0x2e] { return 0 }
    if name == [0x2e, 0x2e] { return 1 }
    // The legacy hash has no minor part, and TEA lets anybody make names that share both parts
    // (a key of it has three equivalents). Names must hardly ever share a cookie: a reader that
    // stops between two such names misses the second.
    return max(UInt64(hash.major >> 1) << 32 | UInt64(hash.minor ^ fnv1a(name)), 2)
  }

  private static func fnv1a(_ name: [UInt8]) -> UInt32 {
    name.reduce(0x811c_9dc5) { hash, byte in (hash ^ UInt32(byte)) &* 0x0100_0193 }
  }

  private func yield(_ entries: [KeyedEntry], _ body: (DirectoryEntry) -> Bool) -> Bool {
    entries.allSatisfy { body($0.entry) }
  }
}
