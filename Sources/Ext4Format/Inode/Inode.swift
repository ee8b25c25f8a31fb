import ExtantBase

/// Bits of i_flags; `lsattr` shows most of them.
public struct InodeFlags: OptionSet, Sendable, Hashable {
  public var rawValue: UInt32
  public init(rawValue: UInt32) { self.rawValue = rawValue }

  public static let secureDeletion = Self(rawValue: 0x1)
  public static let undelete = Self(rawValue: 0x2)
  public static let compressed = Self(rawValue: 0x4)
  public static let synchronous = Self(rawValue: 0x8)
  public static let immutable = Self(rawValue: 0x10)
  public static let append = Self(rawValue: 0x20)
  public static let noDump = Self(rawValue: 0x40)
  public static let noAccessTime = Self(rawValue: 0x80)
  /// Three bits that only a compressing ext2 would have set.
  public static let compressionState = Self(rawValue: 0x700)
  public static let encrypted = Self(rawValue: 0x800)
  /// The directory is a hash tree.
  public static let index = Self(rawValue: 0x1000)
  public static let imagic = Self(rawValue: 0x2000)
  public static let journalData = Self(rawValue: 0x4000)
  public static let noTailMerging = Self(rawValue: 0x8000)
  public static let directorySynchronous = Self(rawValue: 0x10000)
  public static let topDirectory = Self(rawValue: 0x20000)
  /// i_blocks counts filesystem blocks, not units of 512 bytes.
  public static let hugeFile = Self(rawValue: 0x40000)
  public static let extents = Self(rawValue: 0x80000)
  public static let verity = Self(rawValue: 0x100000)
  /// A value of an extended attribute lives in this inode.
  public static let eaInode = Self(rawValue: 0x200000)
  /// Once told of blocks past the end of the file; means nothing now.
  public static let endOfFileBlocks = Self(rawValue: 0x0040_0000)
  public static let dax = Self(rawValue: 0x0200_0000)
  public static let inlineData = Self(rawValue: 0x1000_0000)
  public static let projectInherit = Self(rawValue: 0x2000_0000)
  public static let casefold = Self(rawValue: 0x4000_0000)
}

/// An inode: everything about a file but its names.
///
/// Decoding and encoding keep what is not a field here: extended attributes behind the fields, and
/// words that other systems use, stay in the bytes they came from.
///
/// Source: the kernel's Documentation/filesystems/ext4/inodes.rst.
public struct Inode: Sendable, Equatable {
  /// All 16 bits: the kind and the permissions.
  public var mode: UInt16
  public var uid: UInt32
  public var gid: UInt32
  /// In bytes. Only regular files (and directories with `large_dir`) have more than 32 bits of it.
  public var size: UInt64
  /// 1 in a directory of more than 64,998 subdirectories (`dir_nlink`).
  public var linkCount: UInt16
  /// Space used, in units of 512 bytes: data, extent nodes and the xattr block. 48 bits are stored.
  public var blocks512: UInt64
  public var flags: InodeFlags
  public var generation: UInt32
  /// The extended attributes' block; 0 for none.
  public var fileACL: BlockAddress
  /// Seconds since 1970, or the next inode in the orphan list.
  public var deletionTime: UInt32
  public var accessTime: Timestamp
  public var changeTime: Timestamp
  public var modificationTime: Timestamp
  /// Nil in an inode without room for it.
  public var creationTime: Timestamp?
  /// i_extra_isize, in bytes: how much past the first 128 is fields. 0 in inodes of 128 bytes.
  public var extraSize: UInt16
  /// i_version: counts changes. 64 bits where there is room.
  public var version: UInt64
  public var projectID: UInt32
  /// The 60 bytes of i_block: extent tree root, block map, fast symlink, device number.
  public var blockArea: [UInt8]

  /// In bytes, of the part that every inode has.
  public static let baseSize = 128
  /// In bytes, of all fields known here past the base; mke2fs asks for as many.
  public static let knownExtraSize: UInt16 = 32
  public static let blockAreaByteCount = 60

  public var kind: FileKind? { FileKind(mode: mode) }

  /// A new inode, empty but for what is passed; `creationTime` follows `time`.
  public init(mode: UInt16, uid: UInt32, gid: UInt32, time: Timestamp, superblock: Superblock) {
    self.mode = mode
    self.uid = uid
    self.gid = gid
    size = 0
    linkCount = 1
    blocks512 = 0
    flags = []
    generation = 0
    fileACL = BlockAddress(0)
    deletionTime = 0
    accessTime = time
    changeTime = time
    modificationTime = time
    extraSize = Self.extraSizeForNew(superblock)
    creationTime = Self.fits(Field.creationTime, 4, extraSize: extraSize) ? time : nil
    version = 0
    projectID = 0
    blockArea = [UInt8](repeating: 0, count: Self.blockAreaByteCount)
  }

