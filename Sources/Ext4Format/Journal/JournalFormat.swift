import ExtantBase

/// How one journal writes its blocks: the width of addresses and the kind of checksums depend on
/// its features, and the checksums on its UUID.
///
/// Encoders take a whole block and leave nothing of what was in it. Decoders take whole blocks that
/// nobody checked: they throw or answer, and never read past the end.
///
/// Source: the kernel's Documentation/filesystems/ext4/journal.rst.
public struct JournalFormat: Sendable {
  enum Checksums: Sendable { case none, v1, v2, v3 }

  /// In bytes.
  public let blockSize: Int
  let checksums: Checksums
  let is64Bit: Bool
  /// What v2 and v3 checksums of the log start from.
  let checksumSeed: UInt32

  public init(_ superblock: JournalSuperblock) {
    blockSize = Int(superblock.blockSize)
    is64Bit = superblock.incompat.contains(.is64Bit)
    checksumSeed = crc32c(~0, superblock.uuid)
    checksums =
      if superblock.incompat.contains(.checksumV3) {
        .v3
      } else if superblock.incompat.contains(.checksumV2) {
        .v2
      } else if superblock.compat.contains(.checksum) {
        .v1
      } else {
        .none
      }
  }

  /// Whether each commit holds a CRC of its transaction's blocks instead of only its own.
  public var hasTransactionChecksums: Bool { checksums == .v1 }

  /// Whether the journal's own blocks have checksums, and those it logs.
  var hasBlockChecksums: Bool { checksums == .v2 || checksums == .v3 }

  /// Whether there are checksums of what is logged, of one kind or another.
  public var hasChecksums: Bool { checksums != .none }

  /// Whether a commit block shows by itself that it is this journal's.
  public var hasCommitChecksums: Bool { hasBlockChecksums }

  /// What is left at the end of descriptors and revocations for their checksum.
  var tailByteCount: Int { hasBlockChecksums ? 4 : 0 }

  // MARK: Escaping

  /// Whether `block` starts like one of the journal's own blocks, and must not lie in the log so.
  public static func needsEscape(_ block: RawSpan) -> Bool {
    block.byteCount >= 4 && block.be32(0) == JournalSuperblock.magic
  }

  /// Blanks the magic number; its tag says so.
  public static func escape(_ block: inout MutableRawSpan) { block.setBE32(0, at: 0) }

  /// Puts the magic number back.
  public static func unescape(_ block: inout MutableRawSpan) {
    block.setBE32(JournalSuperblock.magic, at: 0)
  }

  // MARK: The checksum at the end of descriptors and revocations

  func setTail(_ bytes: inout MutableRawSpan) {
    guard hasBlockChecksums else { return }
    let place = bytes.byteCount - 4
    bytes.setBE32(0, at: place)
    bytes.setBE32(crc32c(checksumSeed, bytes.bytes), at: place)
  }

  /// Whether a descriptor or a revocation is what was written. Always true without checksums.
  public func hasValidTail(_ bytes: RawSpan) -> Bool {
    guard hasBlockChecksums, !isPlanted(.recoveryIgnoresChecksums) else { return true }
    guard bytes.byteCount == blockSize else { return false }
    let place = bytes.byteCount - 4
    let crc = crc32c(crc32c(checksumSeed, bytes.extracting(0..<place)), zeros: 4)
    return bytes.be32(place) == crc
  }
}
