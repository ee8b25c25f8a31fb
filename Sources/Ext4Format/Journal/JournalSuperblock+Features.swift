import ExtantBase

extension JournalSuperblock {
  public struct CompatFeatures: OptionSet, Sendable, Hashable {
    public var rawValue: UInt32
    public init(rawValue: UInt32) { self.rawValue = rawValue }
    /// Each commit block holds a CRC of its transaction: the first kind of checksums.
    public static let checksum = Self(rawValue: 0x1)
  }

  public struct IncompatFeatures: OptionSet, Sendable, Hashable {
    public var rawValue: UInt32
    public init(rawValue: UInt32) { self.rawValue = rawValue }
    public static let revoke = Self(rawValue: 0x1)
    public static let is64Bit = Self(rawValue: 0x2)
    public static let asyncCommit = Self(rawValue: 0x4)
    public static let checksumV2 = Self(rawValue: 0x8)
    public static let checksumV3 = Self(rawValue: 0x10)
    public static let fastCommit = Self(rawValue: 0x20)

    package static let known: Self = [
      .revoke, .is64Bit, .asyncCommit, .checksumV2, .checksumV3, .fastCommit,
    ]
  }

  /// Empty in version 1, which has no features.
  public var compat: CompatFeatures {
    get { CompatFeatures(rawValue: isVersion2 ? get32(Field.compat) : 0) }
    set { set32(Field.compat, newValue.rawValue) }
  }

  /// Empty in version 1, which has no features.
  public var incompat: IncompatFeatures {
    get { IncompatFeatures(rawValue: isVersion2 ? get32(Field.incompat) : 0) }
    set { set32(Field.incompat, newValue.rawValue) }
  }

  /// Whether superblock, descriptors, revocations, commits and logged blocks have checksums of
  /// their own (v2 and v3).
  public var hasChecksums: Bool { !incompat.isDisjoint(with: [.checksumV2, .checksumV3]) }

  /// Sets the features that the kernel sets when it mounts a filesystem for writing, revocation
  /// included, which it sets with the first one. A superblock of version 1 becomes one of version
  /// 2, since features need that. Only for a journal with an empty log: what is in a log is read
  /// by the features it was written with.
  public mutating func upgrade(is64Bit: Bool, hasMetadataChecksums: Bool) {
    if !isVersion2 {
      set32(Field.blockType, JournalBlockType.superblockV2.rawValue)
      raw.withMutableBytes { $0.fill(Field.compat..<Self.byteCount, with: 0) }
      set32(Field.userCount, 1)
    }
    incompat.insert(.revoke)
    if is64Bit { incompat.insert(.is64Bit) }
    compat.remove(.checksum)
    incompat.subtract([.checksumV2, .checksumV3, .asyncCommit])
    if hasMetadataChecksums {
      incompat.insert(.checksumV3)
      raw[Field.checksumType] = Self.crc32cType
    }
  }

  /// Throws `unsupported` for a feature unknown here, `corrupt` for a combination that the kernel
  /// refuses.
  func checkFeatures(_ broken: (String) -> FileSystemError) throws(FileSystemError) {
    let unknown = incompat.subtracting(.known).rawValue
    let unknownReadOnly = isVersion2 ? get32(Field.readOnlyCompat) : 0
    guard unknown == 0, unknownReadOnly == 0 else {
      throw .unsupported(
        Unsupported(
          "a journal with unknown features",
          "incompat 0x\(String(unknown, radix: 16)), ro_compat "
            + "0x\(String(unknownReadOnly, radix: 16))"))
    }
    guard !incompat.isSuperset(of: [.checksumV2, .checksumV3]) else {
      throw broken("it has checksums of version 2 and 3 at once")
    }
    guard !hasChecksums || !compat.contains(.checksum) else {
      throw broken("it has checksums of version 1 and a later one at once")
    }
    guard !hasChecksums || raw[Field.checksumType] == Self.crc32cType else {
      throw .unsupported(
        Unsupported(
          "journal checksum type \(raw[Field.checksumType])", "only type 4, crc32c, is known"))
    }
  }

  package static let crc32cType: UInt8 = 4
}