  /// i_extra_isize of a new inode: what the superblock wants, within the inode.
  static func extraSizeForNew(_ superblock: Superblock) -> UInt16 {
    let room = superblock.inodeSize - baseSize
    guard room > 0 else { return 0 }
    let wanted = max(
      superblock.wantExtraInodeSize, superblock.minimumExtraInodeSize, knownExtraSize)
    return min(wanted & ~3, UInt16(room))
  }

  /// Whether the slot was never used, or was cleared: no links, no mode. It is not decoded then.
  public static func isUnused(_ bytes: RawSpan) -> Bool {
    bytes.le16(Field.mode) == 0 && bytes.le16(Field.linksCount) == 0
  }

  /// Decodes the inode at the start of `bytes`.
  ///
  /// - Parameter bytes: at least `superblock.inodeSize` of them.
  /// - Throws: `corrupt` where its checksum or the size of its extra fields is wrong. What the
  ///   inode points to is validated by who follows it.
  public init(
    _ bytes: RawSpan, number: InodeNumber, superblock: Superblock
  ) throws(FileSystemError) {
    func broken(_ rule: String) -> FileSystemError {
      .corrupt(Corruption("inode", inode: number, rule))
    }
    guard bytes.byteCount >= superblock.inodeSize else {
      throw broken("\(superblock.inodeSize) bytes are needed, \(bytes.byteCount) are there")
    }
    var extraSize: UInt16 = 0
    if superblock.inodeSize > Self.baseSize {
      extraSize = bytes.le16(Field.extraSize)
      guard Int(extraSize) <= superblock.inodeSize - Self.baseSize, extraSize % 4 == 0 else {
        throw broken("its extra size is \(extraSize), not a multiple of 4 within the inode")
      }
    }
    try Self.verifyChecksum(bytes, extraSize: extraSize, number: number, superblock: superblock)

    self.extraSize = extraSize
    let mode = bytes.le16(Field.mode)
    self.mode = mode
    uid = UInt32(bytes.le16(Field.uidLow)) | UInt32(bytes.le16(Field.uidHigh)) << 16
    gid = UInt32(bytes.le16(Field.gidLow)) | UInt32(bytes.le16(Field.gidHigh)) << 16
    size = UInt64(bytes.le32(Field.sizeLow))
    if Self.hasLargeSize(mode: mode, superblock) {
      size |= UInt64(bytes.le32(Field.sizeHigh)) << 32
    }
    linkCount = bytes.le16(Field.linksCount)
    let flags = InodeFlags(rawValue: bytes.le32(Field.flags))
    self.flags = flags
    generation = bytes.le32(Field.generation)
    fileACL = BlockAddress(
      UInt64(bytes.le32(Field.fileACLLow))
        | (superblock.is64Bit ? UInt64(bytes.le16(Field.fileACLHigh)) << 32 : 0))
    deletionTime = bytes.le32(Field.deletionTime)
    blockArea = bytes.array(Field.block..<Field.block + Self.blockAreaByteCount)

    var blocks = UInt64(bytes.le32(Field.blocksLow))
    if superblock.features.readOnlyCompat.contains(.hugeFile) {
      blocks |= UInt64(bytes.le16(Field.blocksHigh)) << 32
      // 48 bits of blocks of at most 64 KiB are at most 55 bits of 512 bytes.
      if flags.contains(.hugeFile) { blocks *= UInt64(superblock.blockSize / 512) }
    }
    blocks512 = blocks

    let times = TimeCodec(extraSize: extraSize)
    accessTime = times.decode(bytes, Field.accessTime, extra: Field.accessTimeExtra)
    changeTime = times.decode(bytes, Field.changeTime, extra: Field.changeTimeExtra)
    modificationTime = times.decode(
      bytes, Field.modificationTime, extra: Field.modificationTimeExtra)
    creationTime =
      Self.fits(Field.creationTime, 4, extraSize: extraSize)
      ? times.decode(bytes, Field.creationTime, extra: Field.creationTimeExtra) : nil
    // The Hurd keeps the block of a translator there.
    version = superblock.isHurd ? 0 : UInt64(bytes.le32(Field.version))
    if !superblock.isHurd, Self.fits(Field.versionHigh, 4, extraSize: extraSize) {
      version |= UInt64(bytes.le32(Field.versionHigh)) << 32
    }
    projectID =
      Self.fits(Field.projectID, 4, extraSize: extraSize) ? bytes.le32(Field.projectID) : 0
  }

