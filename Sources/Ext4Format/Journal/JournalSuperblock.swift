import ExtantBase

/// The superblock of the journal (jbd2), big-endian: whether there is something to recover, and
/// what a new journal starts with.
///
/// It keeps the bytes that it was decoded from, and every field is a view of them, so a field that
/// this project does not know survives being read and written. Values were checked against each
/// other when it was decoded: a log of `firstLogBlock..<lastLogBlock` is never empty.
///
/// Source: the kernel's Documentation/filesystems/ext4/journal.rst.
public struct JournalSuperblock: Sendable, Equatable {
  /// In bytes, of the structure on disk; the rest of its block is zero.
  public static let byteCount = 1024
  public static let magic: UInt32 = 0xC03B_3998
  /// The fewest blocks a journal may have (JBD2_MIN_JOURNAL_BLOCKS).
  public static let minimumBlockCount: UInt32 = 1024

  /// The structure as on disk, with 0 for a checksum, which `encode` computes.
  var raw: [UInt8]

  /// A new, empty journal as mke2fs makes it: the kernel adds features when it mounts.
  public init(blockSize: UInt32, blockCount: UInt32, uuid: [UInt8]) {
    raw = [UInt8](repeating: 0, count: Self.byteCount)
    set32(Field.magic, Self.magic)
    set32(Field.blockType, JournalBlockType.superblockV2.rawValue)
    set32(Field.blockSize, blockSize)
    set32(Field.blockCount, blockCount)
    set32(Field.firstLogBlock, 1)
    set32(Field.userCount, 1)
    sequence = 1
    self.uuid = uuid
  }

  /// Decodes the block that a journal's superblock is in.
  ///
  /// - Throws: `corrupt` where it is no journal's, has another block size than the filesystem,
  ///   fails its checksum, or contradicts itself; `unsupported` for features not known here.
  public init(_ bytes: RawSpan, superblock: Superblock) throws(FileSystemError) {
    try self.init(bytes, blockSize: superblock.blockSize, inode: superblock.journalInode)
  }

  /// As above, for a filesystem with blocks of `blockSize` bytes; `inode` is for messages.
  package init(
    _ bytes: RawSpan, blockSize expected: Int, inode: InodeNumber?
  ) throws(FileSystemError) {
    func broken(_ rule: String) -> FileSystemError {
      .corrupt(Corruption("journal superblock", inode: inode, rule))
    }
    guard bytes.byteCount >= Self.byteCount else {
      throw broken("\(Self.byteCount) bytes are needed, \(bytes.byteCount) are there")
    }
    guard bytes.be32(Field.magic) == Self.magic else {
      throw broken("the magic number 0xC03B3998 is missing")
    }
    let type = JournalBlockType(rawValue: bytes.be32(Field.blockType))
    guard type == .superblockV1 || type == .superblockV2 else {
      throw broken("its block type is \(bytes.be32(Field.blockType)), not 3 or 4")
    }
    raw = bytes.array(0..<Self.byteCount)

    guard Int(blockSize) == expected else {
      throw broken("its block size is \(blockSize), the filesystem's \(expected)")
    }
    try checkFeatures(broken)
    if hasChecksums {
      let stored = bytes.be32(Field.checksum)
      set32(Field.checksum, 0)
      let computed = crc32c(~0, raw)
      guard stored == computed else { throw broken(checksumRule(stored, computed)).ofChecksum }
    }
    guard firstLogBlock >= 1, firstLogBlock < lastLogBlock, lastLogBlock <= blockCount else {
      throw broken("its log does not lie within its \(blockCount) blocks")
    }
    guard start == 0 || (firstLogBlock..<lastLogBlock).contains(start) else {
      throw broken("its log starts at \(start), not within \(firstLogBlock)..<\(lastLogBlock)")
    }
  }

