import ExtantBase

/// The first block of the journal (jbd2), big-endian: whether there is something to recover, and
/// what a new journal starts with.
///
/// Source: the kernel's Documentation/filesystems/ext4/journal.rst.
public struct JournalSuperblock: Sendable, Equatable {
  /// In bytes, of the structure on disk; the rest of its block is zero.
  public static let byteCount = 1024
  public static let magic: UInt32 = 0xC03B_3998
  /// The fewest blocks a journal may have (JBD2_MIN_JOURNAL_BLOCKS).
  public static let minimumBlockCount: UInt32 = 1024

  public struct IncompatFeatures: OptionSet, Sendable, Hashable {
    public var rawValue: UInt32
    public init(rawValue: UInt32) { self.rawValue = rawValue }
    public static let revoke = Self(rawValue: 0x1)
    public static let is64Bit = Self(rawValue: 0x2)
    public static let asyncCommit = Self(rawValue: 0x4)
    public static let checksumV2 = Self(rawValue: 0x8)
    public static let checksumV3 = Self(rawValue: 0x10)
    public static let fastCommit = Self(rawValue: 0x20)
  }

  /// In bytes; always the filesystem's.
  public var blockSize: UInt32
  /// In blocks, this one included.
  public var blockCount: UInt32
  /// The first block of the log itself.
  public var firstLogBlock: UInt32
  /// The first commit expected in the log.
  public var sequence: UInt32
  /// The block where the log starts; 0 when there is nothing to recover.
  public var start: UInt32
  /// What aborted the journal; 0 when nothing did.
  public var errno: Int32
  public var incompat: IncompatFeatures
  public var uuid: [UInt8]

  /// Whether every transaction in the journal is in place already.
  public var isClean: Bool { start == 0 }

  /// A new, empty journal as mke2fs makes it: the kernel adds features when it mounts.
  public init(blockSize: UInt32, blockCount: UInt32, uuid: [UInt8]) {
    self.blockSize = blockSize
    self.blockCount = blockCount
    firstLogBlock = 1
    sequence = 1
    start = 0
    errno = 0
    incompat = []
    self.uuid = uuid
  }

  /// Decodes the journal's first block.
  ///
  /// - Throws: `corrupt` where it is no journal's, has another block size than the filesystem, or
  ///   fails its checksum.
  public init(_ bytes: RawSpan, superblock: Superblock) throws(FileSystemError) {
    func broken(_ rule: String) -> FileSystemError {
      .corrupt(Corruption("journal superblock", inode: superblock.journalInode, rule))
    }
    guard bytes.byteCount >= Self.byteCount else {
      throw broken("\(Self.byteCount) bytes are needed, \(bytes.byteCount) are there")
    }
    guard bytes.be32(Field.magic) == Self.magic else {
      throw broken("the magic number 0xC03B3998 is missing")
    }
    let type = bytes.be32(Field.blockType)
    guard type == BlockType.superblockV1 || type == BlockType.superblockV2 else {
      throw broken("its block type is \(type), not 3 or 4")
    }
    blockSize = bytes.be32(Field.blockSize)
    blockCount = bytes.be32(Field.blockCount)
    firstLogBlock = bytes.be32(Field.firstLogBlock)
    sequence = bytes.be32(Field.sequence)
    start = bytes.be32(Field.start)
    errno = Int32(bitPattern: bytes.be32(Field.errno))
    let isV2 = type == BlockType.superblockV2
    incompat = IncompatFeatures(rawValue: isV2 ? bytes.be32(Field.incompat) : 0)
    uuid = bytes.array(Field.uuid..<Field.uuid + 16)

    guard Int(blockSize) == superblock.blockSize else {
      throw broken("its block size is \(blockSize), the filesystem's \(superblock.blockSize)")
    }
    guard firstLogBlock >= 1, firstLogBlock < blockCount, start < blockCount else {
      throw broken("its log does not lie within its \(blockCount) blocks")
    }
    if !incompat.isDisjoint(with: [.checksumV2, .checksumV3]) {
      let stored = bytes.be32(Field.checksum)
      var crc = crc32c(~0, bytes.extracting(0..<Field.checksum))
      crc = crc32c(crc, zeros: 4)
      crc = crc32c(crc, bytes.extracting((Field.checksum + 4)..<Self.byteCount))
      guard stored == crc else { throw broken(checksumRule(stored, crc)) }
    }
  }

  /// Writes a version 2 superblock to `bytes`, a whole block that becomes zero elsewhere.
  public func encodeNew(into bytes: inout MutableRawSpan) {
    bytes.fill(0..<bytes.byteCount, with: 0)
    bytes.setBE32(Self.magic, at: Field.magic)
    bytes.setBE32(BlockType.superblockV2, at: Field.blockType)
    bytes.setBE32(blockSize, at: Field.blockSize)
    bytes.setBE32(blockCount, at: Field.blockCount)
    bytes.setBE32(firstLogBlock, at: Field.firstLogBlock)
    bytes.setBE32(sequence, at: Field.sequence)
    bytes.setBE32(start, at: Field.start)
    bytes.copy(uuid, at: Field.uuid)
    bytes.setBE32(1, at: Field.userCount)
  }

  private enum BlockType {
    static let superblockV1: UInt32 = 3
    static let superblockV2: UInt32 = 4
  }

  private enum Field {
    static let magic = 0x0
    static let blockType = 0x4
    static let blockSize = 0xC
    static let blockCount = 0x10
    static let firstLogBlock = 0x14
    static let sequence = 0x18
    static let start = 0x1C
    static let errno = 0x20
    static let incompat = 0x28
    static let uuid = 0x30
    static let userCount = 0x40
    static let checksum = 0xFC
  }
}
