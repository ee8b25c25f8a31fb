import BlockIO
import Ext4Format
import ExtantBase

/// "." and "..": the first two entries of a directory's first block.
extension DirectoryPass {
  private static let dotLength = DirectoryEntryRecord.length(nameLength: 1)

  func checkDot(_ area: EntryArea, _ offset: Int) throws(FileSystemError) {
    let buffer = buffer
    let number = directory.number
    let bytes = buffer.bytes
    let place = place(area, offset)
    var isNew = false
    if let issue = dotIssue(offset, dots: 1, missing: .dotMissing, other: .firstNotDot) {
      if try found(issue, place) {
        displace(offset)
        writeDot(offset, number, dots: 1)
        isNew = true
      }
    } else if bytes.u8(offset + 9) != 0, try found(.dotNotTerminated, place) {
      writeDot(offset, InodeNumber(bytes.le32(offset)), dots: 1)
    }
    let inode = bytes.le32(offset)
    if inode != number.rawValue,
      try found(
        .dotInode, place, found: .number(UInt64(inode)), expected: .number(UInt64(number.rawValue)))
    {
      writeDot(offset, number, dots: 1)
    }
    try shortenDot(area, offset, isNew: isNew)
    try checkFileType(area, offset, .directory)
    if buffer.bytes.le32(offset) == number.rawValue { round.inodes[number].namesCounted &+= 1 }
  }

  /// "." takes 12 bytes, and little more. Where ".." follows it comes closer; else the rest becomes
  /// an unused entry.
  private func shortenDot(
    _ area: EntryArea, _ offset: Int, isNew: Bool
  ) throws(FileSystemError) {
    let buffer = buffer
    let length = recordLength(at: offset)
    let rest = length - Self.dotLength
    guard rest > DirectoryBlockFormat.minimumRecordLength else { return }
    if !isNew {
      guard try found(.dotTooLong, place(area, offset), found: .number(UInt64(length))) else {
        return
      }
    }
    var bytes = buffer.mutableBytes
    let next = offset + length
    let second = offset + Self.dotLength
    var inode: UInt32 = 0
    var secondLength = rest
    if next < area.end, brokenRule(at: next, end: area.end) == nil,
      dotIssue(next, dots: 2, missing: .dotDotMissing, other: .secondNotDotDot) == nil
    {
      inode = bytes.le32(next)
      secondLength += recordLength(at: next)
    }
    setRecordLength(Self.dotLength, at: offset)
    bytes.fill(second..<second + 8, with: 0)
    setRecordLength(secondLength, at: second)
    if inode != 0 { writeDot(second, InodeNumber(inode), dots: 2) }
    isChanged = true
  }

  func checkDotDot(_ area: EntryArea, _ offset: Int) throws(FileSystemError) {
    let buffer = buffer
    let place = place(area, offset)
    if let issue = dotIssue(offset, dots: 2, missing: .dotDotMissing, other: .secondNotDotDot) {
      guard try found(issue, place) else { return }
      displace(offset)
      writeDot(offset, .root, dots: 2)
      return leaveParentOpen(area)
    }
    if buffer.bytes.u8(offset + 10) != 0, try found(.dotDotNotTerminated, place) {
      writeDot(offset, InodeNumber(buffer.bytes.le32(offset)), dots: 2)
    }
    let parent = buffer.bytes.le32(offset)
    if let isUnused = parentRule(parent) {
      guard
        try found(
          isUnused ? .dotDotUnused : .dotDotInode, place, found: .number(UInt64(parent)))
      else { return }
      writeDot(offset, .root, dots: 2)
      return leaveParentOpen(area)
    }
    round.directories[directory.place].dotDot = InodeNumber(parent)
    round.inodes[InodeNumber(parent)].namesCounted &+= 1
    try checkFileType(area, offset, .directory)
  }

