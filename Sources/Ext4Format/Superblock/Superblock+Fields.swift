import ExtantBase

/// The fields that may change while the geometry stays, as views of the bytes.
extension Superblock {
  /// All three feature words.
  public struct Features: Sendable, Equatable {
    public var compat: CompatFeatures
    public var incompat: IncompatFeatures
    public var readOnlyCompat: ReadOnlyCompatFeatures

    public init(
      compat: CompatFeatures = [], incompat: IncompatFeatures = [],
      readOnlyCompat: ReadOnlyCompatFeatures = []
    ) {
      self.compat = compat
      self.incompat = incompat
      self.readOnlyCompat = readOnlyCompat
    }

    /// As `dumpe2fs` lists them.
    public var names: [String] { compat.names + incompat.names + readOnlyCompat.names }
  }

  /// Bits of s_state.
  public struct State: OptionSet, Sendable, Hashable {
    public var rawValue: UInt16
    public init(rawValue: UInt16) { self.rawValue = rawValue }
    /// Cleanly unmounted.
    public static let clean = Self(rawValue: 1)
    /// Errors were detected.
    public static let errors = Self(rawValue: 2)
    /// Orphans are being recovered.
    public static let orphans = Self(rawValue: 4)
  }

  /// Bits of s_flags.
  public struct Flags: OptionSet, Sendable, Hashable {
    public var rawValue: UInt32
    public init(rawValue: UInt32) { self.rawValue = rawValue }
    public static let signedDirectoryHash = Self(rawValue: 1)
    public static let unsignedDirectoryHash = Self(rawValue: 2)
    public static let testFilesystem = Self(rawValue: 4)
  }

  /// s_errors: what a mount does when it meets an error.
  public enum ErrorBehavior: UInt16, Sendable {
    case `continue` = 1
    case remountReadOnly, panic
  }

  public var features: Features {
    get {
      Features(
        compat: CompatFeatures(rawValue: get32(SuperblockField.featureCompat)),
        incompat: IncompatFeatures(rawValue: get32(SuperblockField.featureIncompat)),
        readOnlyCompat: ReadOnlyCompatFeatures(
          rawValue: get32(SuperblockField.featureReadOnlyCompat)))
    }
    set {
      set32(SuperblockField.featureCompat, newValue.compat.rawValue)
      set32(SuperblockField.featureIncompat, newValue.incompat.rawValue)
      set32(SuperblockField.featureReadOnlyCompat, newValue.readOnlyCompat.rawValue)
    }
  }

  public var is64Bit: Bool { features.incompat.contains(.is64Bit) }
  /// metadata_csum: crc32c everywhere.
  public var hasMetadataChecksums: Bool { features.readOnlyCompat.contains(.metadataCsum) }
  /// uninit_bg (gdt_csum): crc16 on descriptors only; metadata_csum takes its place.
  public var hasGroupChecksums: Bool {
    features.readOnlyCompat.contains(.gdtCsum) && !hasMetadataChecksums
  }
  /// Whether descriptors carry the UNINIT flags and count unused inodes.
  public var hasUninitializedGroups: Bool { hasMetadataChecksums || hasGroupChecksums }

  // MARK: Counts

  public var freeBlockCount: UInt64 {
    get { getCount(SuperblockField.freeBlocksCountLow, SuperblockField.freeBlocksCountHigh) }
    set {
      setCount(SuperblockField.freeBlocksCountLow, SuperblockField.freeBlocksCountHigh, newValue)
    }
  }
  /// Blocks that only the superuser, `reservedUID` or `reservedGID` may take.
  public var reservedBlockCount: UInt64 {
    get {
      getCount(SuperblockField.reservedBlocksCountLow, SuperblockField.reservedBlocksCountHigh)
    }
    set {
      setCount(
        SuperblockField.reservedBlocksCountLow, SuperblockField.reservedBlocksCountHigh, newValue)
    }
  }
  public var freeInodeCount: UInt32 {
    get { get32(SuperblockField.freeInodesCount) }
    set { set32(SuperblockField.freeInodesCount, newValue) }
  }
  public var reservedUID: UInt16 { get16(SuperblockField.defaultReservedUID) }
  public var reservedGID: UInt16 { get16(SuperblockField.defaultReservedGID) }
  /// Blocks kept behind the descriptor table so that it can grow (`resize_inode`).
  public var reservedDescriptorBlockCount: UInt16 {
    features.compat.contains(.resizeInode) ? get16(SuperblockField.reservedDescriptorBlocks) : 0
  }
  /// Blocks that no file can have, as mke2fs counted them; 0 where nobody did.
  public var overheadBlockCount: UInt32 {
    get { get32(SuperblockField.overheadBlocks) }
    set { set32(SuperblockField.overheadBlocks, newValue) }
  }
  public var kilobytesWritten: UInt64 {
    get { raw.rawBytes.le64(SuperblockField.kilobytesWritten) }
    set { raw.withMutableBytes { $0.setLE64(newValue, at: SuperblockField.kilobytesWritten) } }
  }

