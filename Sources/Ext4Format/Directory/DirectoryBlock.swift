import ExtantBase

/// One entry of a directory block (`ext4_dir_entry_2`): where it is and what its head says.
///
/// Layout, little-endian: inode (4 bytes), rec_len (2), name_len (1), file_type (1), the name.
public struct DirectoryEntryRecord: Hashable, Sendable {
  /// In bytes from the block's start, a multiple of 4.
  public var offset: Int
  /// The inode's number; 0 for an unused entry.
  public var inode: UInt32
  /// In bytes, up to where the next entry begins: a multiple of 4.
  public var recordLength: Int
  public var nameLength: Int
  /// The kind's code; 0 where the filesystem lacks the feature `filetype`.
  public var fileType: UInt8

  /// Bytes before the name.
  public static let headSize = 8

  public var isUsed: Bool { inode != 0 }
  public var nameRange: Range<Int> {
    (offset + Self.headSize)..<(offset + Self.headSize + nameLength)
  }
  public var end: Int { offset + recordLength }

  /// Bytes that the entry itself needs: none for an unused one.
  public var usedLength: Int { isUsed ? Self.length(nameLength: nameLength) : 0 }

  /// Bytes of an entry with a name of `nameLength` bytes.
  public static func length(nameLength: Int) -> Int { (headSize + nameLength + 3) & ~3 }
}

/// How the blocks of one directory are laid out, and what they are checked against.
public struct DirectoryBlockFormat: Sendable {
  /// The directory itself.
  public var inode: InodeNumber
  public var blockSize: Int
  /// The feature `filetype`: entries carry their inode's kind.
  public var hasFileType: Bool
  /// The inode's checksum seed; nil without `metadata_csum`.
  public var checksumSeed: UInt32?
  /// Inodes of the filesystem: the largest number that an entry may hold.
  public var inodeCount: UInt32

  public init(
    inode: InodeNumber, blockSize: Int, hasFileType: Bool, checksumSeed: UInt32?,
    inodeCount: UInt32
  ) {
    self.inode = inode
    self.blockSize = blockSize
    self.hasFileType = hasFileType
    self.checksumSeed = checksumSeed
    self.inodeCount = inodeCount
  }

  /// The checksum's own entry at the end of a block (`ext4_dir_entry_tail`).
  public static let tailSize = 12
  public static let tailFileType: UInt8 = 0xde
  /// Bytes of the shortest entry, with a name of one byte.
  public static let minimumRecordLength = 12

  /// Where the entries of a block without index end, in bytes.
  public var entriesEnd: Int { checksumSeed == nil ? blockSize : blockSize - Self.tailSize }

  public func corrupt(_ rule: String, at block: BlockAddress?) -> FileSystemError {
    .corrupt(Corruption("directory block", inode: inode, block: block, rule))
  }
}

// MARK: - Walking

extension DirectoryBlockFormat {
  /// `rec_len` as bytes. Blocks of 64 KiB need a 17th bit: 0 and 65,535 stand for the whole
  /// block there, and the two lowest bits, otherwise always 0, for bits 16 and 17.
  public func decodeRecordLength(_ stored: UInt16) -> Int {
    let length = Int(stored)
    guard blockSize >= 65536 else { return length }
    if stored == 0xffff || stored == 0 { return blockSize }
    return length & 0xfffc | (length & 3) << 16
  }

  public func encodeRecordLength(_ length: Int) -> UInt16 {
    if length < 65536 { return UInt16(length) }
    return blockSize == 65536 ? 0xffff : UInt16(truncatingIfNeeded: length & 0xfffc | length >> 16)
  }

  /// The entry at `offset`, checked: it lies inside `offset ..< end`, its name fits in it, its
  /// inode exists, and what follows it leaves room for another entry or nothing.
  public func record(
    _ bytes: RawSpan, at offset: Int, end: Int, block: BlockAddress? = nil
  ) throws(FileSystemError) -> DirectoryEntryRecord {
    guard offset >= 0, end <= bytes.byteCount, offset + Self.minimumRecordLength <= end else {
      throw corrupt("entry at byte \(offset) passes the block's end", at: block)
    }
    let record = DirectoryEntryRecord(
      offset: offset, inode: bytes.le32(offset),
      recordLength: decodeRecordLength(bytes.le16(offset + 4)),
      nameLength: Int(bytes.u8(offset + 6)), fileType: bytes.u8(offset + 7))
    // One test for the ordinary case; which rule it was is found out afterwards.
    let length = record.recordLength
    let rest = end - offset - length
    guard
      length & 3 == 0, length >= Self.minimumRecordLength,
      length >= DirectoryEntryRecord.length(nameLength: record.nameLength),
      rest == 0 || rest >= Self.minimumRecordLength,
      record.inode <= inodeCount, record.nameLength > 0 || record.inode == 0
    else { throw corrupt(brokenRule(record, rest: rest), at: block) }
    return record
  }