  /// Writes the inode to the start of `bytes`, with its checksum. Extended attributes and words
  /// unknown here stay as they are.
  ///
  /// - Parameter bytes: at least `superblock.inodeSize` of them: the slot as it was, or zeros.
  public func encode(
    into bytes: inout MutableRawSpan, number: InodeNumber, superblock: Superblock
  ) {
    bytes.setLE16(mode, at: Field.mode)
    bytes.setLE16(UInt16(truncatingIfNeeded: uid), at: Field.uidLow)
    bytes.setLE16(UInt16(truncatingIfNeeded: uid >> 16), at: Field.uidHigh)
    bytes.setLE16(UInt16(truncatingIfNeeded: gid), at: Field.gidLow)
    bytes.setLE16(UInt16(truncatingIfNeeded: gid >> 16), at: Field.gidHigh)
    bytes.setLE32(UInt32(truncatingIfNeeded: size), at: Field.sizeLow)
    if Self.hasLargeSize(mode: mode, superblock) {
      bytes.setLE32(UInt32(truncatingIfNeeded: size >> 32), at: Field.sizeHigh)
    }
    bytes.setLE16(linkCount, at: Field.linksCount)
    bytes.setLE32(generation, at: Field.generation)
    bytes.setLE32(UInt32(truncatingIfNeeded: fileACL.rawValue), at: Field.fileACLLow)
    if superblock.is64Bit {
      bytes.setLE16(UInt16(truncatingIfNeeded: fileACL.rawValue >> 32), at: Field.fileACLHigh)
    }
    bytes.setLE32(deletionTime, at: Field.deletionTime)
    bytes.copy(blockArea, at: Field.block)
    encodeBlocks(into: &bytes, superblock)

    let extraSize = superblock.inodeSize > Self.baseSize ? self.extraSize : 0
    if superblock.inodeSize > Self.baseSize { bytes.setLE16(extraSize, at: Field.extraSize) }
    let times = TimeCodec(extraSize: extraSize)
    times.encode(accessTime, &bytes, Field.accessTime, extra: Field.accessTimeExtra)
    times.encode(changeTime, &bytes, Field.changeTime, extra: Field.changeTimeExtra)
    times.encode(
      modificationTime, &bytes, Field.modificationTime, extra: Field.modificationTimeExtra)
    if let creationTime, Self.fits(Field.creationTime, 4, extraSize: extraSize) {
      times.encode(creationTime, &bytes, Field.creationTime, extra: Field.creationTimeExtra)
    }
    if !superblock.isHurd {
      bytes.setLE32(UInt32(truncatingIfNeeded: version), at: Field.version)
      if Self.fits(Field.versionHigh, 4, extraSize: extraSize) {
        bytes.setLE32(UInt32(truncatingIfNeeded: version >> 32), at: Field.versionHigh)
      }
    }
    if Self.fits(Field.projectID, 4, extraSize: extraSize) {
      bytes.setLE32(projectID, at: Field.projectID)
    }
    Self.setChecksum(&bytes, extraSize: extraSize, number: number, superblock: superblock)
  }

  /// Writes i_blocks and the flags: past 2^48 - 1 units of 512 bytes it counts blocks instead.
  private func encodeBlocks(into bytes: inout MutableRawSpan, _ superblock: Superblock) {
    var flags = self.flags
    var blocks = blocks512
    if superblock.features.readOnlyCompat.contains(.hugeFile) {
      let sectors = UInt64(superblock.blockSize / 512)
      // A count that is no multiple of the block can only be told in sectors.
      let inBlocks = blocks >= 1 << 48 || (flags.contains(.hugeFile) && blocks % sectors == 0)
      if inBlocks {
        flags.insert(.hugeFile)
        blocks /= sectors
      } else {
        flags.remove(.hugeFile)
      }
      bytes.setLE16(UInt16(truncatingIfNeeded: blocks >> 32), at: Field.blocksHigh)
    }
    bytes.setLE32(UInt32(truncatingIfNeeded: blocks), at: Field.blocksLow)
    bytes.setLE32(flags.rawValue, at: Field.flags)
  }

  /// i_size_high belongs to regular files; in directories it was an ACL once.
  private static func hasLargeSize(mode: UInt16, _ superblock: Superblock) -> Bool {
    FileKind(mode: mode) == .regular || superblock.features.incompat.contains(.largedir)
  }

  /// Whether the field of `count` bytes at `offset` is among the fields past the base.
  static func fits(_ offset: Int, _ count: Int, extraSize: UInt16) -> Bool {
    offset + count <= baseSize + Int(extraSize)
  }

  /// Where the fields lie, in bytes from the inode's start.
  enum Field {
    static let mode = 0x0
    static let uidLow = 0x2
    static let sizeLow = 0x4
    static let accessTime = 0x8
    static let changeTime = 0xC
    static let modificationTime = 0x10
    static let deletionTime = 0x14
    static let gidLow = 0x18
    static let linksCount = 0x1A
    static let blocksLow = 0x1C
    static let flags = 0x20
    static let version = 0x24
    static let block = 0x28
    static let generation = 0x64
    static let fileACLLow = 0x68
    static let sizeHigh = 0x6C
    static let blocksHigh = 0x74
    static let fileACLHigh = 0x76
    static let uidHigh = 0x78
    static let gidHigh = 0x7A
    static let checksumLow = 0x7C
    static let extraSize = 0x80
    static let checksumHigh = 0x82
    static let changeTimeExtra = 0x84
    static let modificationTimeExtra = 0x88
    static let accessTimeExtra = 0x8C
    static let creationTime = 0x90
    static let creationTimeExtra = 0x94
    static let versionHigh = 0x98
    static let projectID = 0x9C
  }
}
