import ExtantBase

/// The quota files of the feature `quota`: version 2, revision 1 (`vfsv1`).
///
/// A file is a row of blocks of 1 KiB, whatever the filesystem's are: block 0 is the head, block 1
/// the root of a tree of four levels, one for each byte of an id, the highest first. A tree's block
/// is 256 numbers of blocks, 0 for none; the lowest level leads to a block of entries, in which the
/// id's is found by looking at all of them.
public enum QuotaFile {
  /// In bytes.
  public static let blockSize = 1024
  /// The tree's root.
  public static let rootBlock: UInt32 = 1
  public static let depth = 4
  public static let referencesPerBlock = 256
  /// In bytes: before the entries of their block.
  static let blockHeadSize = 16
  public static let entriesPerBlock = (blockSize - blockHeadSize) / QuotaEntry.byteCount

  public static func magic(_ kind: QuotaKind) -> UInt32 {
    switch kind {
    case .user: 0xd9c0_1f11
    case .group: 0xd9c0_1927
    case .project: 0xd9c0_3f14
    }
  }

  /// Reference `index` of a tree's block.
  public static func reference(_ index: Int, in bytes: RawSpan) -> UInt32 { bytes.le32(index * 4) }

  /// The byte of an id that a level of the tree goes by.
  public static func index(of id: UInt32, level: Int) -> Int {
    Int(id >> UInt32(8 * (depth - 1 - level)) & 0xff)
  }

  /// The entries of a block that are in use.
  public static func forEachEntry(_ bytes: RawSpan, _ body: (QuotaEntry) -> Void) {
    for index in 0..<entriesPerBlock {
      let start = blockHeadSize + index * QuotaEntry.byteCount
      guard !bytes.isZero(start..<start + QuotaEntry.byteCount) else { continue }
      body(QuotaEntry(bytes, at: start))
    }
  }

  /// Fills a block with entries, as many as fit at most.
  public static func encode(_ entries: [QuotaEntry], into bytes: inout MutableRawSpan) {
    bytes.fill(0..<blockSize, with: 0)
    bytes.setLE16(UInt16(entries.count), at: 8)
    for (index, entry) in entries.enumerated() {
      entry.encode(into: &bytes, at: blockHeadSize + index * QuotaEntry.byteCount)
    }
  }
}

/// The head of a quota file.
public struct QuotaHead: Sendable, Equatable {
  public var magic: UInt32
  public var version: UInt32
  /// In seconds: how long a soft limit may be passed, for space and for inodes.
  public var spaceGrace: UInt32 = 604_800
  public var inodeGrace: UInt32 = 604_800
  public var flags: UInt32 = 0
  /// Blocks of 1 KiB in the file.
  public var blockCount: UInt32
  /// The first of the blocks that are free; 0 for none.
  public var freeBlock: UInt32 = 0
  /// The first of the blocks of entries with room; 0 for none.
  public var freeEntry: UInt32 = 0

  public init(_ kind: QuotaKind, blockCount: UInt32) {
    magic = QuotaFile.magic(kind)
    version = 1
    self.blockCount = blockCount
  }

  /// - Parameter bytes: a block of the file.
  public init(_ bytes: RawSpan) {
    magic = bytes.le32(0)
    version = bytes.le32(4)
    spaceGrace = bytes.le32(8)
    inodeGrace = bytes.le32(12)
    flags = bytes.le32(16)
    blockCount = bytes.le32(20)
    freeBlock = bytes.le32(24)
    freeEntry = bytes.le32(28)
  }

  public func encode(into bytes: inout MutableRawSpan) {
    bytes.fill(0..<QuotaFile.blockSize, with: 0)
    let words = [
      magic, version, spaceGrace, inodeGrace, flags, blockCount, freeBlock, freeEntry,
    ]
    for (index, word) in words.enumerated() { bytes.setLE32(word, at: index * 4) }
  }
}

/// What a quota file says of one id.
public struct QuotaEntry: Sendable, Equatable {
  public static let byteCount = 72

  /// What somebody has set: it must survive when the file is written anew.
  public struct Limits: Sendable, Hashable {
    public var hardInodes: UInt64 = 0
    public var softInodes: UInt64 = 0
    /// In units of 1 KiB.
    public var hardSpace: UInt64 = 0
    public var softSpace: UInt64 = 0
    /// Seconds since 1970: when the grace ends.
    public var spaceTime: UInt64 = 0
    public var inodeTime: UInt64 = 0

    public init() {}

    public var isSet: Bool { self != Limits() }
  }

  public var id: UInt32
  public var limits = Limits()
  public var inodes: UInt64
  /// In bytes.
  public var space: UInt64

  public init(id: UInt32, inodes: UInt64, space: UInt64) {
    self.id = id
    self.inodes = inodes
    self.space = space
  }

  public init(_ bytes: RawSpan, at start: Int) {
    id = bytes.le32(start)
    limits.hardInodes = bytes.le64(start + 8)
    limits.softInodes = bytes.le64(start + 16)
    inodes = bytes.le64(start + 24)
    limits.hardSpace = bytes.le64(start + 32)
    limits.softSpace = bytes.le64(start + 40)
    space = bytes.le64(start + 48)
    limits.spaceTime = bytes.le64(start + 56)
    limits.inodeTime = bytes.le64(start + 64)
  }

  /// - Parameter start: of 72 zeros.
  public func encode(into bytes: inout MutableRawSpan, at start: Int) {
    bytes.setLE32(id, at: start)
    bytes.setLE64(limits.hardInodes, at: start + 8)
    bytes.setLE64(limits.softInodes, at: start + 16)
    bytes.setLE64(inodes, at: start + 24)
    bytes.setLE64(limits.hardSpace, at: start + 32)
    bytes.setLE64(limits.softSpace, at: start + 40)
    bytes.setLE64(space, at: start + 48)
    bytes.setLE64(limits.spaceTime, at: start + 56)
    // An entry of zeros is none: id 0 with nothing in it says so with a time.
    let isZero = id == 0 && inodes == 0 && space == 0 && !limits.isSet
    bytes.setLE64(isZero ? 1 : limits.inodeTime, at: start + 64)
  }
}
