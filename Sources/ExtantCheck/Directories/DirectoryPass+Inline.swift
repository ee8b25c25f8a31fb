import BlockIO
import Ext4Format
import ExtantBase

/// Directories whose entries lie in their inode: the parent's number and entries in i_block, more of
/// them in an attribute. "." and ".." are not there.
extension DirectoryPass {
  private static let parentSize = 4

  func checkInline() throws(FileSystemError) {
    let buffer = buffer
    let number = directory.number
    let first = Inode.blockAreaByteCount
    let attribute = XattrLocator.inInode(directory.raw, XattrLocator.inlineData)
    let value = try checkInlineSize(attribute)
    isChanged = false
    guard first + (value?.count ?? 0) <= blockSize else { return }
    var bytes = buffer.mutableBytes
    bytes.copy(directory.raw.blockArea, at: 0)
    if let value { bytes.copy(Array(directory.raw.bytes[value]), at: first) }

    if directory.raw.flags.contains(.index), try found(.indexRoot, Place(inode: number)) {
      directory.raw.flags.remove(.index)
      directory.isRawChanged = true
    }
    try checkInlineParent()
    // "." is not there, but it counts.
    round.inodes[number].namesCounted &+= 1
    try scanInline(Self.parentSize..<first)
    if let value { try scanInline(first..<first + value.count & ~3) }
    guard isChanged else { return }
    directory.raw.blockArea = buffer.bytes.array(0..<first)
    if let value, let attribute {
      directory.raw.bytes.replaceSubrange(
        value, with: buffer.bytes.array(first..<first + value.count))
      // Its hash was the old value's; none is as good.
      directory.raw.setLE32(0, at: attribute.entry + 12)
    }
    directory.isRawChanged = true
  }

  private func scanInline(_ range: Range<Int>) throws(FileSystemError) {
    guard !range.isEmpty else { return }
    names.startBlock()
    foldedNames.removeAll(keepingCapacity: true)
    chains.removeAll(keepingCapacity: true)
    try scan(EntryArea(start: range.lowerBound, end: range.upperBound, block: nil, logical: 0))
  }

  /// The attribute's size, which must be that of whole entries. Returns where its value is now.
  private func checkInlineSize(_ attribute: XattrLocator.Place?) throws(FileSystemError) -> Range<
    Int
  >? {
    guard let attribute else { return nil }
    let value = attribute.value
    let minimum = DirectoryBlockFormat.minimumRecordLength
    guard value.count & 3 != 0 || value.count > 0 && value.count < minimum else { return value }
    let first = Inode.blockAreaByteCount
    // Values are padded to multiples of 4.
    var count = value.count < minimum ? 0 : (value.count + 3) & ~3
    if value.lowerBound + count > directory.raw.bytes.count { count -= 4 }
    guard
      try found(
        .inlineSize, Place(inode: directory.number), found: .number(UInt64(first + value.count)),
        expected: .number(UInt64(first + count)))
    else { return value.lowerBound..<value.lowerBound + value.count & ~3 }
    for index in value.upperBound..<max(value.upperBound, value.lowerBound + count) {
      directory.raw.bytes[index] = 0
    }
    directory.raw.setLE32(UInt32(count), at: attribute.entry + 8)
    directory.raw.setLE32(0, at: attribute.entry + 12)
    directory.raw.sizeLow = UInt32(first + count)
    directory.isRawChanged = true
    return value.lowerBound..<value.lowerBound + count
  }

  private func checkInlineParent() throws(FileSystemError) {
    let buffer = buffer
    let parent = buffer.bytes.le32(0)
    let place = directory.place
    guard let isUnused = parentRule(parent) else {
      round.directories[place].dotDot = InodeNumber(parent)
      round.inodes[InodeNumber(parent)].namesCounted &+= 1
      return
    }
    guard
      try found(
        isUnused ? .inlineParentUnused : .inlineParent, Place(inode: directory.number),
        found: .number(UInt64(parent)))
    else { return }
    var bytes = buffer.mutableBytes
    bytes.setLE32(InodeNumber.root.rawValue, at: 0)
    isChanged = true
    round.directories[place].dotDot = nil
    orphanedParents.append((directory.number, nil, false))
  }

  // MARK: Names that are there twice

  /// There is no room here to write anew: the entry goes, or gets a name of the same length.
  func mendInlineDuplicate(
    _ area: EntryArea, _ offset: Int, _ other: Int
  ) throws(FileSystemError) {
    let buffer = buffer
    let place = place(area, offset, named: true)
    guard try found(.duplicateInlineName, place) else { return }
    if buffer.bytes.le32(offset) == buffer.bytes.le32(other) {
      removeEntry(at: offset)
      return
    }
    let start = offset + DirectoryEntryRecord.headSize
    var bytes = buffer.mutableBytes
    let name = name(at: offset)
    var number = 1
    while let candidate = DirectoryNames.replacement(number, for: name, growing: false) {
      number += 1
      bytes.copy(candidate, at: start)
      isChanged = true
      // As many names as fit in an inode are soon looked through.
      if names.insert(offset, in: buffer) == nil { return }
    }
    removeEntry(at: offset)
  }
}
