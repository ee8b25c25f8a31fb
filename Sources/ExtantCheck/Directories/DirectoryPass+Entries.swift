import BlockIO
import Ext4Format
import ExtantBase

/// Entries other than the first two: what they name, and their names.
extension DirectoryPass {
  func checkEntry(_ area: EntryArea, _ offset: Int) throws(FileSystemError) {
    let buffer = buffer
    let inode = buffer.bytes.le32(offset)
    guard inode != 0 else { return }
    if let issue = targetIssue(inode, offset) {
      if try found(issue, place(area, offset, named: true), found: .number(UInt64(inode))) {
        removeEntry(at: offset)
        return
      }
      if inode > inodeCount || inode < firstInode { return }
    }
    let number = InodeNumber(inode)
    var entry = round.inodes[number]
    if !entry.isInUse || round.maps.inodesInBadBlocks.contains(number) {
      guard try checkUnused(area, offset, number) else { return }
      // The round starts anew, and then the inode is known.
      if round.mustRestart { return }
      entry = round.inodes[number]
    }
    if directory.policy == nil {
      try checkName(area, offset)
    } else if try !checkEncrypted(area, offset, number, entry.kind) {
      return
    }
    try checkFileType(area, offset, entry.kind)
    if let index = directory.index { noteHash(area, offset, index) }
    if entry.kind == .directory, try !takeDirectory(area, offset, number) { return }
    // Two of one name: which of them is renamed is seen when the directory is written anew.
    if !directory.isRebuilt || directory.raw.flags.contains(.inlineData) {
      try checkDuplicate(area, offset)
    }
    if buffer.bytes.le32(offset) == inode { round.inodes[number].namesCounted &+= 1 }
  }

  private func targetIssue(_ inode: UInt32, _ offset: Int) -> DirectoryIssue? {
    let buffer = buffer
    if inode == directory.number.rawValue { return .linkToSelf }
    if inode > inodeCount { return .inodeOutOfRange }
    if inode < firstInode, inode != InodeNumber.root.rawValue { return .inodeReserved }
    if inode == hiddenInodes.0 || inode == hiddenInodes.1 { return .inodeReserved }
    let bytes = buffer.bytes
    let length = bytes.u8(offset + 6)
    if length <= 2 {
      let dot = UInt8(ascii: ".")
      if length == 0 { return inode == InodeNumber.root.rawValue ? .linkToRoot : .emptyName }
      if bytes.u8(offset + 8) == dot {
        if length == 1 { return .duplicateDot }
        if bytes.u8(offset + 9) == dot { return .duplicateDotDot }
      }
    }
    return inode == InodeNumber.root.rawValue ? .linkToRoot : nil
  }

  /// An entry for an inode that pass 1 did not find in use. True where it stays.
  private func checkUnused(
    _ area: EntryArea, _ offset: Int, _ number: InodeNumber
  ) throws(FileSystemError) -> Bool {
    let place = place(area, offset, named: true)
    let value = IssueValue.number(UInt64(number.rawValue))
    if try round.nameInUnusedPart(number) { return true }
    if try found(.inodeUnused, place, found: value) {
      removeEntry(at: offset)
      return false
    }
    return true
  }

  private static let lostAndFound = Array("lost+found".utf8)

  /// Enters the directory's parent. False where it has one, and the entry is gone.
  private func takeDirectory(
    _ area: EntryArea, _ offset: Int, _ number: InodeNumber
  ) throws(FileSystemError) -> Bool {
    guard let child = round.directories.index(of: number) else { return true }
    if directory.number == .root, name(at: offset) == Self.lostAndFound {
      round.lostAndFoundNumber = number
    }
    guard let parent = round.directories[child].parent else {
      round.directories[child].parent = directory.number
      return true
    }
    guard
      try found(
        .linkedTwice, place(area, offset, named: true), found: .number(UInt64(number.rawValue)),
        expected: .number(UInt64(parent.rawValue)))
    else { return true }
    removeEntry(at: offset)
    return false
  }

  // MARK: Names

