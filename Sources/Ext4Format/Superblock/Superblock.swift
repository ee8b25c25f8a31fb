import ExtantBase

/// The superblock: 1,024 bytes at byte 1,024 of the device, with copies in some groups.
///
/// It keeps the bytes it was decoded from, and the fields that may change are views of them, so a
/// field that this project does not know survives being read and written. The geometry is decoded
/// and validated once: a `Superblock` that exists describes a filesystem whose numbers fit
/// together, and arithmetic on them does not overflow.
public struct Superblock: Sendable, Equatable {
  /// In bytes, of the structure on disk.
  public static let byteCount = 1024
  /// In bytes from the start of the device: where the first copy lies.
  public static let byteOffset: UInt64 = 1024
  public static let magic: UInt16 = 0xEF53

  /// The structure as on disk, with 0 for a checksum, which `encode` computes.
  package var raw: [UInt8]

  // MARK: Geometry

  /// In bytes: 1,024 to 65,536, a power of two.
  public let blockSize: Int
  public let blockCount: UInt64
  public let inodeCount: UInt32
  /// The block that group 0 starts with: 1 for blocks of 1 KiB, else 0.
  public let firstDataBlock: UInt32
  public let blocksPerGroup: UInt32
  public let inodesPerGroup: UInt32
  /// In bytes: 128 to the block size, a power of two.
  public let inodeSize: Int
  /// The first inode that is not reserved.
  public let firstInode: UInt32
  public let groupCount: UInt32
  /// In bytes, of one group descriptor: 32, or 64 and more with `64bit`.
  public let descriptorSize: Int
  /// What every metadata checksum starts from: crc32c of the UUID, or s_checksum_seed.
  public let checksumSeed: UInt32

  /// Decodes and validates the 1,024 bytes of a superblock.
  ///
  /// - Parameter verifyChecksum: false lets a checker look at a superblock whose checksum is
  ///   wrong; every other rule still holds.
  /// - Throws: `corrupt` with the rule broken; `unsupported` for a revision or a checksum type
  ///   unknown here. Features are the business of `checkSupport`.
  public init(_ bytes: RawSpan, verifyChecksum: Bool = true) throws(FileSystemError) {
    let geometry: Geometry
    do {
      try Self.checkIdentity(bytes, verifyChecksum: verifyChecksum)
      geometry = try Geometry(bytes)
    } catch {
      if error.isUnknown { throw .unsupported(Unsupported(error.name, error.text)) }
      throw Self.broken(error.text)
    }
    var raw = bytes.array(0..<Self.byteCount)
    let readOnlyCompat = ReadOnlyCompatFeatures(
      rawValue: bytes.le32(SuperblockField.featureReadOnlyCompat))
    let incompat = IncompatFeatures(rawValue: bytes.le32(SuperblockField.featureIncompat))
    if readOnlyCompat.contains(.metadataCsum) {
      raw.withMutableBytes { $0.setLE32(0, at: SuperblockField.checksum) }
    }
    self.raw = raw
    blockSize = geometry.blockSize
    blockCount = geometry.blockCount
    inodeCount = geometry.inodeCount
    firstDataBlock = geometry.firstDataBlock
    blocksPerGroup = geometry.blocksPerGroup
    inodesPerGroup = geometry.inodesPerGroup
    inodeSize = geometry.inodeSize
    firstInode = geometry.firstInode
    groupCount = geometry.groupCount
    descriptorSize = geometry.descriptorSize
    checksumSeed =
      incompat.contains(.csumSeed)
      ? bytes.le32(SuperblockField.checksumSeed)
      : crc32c(~0, bytes.extracting(SuperblockField.uuid..<SuperblockField.uuid + 16))
  }

  /// Whether the bytes are a superblock at all, of a kind that is known here.
  private static func checkIdentity(
    _ bytes: RawSpan, verifyChecksum: Bool
  ) throws(SuperblockFault) {
    guard bytes.byteCount >= Self.byteCount else {
      throw SuperblockFault(
        .magic, "\(Self.byteCount) bytes are needed, \(bytes.byteCount) are there")
    }
    guard bytes.le16(SuperblockField.magic) == Self.magic else {
      throw SuperblockFault(.magic, "the magic number 0xEF53 is missing")
    }
    let revision = bytes.le32(SuperblockField.revision)
    guard revision <= 1 else {
      throw SuperblockFault(
        .revision, "only revisions 0 and 1 are known", name: "revision \(revision)")
    }
    let features = ReadOnlyCompatFeatures(
      rawValue: bytes.le32(SuperblockField.featureReadOnlyCompat))
    guard features.contains(.metadataCsum) else { return }
    let type = bytes.u8(SuperblockField.checksumType)
    guard type == 1 else {
      throw SuperblockFault(
        .checksumType, "only type 1, crc32c, is known", name: "checksum type \(type)")
    }
    guard verifyChecksum else { return }
    let stored = bytes.le32(SuperblockField.checksum)
    let computed = Self.checksum(of: bytes)
    guard stored == computed else {
      throw SuperblockFault(.checksum, checksumRule(stored, computed))
    }
  }