  /// Nil for an inode that can be a directory's parent; else whether it is only not in use.
  func parentRule(_ parent: UInt32) -> Bool? {
    guard parent == 2 || parent >= firstInode, parent <= inodeCount else { return false }
    return round.inodes[InodeNumber(parent)].isInUse ? nil : true
  }

  /// The parent is set when all names have been seen.
  private func leaveParentOpen(_ area: EntryArea) {
    round.directories[directory.place].dotDot = nil
    orphanedParents.append((directory.number, area.block, directory.index != nil))
  }

  /// What is wrong with the name at `offset`, which should be one or two dots.
  private func dotIssue(
    _ offset: Int, dots: Int, missing: DirectoryIssue, other: DirectoryIssue
  ) -> DirectoryIssue? {
    let buffer = buffer
    let bytes = buffer.bytes
    guard bytes.le32(offset) != 0 else { return missing }
    let dot = UInt8(ascii: ".")
    guard Int(bytes.u8(offset + 6)) == dots, bytes.u8(offset + 8) == dot,
      dots == 1 || bytes.u8(offset + 9) == dot
    else { return other }
    return nil
  }

  /// Keeps the entry that stands where a dot belongs, for when the directory is written anew.
  private func displace(_ offset: Int) {
    let buffer = buffer
    let bytes = buffer.bytes
    let inode = bytes.le32(offset)
    let name = name(at: offset)
    guard inode != 0, inode != directory.number.rawValue, inode >= firstInode, inode <= inodeCount,
      !name.isEmpty, name != [0x2e], name != [0x2e, 0x2e],
      directory.policy != nil || badNameByte(at: offset) == nil,
      !directory.carriesHashes
    else { return }
    let entry = round.inodes[InodeNumber(inode)]
    guard entry.isInUse, let kind = entry.kind else { return }
    if kind == .directory {
      guard let place = round.directories.index(of: InodeNumber(inode)),
        round.directories[place].parent == nil
      else { return }
      round.directories[place].parent = directory.number
    }
    round.inodes[InodeNumber(inode)].namesCounted &+= 1
    directory.displaced.append(
      DirectoryEntryImage(
        inode: inode, fileType: hasFileType ? kind.directoryCode : 0, name: name))
    directory.isRebuilt = true
  }

  private func writeDot(_ offset: Int, _ inode: InodeNumber, dots: Int) {
    let buffer = buffer
    var bytes = buffer.mutableBytes
    bytes.setLE32(inode.rawValue, at: offset)
    bytes.setU8(UInt8(dots), at: offset + 6)
    bytes.setU8(hasFileType ? FileKind.directory.directoryCode : 0, at: offset + 7)
    bytes.setLE32(dots == 1 ? 0x2e : 0x2e2e, at: offset + 8)
    isChanged = true
  }

  // MARK: When all names were seen

  /// Sets every ".." that could not be believed to the directory that holds the name. Where none
  /// does it stays the root, until the directory is connected to lost+found.
  func correctParents() throws(FileSystemError) {
    let rebuilt = Set(rebuilds.map(\.number))
    for (number, block, hasIndex) in orphanedParents {
      guard let place = round.directories.index(of: number) else { continue }
      let parent = round.directories[place].parent ?? .root
      round.directories[place].dotDot = parent
      round.inodes[parent].namesCounted &+= 1
      // What is written anew takes it from the list.
      guard parent != .root, !rebuilt.contains(number) else { continue }
      var raw = try round.readInode(number)
      guard let block else {
        if raw.flags.contains(.inlineData) {
          raw.setBlockWord(0, parent.rawValue)
          try round.writeInode(number, raw)
        }
        continue
      }
      try round.image.read(block, into: buffer)
      directory = CheckedDirectory(number, place, raw, superblock)
      let offset = recordLength(at: 0)
      guard offset > 0, offset + 12 <= blockSize else { continue }
      writeDot(offset, parent, dots: 2)
      try sealAndWrite(block, hasIndex && raw.flags.contains(.index) ? .root : nil)
    }
  }
}
