import BlockIO
import Ext4Format
import ExtantBase
import Journal
import ImageIO

/// The rules of the journal's superblock.
extension JournalCheck {
  private typealias Field = JournalSuperblock.Field

  /// How a journal's superblock is to be mended.
  private struct Remedy {
    /// Some fields have another value now.
    var isChanged = false
    /// Nothing in the log can be used: it starts anew.
    var isReset = false
    /// The checksum is wrong and may be set anew if the log turns out to be sound.
    var needsProof = false
    var isDeclined = false
  }

  /// Holds the superblock of a journal against its rules, and mends it.
  ///
  /// - Returns: the superblock; nil where it is wrong and was not to be mended.
  /// - Throws: `unsupported` for features unknown here of a log that is not empty.
  func inspect(_ journal: FoundJournal) throws(FileSystemError) -> JournalSuperblock? {
    let area = journal.area
    let block = BlockBuffer(byteCount: area.blockSize)
    try area.read(area.superblockBlock, into: block)
    var remedy = Remedy()
    try checkType(journal, block, &remedy)
    if !remedy.isReset { try checkFeatures(journal, block, &remedy) }
    if !remedy.isReset { try checkLengths(journal, block, &remedy) }
    guard !remedy.isDeclined else { return nil }
    guard !remedy.isReset else { return try reset(journal, block) }

    var decoded = try sound { () throws(FileSystemError) in
      var copy = block.bytes.array()
      if remedy.isChanged || remedy.needsProof { Self.setChecksum(&copy) }
      return try JournalSuperblock(
        copy.rawBytes, blockSize: area.blockSize, inode: journal.number)
    }
    if let superblock = decoded, remedy.needsProof, !superblock.isClean,
      try !hasSoundLog(area, superblock)
    {
      decoded = nil
    }
    guard let superblock = decoded else { return try reset(journal, block) }
    if remedy.isChanged || remedy.needsProof { try area.store(superblock) }
    return superblock
  }

  private static func setChecksum(_ bytes: inout [UInt8]) {
    guard bytes.count >= JournalSuperblock.byteCount else { return }
    bytes.withMutableBytes { bytes in
      bytes.setBE32(0, at: Field.checksum)
      let checksum = crc32c(~0, bytes.bytes.extracting(0..<JournalSuperblock.byteCount))
      bytes.setBE32(checksum, at: Field.checksum)
    }
  }

  /// Whether the log starts with a transaction that shows by checksums that it is the one expected.
  private func hasSoundLog(
    _ area: JournalArea, _ superblock: JournalSuperblock
  ) throws(FileSystemError) -> Bool {
    let plan = try sound { () throws(FileSystemError) in
      try Recovery(area: area, superblock: superblock, blockLimit: image.deviceBlockCount).plan()
    }
    return (plan?.transactionCount ?? 0) > 0
  }

  /// Makes the log empty, and the superblock one that mke2fs could have made.
  private func reset(
    _ journal: FoundJournal, _ block: BlockBuffer
  ) throws(FileSystemError) -> JournalSuperblock {
    let area = journal.area
    var fresh = JournalSuperblock(
      blockSize: UInt32(area.blockSize), blockCount: area.blockCount, uuid: superblock.uuid)
    // What is left in the log must not be taken for what comes next.
    fresh.sequence = block.bytes.be32(Field.sequence) &+ UInt32(area.blockCount)
    try area.store(fresh)
    return fresh
  }

  // MARK: Rules

  private func note(
    _ issue: JournalIssue, _ journal: FoundJournal, _ value: IssueValue? = nil,
    _ expected: IssueValue? = nil, _ remedy: inout Remedy, resets: Bool
  ) throws(FileSystemError) {
    let severity = issue.entry.severity
    if try found(issue, place(journal), found: value, expected: expected) {
      if resets { remedy.isReset = true } else { remedy.isChanged = true }
    } else if severity > .notice {
      remedy.isDeclined = true
    }
  }

  private func checkType(
    _ journal: FoundJournal, _ block: BlockBuffer, _ remedy: inout Remedy
  ) throws(FileSystemError) {
    let type = block.bytes.be32(Field.blockType)
    guard
      type == JournalBlockType.superblockV1.rawValue
        || type == JournalBlockType.superblockV2.rawValue
    else {
      let kind: JournalIssue = JournalBlockType(rawValue: type) == nil ? .unknownType : .badType
      return try note(kind, journal, .number(UInt64(type)), 4, &remedy, resets: true)
    }
    let size = block.bytes.be32(Field.blockSize)
    guard Int(size) == journal.area.blockSize else {
      return try note(
        .badBlockSize, journal, .number(UInt64(size)), .number(UInt64(journal.area.blockSize)),
        &remedy, resets: true)
    }
    let users = block.bytes.be32(Field.userCount)
    if users > 1 {
      try note(.badUsers, journal, .number(UInt64(users)), 1, &remedy, resets: false)
      if !remedy.isDeclined {
        var bytes = block.mutableBytes
        bytes.setBE32(1, at: Field.userCount)
        bytes.fill(Field.users..<JournalSuperblock.byteCount, with: 0)
        if type == JournalBlockType.superblockV1.rawValue {
          bytes.fill(Field.compat..<JournalSuperblock.byteCount, with: 0)
        }
      }
    } else if type == JournalBlockType.superblockV1.rawValue,
      !block.bytes.isZero(Field.compat..<Field.userCount) || users != 0
    {
      let before = remedy
      try note(.newerFields, journal, nil, nil, &remedy, resets: false)
      if remedy.isChanged, !before.isChanged {
        var bytes = block.mutableBytes
        bytes.fill(Field.compat..<JournalSuperblock.byteCount, with: 0)
      }
    }
  }