  /// The first rule that the bytes of a superblock break; nil where it can be used.
  public static func fault(_ bytes: RawSpan, verifyChecksum: Bool = true) -> SuperblockFault? {
    do {
      try checkIdentity(bytes, verifyChecksum: verifyChecksum)
      _ = try Geometry(bytes)
      return nil
    } catch {
      return error
    }
  }

  /// Writes the 1,024 bytes to the start of `bytes`, with their checksum.
  public func encode(into bytes: inout MutableRawSpan) {
    bytes.copy(raw, at: 0)
    if hasMetadataChecksums {
      bytes.setLE32(
        Self.checksum(of: raw.rawBytes), at: SuperblockField.checksum)
    }
  }

  /// Writes the copy that belongs in `group`, which names its group in s_block_group_nr. A copy never
  /// says that the filesystem is clean: whoever must fall back on it has to check.
  public func encodeBackup(in group: GroupIndex, into bytes: inout MutableRawSpan) {
    var copy = self
    copy.set16(SuperblockField.blockGroupNumber, UInt16(truncatingIfNeeded: group.rawValue))
    copy.state.remove(.clean)
    copy.encode(into: &bytes)
  }

  /// Decodes a superblock whose sectors are of two moments: in one of them it asked for recovery,
  /// and nothing else but the checksum differs. Nil for any other. It asks for recovery.
  public init?(tornAtRecoveryFlag bytes: RawSpan) {
    guard bytes.byteCount >= Self.byteCount else { return nil }
    var other = bytes.array(0..<Self.byteCount)
    other.withMutableBytes { other in
      let flags = IncompatFeatures(rawValue: other.le32(SuperblockField.featureIncompat))
      other.setLE32(
        flags.symmetricDifference(.needsRecovery).rawValue, at: SuperblockField.featureIncompat)
    }
    guard let superblock = try? Superblock(other.rawBytes), superblock.hasMetadataChecksums else {
      return nil
    }
    self = superblock
    features.incompat.insert(.needsRecovery)
  }

  private static func checksum(of bytes: RawSpan) -> UInt32 {
    crc32c(~0, bytes.extracting(0..<SuperblockField.checksum))
  }

  static func broken(_ rule: String) -> FileSystemError {
    .corrupt(Corruption("superblock", rule))
  }
}

/// The sentence for a checksum that does not match.
func checksumRule(_ stored: UInt32, _ computed: UInt32) -> String {
  "checksum 0x\(String(stored, radix: 16)) does not match 0x\(String(computed, radix: 16)), "
    + "which its bytes have"
}

// MARK: - Raw access

extension Superblock {
  func get8(_ offset: Int) -> UInt8 { raw.rawBytes.u8(offset) }
  func get16(_ offset: Int) -> UInt16 { raw.rawBytes.le16(offset) }
  func get32(_ offset: Int) -> UInt32 { raw.rawBytes.le32(offset) }

  mutating func set8(_ offset: Int, _ value: UInt8) {
    raw.withMutableBytes { $0.setU8(value, at: offset) }
  }
  mutating func set16(_ offset: Int, _ value: UInt16) {
    raw.withMutableBytes { $0.setLE16(value, at: offset) }
  }
  mutating func set32(_ offset: Int, _ value: UInt32) {
    raw.withMutableBytes { $0.setLE32(value, at: offset) }
  }

  /// A block count whose high half lies apart and counts only with `64bit`.
  func getCount(_ low: Int, _ high: Int) -> UInt64 {
    UInt64(get32(low)) | (is64Bit ? UInt64(get32(high)) << 32 : 0)
  }
  mutating func setCount(_ low: Int, _ high: Int, _ value: UInt64) {
    set32(low, UInt32(truncatingIfNeeded: value))
    if is64Bit { set32(high, UInt32(truncatingIfNeeded: value >> 32)) }
  }

  /// The bytes up to the first NUL in a field of text.
  func getText(_ range: Range<Int>) -> [UInt8] { Array(raw[range].prefix { $0 != 0 }) }

  /// Cuts `text` to the field and fills the rest with NUL.
  mutating func setText(_ range: Range<Int>, _ text: [UInt8]) {
    let kept = text.prefix(range.count)
    raw.replaceSubrange(range, with: kept + [UInt8](repeating: 0, count: range.count - kept.count))
  }

  /// A time of 40 bits: 32, and 8 that newer kernels keep apart.
  func getTime(_ low: Int, _ high: Int) -> Int64 {
    Int64(get32(low)) | Int64(get8(high)) << 32
  }
  mutating func setTime(_ low: Int, _ high: Int, _ seconds: Int64) {
    let clamped = min(max(seconds, 0), (1 << 40) - 1)
    set32(low, UInt32(truncatingIfNeeded: clamped))
    set8(high, UInt8(truncatingIfNeeded: clamped >> 32))
  }
}
