import ExtantBase

/// The bytes of an inode's slot, read and written field by field, with no rule enforced: what a
/// checker looks at and mends. `Inode` is the same with every rule kept.
///
/// Source: the kernel's Documentation/filesystems/ext4/inodes.rst.
public struct RawInode: Sendable, Equatable {
  /// As many as an inode of the filesystem has, at least 128.
  public var bytes: [UInt8]

  /// - Parameter bytes: the slot, at least `Inode.baseSize` bytes.
  public init(_ bytes: [UInt8]) {
    precondition(bytes.count >= Inode.baseSize)
    self.bytes = bytes
  }

  /// An empty slot of `size` bytes.
  public init(byteCount size: Int) { self.init([UInt8](repeating: 0, count: size)) }

  private typealias Field = Inode.Field

  /// Where fields lie, in bytes from the slot's start, for who reads them in place.
  public enum Offset {
    public static let mode = Inode.Field.mode
    public static let sizeLow = Inode.Field.sizeLow
    public static let accessTime = Inode.Field.accessTime
    public static let changeTime = Inode.Field.changeTime
    public static let modificationTime = Inode.Field.modificationTime
    public static let deletionTime = Inode.Field.deletionTime
    public static let linkCount = Inode.Field.linksCount
    public static let blocksLow = Inode.Field.blocksLow
    public static let flags = Inode.Field.flags
    public static let fileACLLow = Inode.Field.fileACLLow
    public static let sizeHigh = Inode.Field.sizeHigh
    /// i_faddr, which nothing uses.
    public static let fragmentAddress = 0x70
    public static let blocksHigh = Inode.Field.blocksHigh
    public static let extraSize = Inode.Field.extraSize
    public static let creationTime = Inode.Field.creationTime
  }

  // MARK: Words

  public func u8(_ offset: Int) -> UInt8 { bytes.rawBytes.u8(offset) }
  public func le16(_ offset: Int) -> UInt16 { bytes.rawBytes.le16(offset) }
  public func le32(_ offset: Int) -> UInt32 { bytes.rawBytes.le32(offset) }
  public mutating func setLE16(_ value: UInt16, at offset: Int) {
    bytes.withMutableBytes { $0.setLE16(value, at: offset) }
  }
  public mutating func setLE32(_ value: UInt32, at offset: Int) {
    bytes.withMutableBytes { $0.setLE32(value, at: offset) }
  }

  // MARK: Fields

  public var mode: UInt16 {
    get { le16(Field.mode) }
    set { setLE16(newValue, at: Field.mode) }
  }
  /// Nil where the mode names none.
  public var kind: FileKind? { FileKind(mode: mode) }
  public var permissions: UInt16 { mode & ~FileKind.mask }

  public var uid: UInt32 {
    get { UInt32(le16(Field.uidLow)) | UInt32(le16(Field.uidHigh)) << 16 }
    set {
      setLE16(UInt16(truncatingIfNeeded: newValue), at: Field.uidLow)
      setLE16(UInt16(truncatingIfNeeded: newValue >> 16), at: Field.uidHigh)
    }
  }
  public var gid: UInt32 {
    get { UInt32(le16(Field.gidLow)) | UInt32(le16(Field.gidHigh)) << 16 }
    set {
      setLE16(UInt16(truncatingIfNeeded: newValue), at: Field.gidLow)
      setLE16(UInt16(truncatingIfNeeded: newValue >> 16), at: Field.gidHigh)
    }
  }

  public var sizeLow: UInt32 {
    get { le32(Field.sizeLow) }
    set { setLE32(newValue, at: Field.sizeLow) }
  }
  /// The size's upper half in files, and in directories with `large_dir`; an ACL's place before.
  public var sizeHigh: UInt32 {
    get { le32(Field.sizeHigh) }
    set { setLE32(newValue, at: Field.sizeHigh) }
  }
  /// In bytes, of both halves whatever the inode is.
  public var wholeSize: UInt64 {
    get { UInt64(sizeLow) | UInt64(sizeHigh) << 32 }
    set {
      sizeLow = UInt32(truncatingIfNeeded: newValue)
      sizeHigh = UInt32(truncatingIfNeeded: newValue >> 32)
    }
  }

  public var linkCount: UInt16 {
    get { le16(Field.linksCount) }
    set { setLE16(newValue, at: Field.linksCount) }
  }
  public var flags: InodeFlags {
    get { InodeFlags(rawValue: le32(Field.flags)) }
    set { setLE32(newValue.rawValue, at: Field.flags) }
  }
  public var generation: UInt32 {
    get { le32(Field.generation) }
    set { setLE32(newValue, at: Field.generation) }
  }
  /// Seconds since 1970, or the next inode of the orphan list.
  public var deletionTime: UInt32 {
    get { le32(Field.deletionTime) }
    set { setLE32(newValue, at: Field.deletionTime) }
  }
  /// i_atime, i_ctime, i_mtime: the low 32 bits.
  public var accessTime: UInt32 {
    get { le32(Field.accessTime) }
    set { setLE32(newValue, at: Field.accessTime) }
  }
  public var changeTime: UInt32 {
    get { le32(Field.changeTime) }
    set { setLE32(newValue, at: Field.changeTime) }
  }
  public var modificationTime: UInt32 {
    get { le32(Field.modificationTime) }
    set { setLE32(newValue, at: Field.modificationTime) }
  }