  private func brokenRule(_ record: DirectoryEntryRecord, rest: Int) -> String {
    let entry = "entry at byte \(record.offset)"
    if record.recordLength & 3 != 0 {
      return "\(entry): length \(record.recordLength) is not a multiple of 4"
    }
    if record.recordLength < Self.minimumRecordLength {
      return "\(entry): length \(record.recordLength) is below \(Self.minimumRecordLength)"
    }
    if record.recordLength < DirectoryEntryRecord.length(nameLength: record.nameLength) {
      return "\(entry): length \(record.recordLength) is too small for a name of "
        + "\(record.nameLength) bytes"
    }
    if rest < 0 { return "\(entry): length \(record.recordLength) passes the block's end" }
    if rest > 0, rest < Self.minimumRecordLength {
      return "\(entry) leaves \(rest) bytes, too few for another"
    }
    if record.inode > inodeCount {
      return "\(entry): inode \(record.inode) is above \(inodeCount)"
    }
    return "\(entry) has an inode and no name"
  }

  /// Calls `body` with every entry, used or not, until it returns false.
  public func forEachRecord(
    _ bytes: RawSpan, from start: Int = 0, block: BlockAddress? = nil,
    _ body: (DirectoryEntryRecord) throws(FileSystemError) -> Bool
  ) throws(FileSystemError) {
    var offset = start
    while offset < entriesEnd {
      let record = try record(bytes, at: offset, end: entriesEnd, block: block)
      guard try body(record) else { return }
      offset = record.end
    }
  }

  /// The used entry called `name`, nil when the block has none.
  ///
  /// The walk that every operation on names spends its time in: an entry is checked as far as the
  /// walk needs it, and wholly when it is the one.
  public func find(
    _ name: [UInt8], in bytes: RawSpan, from start: Int = 0, block: BlockAddress? = nil
  ) throws(FileSystemError) -> DirectoryEntryRecord? {
    let wanted = name.rawBytes
    let end = entriesEnd
    var offset = start
    while offset < end {
      guard end - offset >= Self.minimumRecordLength, end <= bytes.byteCount else {
        return try record(bytes, at: offset, end: end, block: block)
      }
      // Inode, length, name's length and kind at once.
      let head = bytes.le64(offset)
      let length = decodeRecordLength(UInt16(truncatingIfNeeded: head >> 32))
      guard length >= Self.minimumRecordLength, length & 3 == 0, length <= end - offset else {
        return try record(bytes, at: offset, end: end, block: block)
      }
      if Int(head >> 48 & 0xff) == wanted.byteCount, UInt32(truncatingIfNeeded: head) != 0,
        length >= DirectoryEntryRecord.headSize + wanted.byteCount,
        Self.equal(bytes, at: offset + DirectoryEntryRecord.headSize, wanted)
      {
        return try record(bytes, at: offset, end: end, block: block)
      }
      offset += length
    }
    return nil
  }

  private static func equal(_ bytes: RawSpan, at start: Int, _ name: RawSpan) -> Bool {
    var index = 0
    while index + 8 <= name.byteCount {
      if bytes.le64(start + index) != name.le64(index) { return false }
      index += 8
    }
    while index < name.byteCount {
      if bytes.u8(start + index) != name.u8(index) { return false }
      index += 1
    }
    return true
  }
}

// MARK: - Verifying

extension DirectoryBlockFormat {
  /// Checks a whole block that holds entries and no index: its checksum and every entry.
  public func verify(_ bytes: RawSpan, at block: BlockAddress) throws(FileSystemError) {
    try verifyTail(bytes, at: block)
    if let checksumSeed {
      let computed = crc32c(checksumSeed, bytes.extracting(0..<entriesEnd))
      let stored = bytes.le32(blockSize - 4)
      guard computed == stored else {
        throw corrupt("checksum \(hex(stored)) does not match \(hex(computed))", at: block)
          .ofChecksum
      }
    }
    try forEachRecord(bytes, block: block) { (record) throws(FileSystemError) in
      guard record.isUsed else { return true }
      for offset in record.nameRange {
        let byte = bytes.u8(offset)
        guard byte != 0, byte != UInt8(ascii: "/") else {
          throw corrupt("name at byte \(record.offset) contains NUL or '/'", at: block)
        }
      }
      return true
    }
  }

  /// Checks that the block is one that holds entries: it ends as such a block must. Cheap enough
  /// for every use, since a damaged index may lead to a block that was verified as an index.
  public func verifyTail(_ bytes: RawSpan, at block: BlockAddress) throws(FileSystemError) {
    guard bytes.byteCount == blockSize else {
      throw corrupt("\(bytes.byteCount) bytes instead of \(blockSize)", at: block)
    }
    guard checksumSeed != nil else { return }
    guard
      bytes.le32(entriesEnd) == 0, bytes.le16(entriesEnd + 4) == UInt16(Self.tailSize),
      bytes.u8(entriesEnd + 6) == 0, bytes.u8(entriesEnd + 7) == Self.tailFileType
    else { throw corrupt("no checksum at its end", at: block) }
  }

  /// Writes the checksum, to be called after every change; nothing without `metadata_csum`.
  public func seal(_ bytes: inout MutableRawSpan) {
    guard let checksumSeed else { return }
    bytes.fill(entriesEnd..<blockSize, with: 0)
    bytes.setLE16(UInt16(Self.tailSize), at: entriesEnd + 4)
    bytes.setU8(Self.tailFileType, at: entriesEnd + 7)
    let checksum = crc32c(checksumSeed, bytes.bytes.extracting(0..<entriesEnd))
    bytes.setLE32(checksum, at: blockSize - 4)
  }
}