  private func checkFeatures(
    _ journal: FoundJournal, _ block: BlockBuffer, _ remedy: inout Remedy
  ) throws(FileSystemError) {
    guard block.bytes.be32(Field.blockType) == JournalBlockType.superblockV2.rawValue else {
      return
    }
    let compat = JournalSuperblock.CompatFeatures(rawValue: block.bytes.be32(Field.compat))
    let incompat = JournalSuperblock.IncompatFeatures(rawValue: block.bytes.be32(Field.incompat))
    let unknown = incompat.subtracting(.known).rawValue
    let unknownReadOnly = block.bytes.be32(Field.readOnlyCompat)
    if unknown != 0 || unknownReadOnly != 0 {
      let both = UInt64(unknownReadOnly) << 32 | UInt64(unknown)
      guard block.bytes.be32(Field.start) == 0 else {
        throw .unsupported(
          Unsupported(
            "a journal with unknown features",
            "incompat 0x\(String(unknown, radix: 16)), ro_compat "
              + "0x\(String(unknownReadOnly, radix: 16)), and changes in it"))
      }
      return try note(.unknownFeatures, journal, .hexadecimal(both), 0, &remedy, resets: true)
    }
    let hasChecksums = !incompat.isDisjoint(with: [.checksumV2, .checksumV3])
    guard
      !incompat.isSuperset(of: [.checksumV2, .checksumV3]),
      !hasChecksums || !compat.contains(.checksum)
    else {
      let value = UInt64(compat.rawValue) << 32 | UInt64(incompat.rawValue)
      return try note(.checksumKinds, journal, .hexadecimal(value), nil, &remedy, resets: true)
    }
    guard hasChecksums else { return }
    let type = block.bytes.u8(Field.checksumType)
    guard type == JournalSuperblock.crc32cType else {
      return try note(
        .badChecksumType, journal, .number(UInt64(type)),
        .number(UInt64(JournalSuperblock.crc32cType)), &remedy, resets: true)
    }
    var copy = block.bytes.array()
    Self.setChecksum(&copy)
    let stored = block.bytes.be32(Field.checksum)
    let computed = copy.rawBytes.be32(Field.checksum)
    // A field that was mended here does not make the checksum wrong.
    if stored != computed, !remedy.isChanged {
      try note(
        .badChecksum, journal, .hexadecimal(UInt64(stored)), .hexadecimal(UInt64(computed)),
        &remedy, resets: false)
      remedy.needsProof = true
    }
  }

  private func checkLengths(
    _ journal: FoundJournal, _ block: BlockBuffer, _ remedy: inout Remedy
  ) throws(FileSystemError) {
    var count = block.bytes.be32(Field.blockCount)
    let all = journal.area.blockCount
    let first = block.bytes.be32(Field.firstLogBlock)
    let start = block.bytes.be32(Field.start)
    guard count <= all else {
      return try note(
        .tooLong, journal, .number(UInt64(count)), .number(UInt64(all)), &remedy, resets: true)
    }
    if block.bytes.be32(Field.blockType) == JournalBlockType.superblockV2.rawValue,
      JournalSuperblock.IncompatFeatures(rawValue: block.bytes.be32(Field.incompat))
        .contains(.fastCommit)
    {
      let stored = block.bytes.be32(Field.fastCommitBlockCount)
      let area = stored == 0 ? 256 : stored
      if area < count, count - area < JournalSuperblock.minimumBlockCount {
        return try note(
          .badFastCommitArea, journal, .number(UInt64(area)), nil, &remedy, resets: true)
      }
    }
    if count < JournalSuperblock.minimumBlockCount {
      try note(
        .tooShort, journal, .number(UInt64(count)), .number(UInt64(all)), &remedy,
        resets: start == 0)
      guard remedy.isChanged, !remedy.isReset else { return }
      var bytes = block.mutableBytes
      bytes.setBE32(all, at: Field.blockCount)
      count = all
    }
    if start == 0 {
      guard first >= 1, first < count else {
        return try note(.badLogArea, journal, .number(UInt64(first)), 1, &remedy, resets: true)
      }
    } else if start >= count {
      // Nobody says that there is anything in the log.
      let kind: JournalIssue = superblock.needsRecovery ? .badStart : .badLogArea
      try note(kind, journal, .number(UInt64(start)), nil, &remedy, resets: true)
    } else if first < 1 || first > start {
      // Where the log goes on at its end is all that is lost.
      try note(.badLogArea, journal, .number(UInt64(first)), 1, &remedy, resets: false)
      if remedy.isChanged {
        var bytes = block.mutableBytes
        bytes.setBE32(1, at: Field.firstLogBlock)
      }
    }
  }
}