  public var blocksLow: UInt32 {
    get { le32(Field.blocksLow) }
    set { setLE32(newValue, at: Field.blocksLow) }
  }
  /// With `huge_file`; a word of other systems before.
  public var blocksHigh: UInt16 {
    get { le16(Field.blocksHigh) }
    set { setLE16(newValue, at: Field.blocksHigh) }
  }
  public var fileACLLow: UInt32 {
    get { le32(Field.fileACLLow) }
    set { setLE32(newValue, at: Field.fileACLLow) }
  }
  public var fileACLHigh: UInt16 {
    get { le16(Field.fileACLHigh) }
    set { setLE16(newValue, at: Field.fileACLHigh) }
  }
  /// i_extra_isize; 0 in a slot of 128 bytes.
  public var extraSize: UInt16 {
    get { bytes.count > Inode.baseSize ? le16(Field.extraSize) : 0 }
    set { if bytes.count > Inode.baseSize { setLE16(newValue, at: Field.extraSize) } }
  }
  /// i_version's low half: of an inode with an attribute's value, the reference count's high half.
  public var versionLow: UInt32 {
    get { le32(Field.version) }
    set { setLE32(newValue, at: Field.version) }
  }

  /// The same word on the Hurd: a block that says which program stands in the file's place; 0 for none.
  public var translator: UInt32 {
    get { le32(Field.version) }
    set { setLE32(newValue, at: Field.version) }
  }
  /// i_frag and i_fsize of the Hurd, where Linux has the upper half of i_blocks.
  public var hurdFragment: UInt16 {
    get { le16(Field.blocksHigh) }
    set { setLE16(newValue, at: Field.blocksHigh) }
  }

  /// The 60 bytes of i_block.
  public var blockArea: [UInt8] {
    get { Array(bytes[Field.block..<Field.block + Inode.blockAreaByteCount]) }
    set {
      precondition(newValue.count == Inode.blockAreaByteCount)
      bytes.replaceSubrange(Field.block..<Field.block + Inode.blockAreaByteCount, with: newValue)
    }
  }
  /// Word `index` of i_block, 0 to 14: a block pointer.
  public func blockWord(_ index: Int) -> UInt32 { le32(Field.block + 4 * index) }
  public mutating func setBlockWord(_ index: Int, _ value: UInt32) {
    setLE32(value, at: Field.block + 4 * index)
  }
  public static let blockAreaOffset = Field.block

  /// Whether no bit is set.
  public var isZero: Bool { bytes.rawBytes.isZero(0..<bytes.count) }

  // MARK: Fields that depend on the filesystem

  /// In bytes, as the kernel reads it: the upper half counts in files, and in directories with
  /// `large_dir`.
  public func size(_ superblock: Superblock) -> UInt64 {
    let hasHigh =
      kind == .regular || kind == nil
      || (kind == .directory && superblock.features.incompat.contains(.largedir))
    return hasHigh ? wholeSize : UInt64(sizeLow)
  }

  /// The attributes' block; 0 for none.
  public func fileACL(_ superblock: Superblock) -> BlockAddress {
    BlockAddress(
      UInt64(fileACLLow) | (superblock.is64Bit ? UInt64(fileACLHigh) << 32 : 0))
  }
  public mutating func setFileACL(_ address: BlockAddress, _ superblock: Superblock) {
    fileACLLow = UInt32(truncatingIfNeeded: address.rawValue)
    if superblock.is64Bit { fileACLHigh = UInt16(truncatingIfNeeded: address.rawValue >> 32) }
  }

  /// i_blocks as it stands: units of 512 bytes, or blocks where the flag `huge_file` is set.
  public func storedBlocks(_ superblock: Superblock) -> UInt64 {
    UInt64(blocksLow)
      | (superblock.features.readOnlyCompat.contains(.hugeFile) ? UInt64(blocksHigh) << 32 : 0)
  }
  /// i_blocks in units of 512 bytes; nil where that is more than 64 bits.
  public func blocks512(_ superblock: Superblock) -> UInt64? {
    let stored = storedBlocks(superblock)
    guard superblock.features.readOnlyCompat.contains(.hugeFile), flags.contains(.hugeFile) else {
      return stored
    }
    let (product, overflow) = stored.multipliedReportingOverflow(
      by: UInt64(superblock.blockSize / 512))
    return overflow ? nil : product
  }

  // MARK: Checksum

  private var clampedExtraSize: UInt16 {
    min(extraSize, UInt16(max(0, bytes.count - Inode.baseSize)))
  }

  /// True where the filesystem has none.
  public func hasValidChecksum(_ number: InodeNumber, _ superblock: Superblock) -> Bool {
    Inode.hasValidChecksum(
      bytes.rawBytes, extraSize: clampedExtraSize, number: number, superblock: superblock)
  }
  public mutating func updateChecksum(_ number: InodeNumber, _ superblock: Superblock) {
    bytes.withMutableBytes {
      Inode.updateChecksum(&$0, number: number, superblock: superblock)
    }
  }
  /// What the checksums of its extent nodes and directory blocks start from; nil where the
  /// filesystem has none.
  public func checksumSeed(_ number: InodeNumber, _ superblock: Superblock) -> UInt32? {
    guard superblock.hasMetadataChecksums else { return nil }
    return Inode.checksumSeed(number: number, generation: generation, superblock: superblock)
  }
}