  // MARK: Identity

  /// 16 bytes.
  public var uuid: [UInt8] { Array(raw[SuperblockField.uuid..<SuperblockField.uuid + 16]) }
  /// Up to 16 bytes, most often UTF-8; longer ones are cut.
  public var label: [UInt8] {
    get { getText(SuperblockField.volumeName..<SuperblockField.volumeName + 16) }
    set { setText(SuperblockField.volumeName..<SuperblockField.volumeName + 16, newValue) }
  }
  /// The directory of the last mount, up to 64 bytes.
  public var lastMounted: [UInt8] {
    get { getText(SuperblockField.lastMounted..<SuperblockField.lastMounted + 64) }
    set { setText(SuperblockField.lastMounted..<SuperblockField.lastMounted + 64, newValue) }
  }
  /// 0 Linux, 1 Hurd, 2 Masix, 3 FreeBSD, 4 Lites.
  public var creatorOS: UInt32 { get32(SuperblockField.creatorOS) }
  /// Whether inodes have the Hurd's words: a translator's block where Linux has i_version, and a fragment
  /// and the upper half of the mode where it has the upper halves of i_blocks and of the attributes' block.
  public var isHurd: Bool { creatorOS == 1 }
  public var revision: UInt32 { get32(SuperblockField.revision) }
  /// The group that the copy these bytes came from lies in; 0 in the primary.
  public var blockGroupNumber: UInt16 { get16(SuperblockField.blockGroupNumber) }

  // MARK: State and times

  public var state: State {
    get { State(rawValue: get16(SuperblockField.state)) }
    set { set16(SuperblockField.state, newValue.rawValue) }
  }
  public var errorBehavior: ErrorBehavior {
    get { statedErrorBehavior ?? .continue }
    set { set16(SuperblockField.errors, newValue.rawValue) }
  }
  /// Nil where the number means nothing.
  public var statedErrorBehavior: ErrorBehavior? {
    ErrorBehavior(rawValue: get16(SuperblockField.errors))
  }
  public var mountCount: UInt16 {
    get { get16(SuperblockField.mountCount) }
    set { set16(SuperblockField.mountCount, newValue) }
  }
  /// Mounts after which a check is due; -1 means never.
  public var maxMountCount: Int16 {
    Int16(bitPattern: get16(SuperblockField.maxMountCount))
  }
  /// Seconds since 1970, as are the other times here.
  public var mountTime: Int64 {
    get { getTime(SuperblockField.mountTime, SuperblockField.mountTimeHigh) }
    set { setTime(SuperblockField.mountTime, SuperblockField.mountTimeHigh, newValue) }
  }
  public var writeTime: Int64 {
    get { getTime(SuperblockField.writeTime, SuperblockField.writeTimeHigh) }
    set { setTime(SuperblockField.writeTime, SuperblockField.writeTimeHigh, newValue) }
  }
  public var makeTime: Int64 { getTime(SuperblockField.makeTime, SuperblockField.makeTimeHigh) }
  public var lastCheck: Int64 {
    get { getTime(SuperblockField.lastCheck, SuperblockField.lastCheckHigh) }
    set { setTime(SuperblockField.lastCheck, SuperblockField.lastCheckHigh, newValue) }
  }
  /// In seconds; 0 means never.
  public var checkInterval: UInt32 { get32(SuperblockField.checkInterval) }

  // MARK: Special inodes