  /// Writes the superblock to `bytes`, a whole block that becomes zero past it, with its checksum
  /// where the features ask for one.
  public func encode(into bytes: inout MutableRawSpan) {
    bytes.fill(Self.byteCount..<bytes.byteCount, with: 0)
    bytes.copy(raw, at: 0)
    if hasChecksums { bytes.setBE32(crc32c(~0, raw), at: Field.checksum) }
  }
}

extension JournalSuperblock {
  /// Whether the fields past `errno` mean anything: features, UUID, users.
  public var isVersion2: Bool {
    get32(Field.blockType) == JournalBlockType.superblockV2.rawValue
  }

  /// In bytes; always the filesystem's.
  public var blockSize: UInt32 { get32(Field.blockSize) }

  /// In blocks, the superblock's and the area for fast commits included.
  public var blockCount: UInt32 { get32(Field.blockCount) }

  /// The first block of the log itself.
  public var firstLogBlock: UInt32 { get32(Field.firstLogBlock) }

  /// One past the last block of the log, which goes on at `firstLogBlock`.
  public var lastLogBlock: UInt32 {
    let count = fastCommitBlockCount
    return count < blockCount && blockCount - count >= Self.minimumBlockCount
      ? blockCount - count : blockCount
  }

  /// Blocks at the end of the journal that belong to fast commits; 0 without the feature. A journal
  /// that would keep too few for its log gives none.
  public var fastCommitBlockCount: UInt32 {
    guard incompat.contains(.fastCommit) else { return 0 }
    let stored = get32(Field.fastCommitBlockCount)
    return stored == 0 ? 256 : stored
  }

  /// The first commit expected in the log.
  public var sequence: UInt32 {
    get { get32(Field.sequence) }
    set { set32(Field.sequence, newValue) }
  }

  /// The block where the log starts; 0 when there is nothing to recover.
  public var start: UInt32 {
    get { get32(Field.start) }
    set { set32(Field.start, newValue) }
  }

  /// Whether every transaction in the journal is in place already.
  public var isClean: Bool { start == 0 }

  /// What aborted the journal, as a negative errno; 0 when nothing did.
  public var errno: Int32 {
    get { Int32(bitPattern: get32(Field.errno)) }
    set { set32(Field.errno, UInt32(bitPattern: newValue)) }
  }

  /// The journal's own; checksums in the log start from it. Zero in version 1.
  public var uuid: [UInt8] {
    get { isVersion2 ? Array(raw[Field.uuid..<Field.uuid + 16]) : Array(repeating: 0, count: 16) }
    set { raw.replaceSubrange(Field.uuid..<Field.uuid + 16, with: newValue.prefix(16)) }
  }

  /// The UUIDs of the filesystems that use the journal: more than one only on a device of its own.
  /// An internal journal names none.
  public var users: [[UInt8]] {
    guard isVersion2 else { return [] }
    let count = min(Int(get32(Field.userCount)), Field.maximumUserCount)
    return (0..<count).map { index in
      let start = Field.users + 16 * index
      return Array(raw[start..<start + 16])
    }
  }

  func get32(_ offset: Int) -> UInt32 { raw.rawBytes.be32(offset) }
  mutating func set32(_ offset: Int, _ value: UInt32) {
    raw.withMutableBytes { $0.setBE32(value, at: offset) }
  }

  /// Where the fields lie, in bytes.
  package enum Field {
    package static let magic = 0x0
    package static let blockType = 0x4
    package static let blockSize = 0xC
    package static let blockCount = 0x10
    package static let firstLogBlock = 0x14
    package static let sequence = 0x18
    package static let start = 0x1C
    package static let errno = 0x20
    package static let compat = 0x24
    package static let incompat = 0x28
    package static let readOnlyCompat = 0x2C
    package static let uuid = 0x30
    package static let userCount = 0x40
    package static let checksumType = 0x50
    package static let fastCommitBlockCount = 0x54
    package static let checksum = 0xFC
    package static let users = 0x100
    package static let maximumUserCount = 48
  }
}
