import ExtantBase

/// The superblock of ext4 that a journal on a device of its own starts with (feature journal_dev):
/// who it is, and where the journal's own superblock lies.
public struct JournalDevice: Sendable, Equatable {
  /// 16 bytes, which the filesystem names as its journal's.
  public let uuid: [UInt8]
  /// In bytes.
  public let blockSize: Int
  /// In blocks, this superblock's included: block 0 of the journal is block 0 of the device.
  public let blockCount: UInt32

  /// The block after the one that this superblock is in.
  public var superblockBlock: UInt32 { blockSize == 1024 ? 2 : 1 }

  /// Decodes the 1,024 bytes at byte 1,024 of the device.
  ///
  /// - Throws: `corrupt` where they are no such superblock.
  public init(_ bytes: RawSpan) throws(FileSystemError) {
    func broken(_ rule: String) -> FileSystemError { .corrupt(Corruption("journal device", rule)) }
    guard bytes.byteCount >= Superblock.byteCount,
      bytes.le16(SuperblockField.magic) == Superblock.magic
    else { throw broken("the magic number 0xEF53 is missing") }
    let incompat = IncompatFeatures(rawValue: bytes.le32(SuperblockField.featureIncompat))
    guard incompat.contains(.journalDev) else {
      throw broken("it has no feature journal_dev: it is no journal but a filesystem")
    }
    let readOnlyCompat = ReadOnlyCompatFeatures(
      rawValue: bytes.le32(SuperblockField.featureReadOnlyCompat))
    if readOnlyCompat.contains(.metadataCsum) {
      let stored = bytes.le32(SuperblockField.checksum)
      let computed = crc32c(~0, bytes.extracting(0..<SuperblockField.checksum))
      guard stored == computed else { throw broken(checksumRule(stored, computed)).ofChecksum }
    }
    let log = bytes.le32(SuperblockField.logBlockSize)
    guard log <= 6 else { throw broken("its block size is 2^\(UInt64(log) + 10) bytes") }
    blockSize = 1024 << Int(log)
    blockCount = bytes.le32(SuperblockField.blocksCountLow)
    uuid = bytes.array(SuperblockField.uuid..<SuperblockField.uuid + 16)
  }
}

extension Superblock {
  /// The UUID of the device that the journal is on; nil where the journal is inside, or there is
  /// none.
  public var journalDeviceUUID: [UInt8]? {
    guard features.compat.contains(.hasJournal), journalInode == nil else { return nil }
    return Array(raw[SuperblockField.journalUUID..<SuperblockField.journalUUID + 16])
  }
}