  /// Nil where the journal is on another device or there is none.
  public var journalInode: InodeNumber? {
    inode(SuperblockField.journalInode, if: features.compat.contains(.hasJournal))
  }
  /// The head of the list of inodes to finish deleting or truncating; nil when it is empty.
  public var lastOrphan: InodeNumber? {
    get { inode(SuperblockField.lastOrphan, if: true) }
    set { set32(SuperblockField.lastOrphan, newValue?.rawValue ?? 0) }
  }
  /// The inode of `orphan_file`.
  public var orphanFileInode: InodeNumber? {
    inode(SuperblockField.orphanFileInode, if: features.compat.contains(.orphanFile))
  }

  private func inode(_ offset: Int, if isThere: Bool) -> InodeNumber? {
    let number = get32(offset)
    return isThere && number != 0 ? InodeNumber(number) : nil
  }

  /// s_jnl_blocks, 17 words: i_block, size high and size low of the journal's inode.
  public var journalBlocksBackup: [UInt32] {
    (0..<17).map { get32(SuperblockField.journalBlocks + 4 * $0) }
  }

  // MARK: Directories and inodes

  /// What the hash of directory indexes starts from: four words; all zero means the default seed.
  public var hashSeed: [UInt32] { (0..<4).map { get32(SuperblockField.hashSeed + 4 * $0) } }
  /// 0 legacy, 1 half-md4, 2 tea; the unsigned kinds follow from `hashIsUnsigned`.
  public var defaultHashVersion: UInt8 { get8(SuperblockField.defaultHashVersion) }
  public var flags: Flags { Flags(rawValue: get32(SuperblockField.flags)) }
  /// Whether directory hashes treat bytes of names as unsigned.
  public var hashIsUnsigned: Bool { flags.contains(.unsignedDirectoryHash) }
  /// Whether directories without regard to case (`casefold`) refuse names that are no UTF-8
  /// (`s_encoding_flags`).
  public var hasStrictEncoding: Bool {
    features.incompat.contains(.casefold) && get16(SuperblockField.encodingFlags) & 1 != 0
  }
  /// In bytes: how much of the space past the first 128 a new inode should use.
  public var wantExtraInodeSize: UInt16 { get16(SuperblockField.wantExtraInodeSize) }
  public var minimumExtraInodeSize: UInt16 { get16(SuperblockField.minimumExtraInodeSize) }

  // MARK: Placement

  /// log2 of the groups in one flexible group; 0 where `flex_bg` is off.
  public var logGroupsPerFlex: UInt8 {
    features.incompat.contains(.flexBg) ? min(get8(SuperblockField.logGroupsPerFlex), 31) : 0
  }
  public var raidStride: UInt16 { get16(SuperblockField.raidStride) }
  public var raidStripeWidth: UInt32 { get32(SuperblockField.raidStripeWidth) }
  /// `sparse_super2`: the two groups with copies; 0 for none.
  public var backupGroups: (UInt32, UInt32) {
    (get32(SuperblockField.backupGroups), get32(SuperblockField.backupGroups + 4))
  }

  // MARK: Mount options

  /// s_default_mount_opts, as tune2fs -o sets them.
  public struct MountOptions: OptionSet, Sendable, Hashable {
    public var rawValue: UInt32
    public init(rawValue: UInt32) { self.rawValue = rawValue }
    public static let debug = Self(rawValue: 0x1)
    public static let bsdGroups = Self(rawValue: 0x2)
    public static let userXattr = Self(rawValue: 0x4)
    public static let acl = Self(rawValue: 0x8)
    public static let uid16 = Self(rawValue: 0x10)
    public static let journalData = Self(rawValue: 0x20)
    public static let journalDataOrdered = Self(rawValue: 0x40)
    public static let journalDataWriteback = Self(rawValue: 0x60)
    public static let noBarrier = Self(rawValue: 0x100)
    public static let blockValidity = Self(rawValue: 0x200)
    public static let discard = Self(rawValue: 0x400)
    public static let noDelayedAllocation = Self(rawValue: 0x800)
  }
  public var defaultMountOptions: MountOptions {
    MountOptions(rawValue: get32(SuperblockField.defaultMountOptions))
  }
}