  /// The first byte of the name that no name may have; nil for a sound one.
  func badNameByte(at offset: Int) -> UInt8? {
    let buffer = buffer
    let bytes = buffer.bytes
    let end = offset + DirectoryEntryRecord.headSize + Int(bytes.u8(offset + 6))
    var position = offset + DirectoryEntryRecord.headSize
    // Eight bytes at once: a byte is zero where taking 1 from it borrows.
    let ones: UInt64 = 0x0101_0101_0101_0101
    let highs: UInt64 = 0x8080_8080_8080_8080
    let slashes: UInt64 = 0x2f2f_2f2f_2f2f_2f2f
    while position + 8 <= end {
      let word = bytes.le64(position)
      let other = word ^ slashes
      if ((word &- ones) & ~word | (other &- ones) & ~other) & highs != 0 { break }
      position += 8
    }
    while position < end {
      let byte = bytes.u8(position)
      if byte == 0 || byte == UInt8(ascii: "/") { return byte }
      position += 1
    }
    return nil
  }

  private func checkName(_ area: EntryArea, _ offset: Int) throws(FileSystemError) {
    if let bad = badNameByte(at: offset),
      try found(bad == 0 ? .nameHasNul : .nameHasSlash, place(area, offset, named: true))
    {
      replaceBytes(of: offset) { byte, _ in byte == 0 || byte == UInt8(ascii: "/") }
    }
    if directory.isCasefolded, superblock.hasStrictEncoding,
      let valid = NameEncoding.firstBadByte(name(at: offset)),
      try found(.nameBadEncoding, place(area, offset, named: true))
    {
      replaceBytes(of: offset) { _, position in position >= valid }
    }
  }

  /// Puts a full stop in place of some bytes of a name.
  private func replaceBytes(of offset: Int, _ isBad: (UInt8, Int) -> Bool) {
    let buffer = buffer
    var bytes = buffer.mutableBytes
    let start = offset + DirectoryEntryRecord.headSize
    let length = Int(bytes.u8(offset + 6))
    var isDots = length <= 2
    for position in 0..<length {
      if isBad(bytes.u8(start + position), position) {
        bytes.setU8(UInt8(ascii: "."), at: start + position)
      }
      if bytes.u8(start + position) != UInt8(ascii: ".") { isDots = false }
    }
    // Not a name that directories have already.
    if isDots, length > 0 { bytes.setU8(UInt8(ascii: "_"), at: start) }
    isChanged = true
    // It has another place in the index now.
    if directory.index != nil { directory.isRebuilt = true }
  }

  private func checkDuplicate(_ area: EntryArea, _ offset: Int) throws(FileSystemError) {
    if directory.isCasefolded,
      !foldedNames.insert(NameEncoding.comparable(name(at: offset))).inserted
    {
      directory.isRebuilt = true
      return
    }
    guard let other = names.insert(offset, in: buffer) else { return }
    if directory.raw.flags.contains(.inlineData) {
      try mendInlineDuplicate(area, offset, other)
    } else {
      directory.isRebuilt = true
    }
  }

  // MARK: Kinds

  func checkFileType(
    _ area: EntryArea, _ offset: Int, _ kind: FileKind?
  ) throws(FileSystemError) {
    let buffer = buffer
    let stored = buffer.bytes.u8(offset + 7)
    let expected = hasFileType ? kind?.directoryCode ?? 0 : 0
    guard stored != expected else { return }
    let issue: DirectoryIssue =
      !hasFileType ? .fileTypeNotAllowed : stored == 0 ? .fileTypeMissing : .fileTypeWrong
    // With the feature the kinds go: one thing, and said already.
    let isConsequence = issue == .fileTypeNotAllowed && round.reporter.hasTakenFiletype
    if !isConsequence {
      guard
        try found(
          issue, place(area, offset, named: true), found: .number(UInt64(stored)),
          expected: .number(UInt64(expected)))
      else { return }
    }
    var bytes = buffer.mutableBytes
    bytes.setU8(expected, at: offset + 7)
    isChanged = true
  }
}
