import BlockIO
import Ext4Format
import ExtantBase

/// A part of a buffer that entries fill from its start to its end.
struct EntryArea {
  var start: Int
  var end: Int
  var block: BlockAddress?
  /// Within the directory, in blocks.
  var logical: UInt64
  /// Whether it begins with "." and "..".
  var hasDots = false
}

extension DirectoryPass {
  /// Checks the block in `buffer`: its end, its entries, then what it is to the index.
  ///
  /// - Parameter role: its role in the index; nil for a block of entries.
  func checkContents(
    _ block: DirectoryBlock, _ role: HashTreeNode.Role?
  ) throws(FileSystemError) {
    chains.removeAll(keepingCapacity: true)
    directory.isTailless = false
    var area = EntryArea(
      start: 0, end: blockSize, block: block.address, logical: block.logical,
      hasDots: block.logical == 0)
    if role == nil, !isFormerIndexBlock(block) { area.end = try checkTail(block) }
    try scan(area)
    if let role { try checkNode(block, role) }
  }

  /// Whether the block, of a directory whose index is given up, was a part of that: it has no tail.
  private func isFormerIndexBlock(_ block: DirectoryBlock) -> Bool {
    guard directory.index == nil, directory.raw.flags.contains(.index) else { return false }
    return block.logical == 0 || looksLikeNode
  }

  /// The checksum's entry at the block's end, and the checksum. Returns where the entries end.
  private func checkTail(_ block: DirectoryBlock) throws(FileSystemError) -> Int {
    let buffer = buffer
    let format = directory.format
    guard let seed = format.checksumSeed else { return blockSize }
    let end = format.entriesEnd
    let bytes = buffer.bytes
    let place = Place(inode: directory.number, block: block.address, logical: block.logical)
    let hasTail =
      bytes.le32(end) == 0 && bytes.le16(end + 4) == UInt16(DirectoryBlockFormat.tailSize)
      && bytes.u8(end + 6) == 0 && bytes.u8(end + 7) == DirectoryBlockFormat.tailFileType
    guard hasTail else { return try checkTaillessBlock(place, end) }
    let computed = crc32c(seed, bytes.extracting(0..<end))
    let stored = bytes.le32(blockSize - 4)
    if computed != stored,
      try found(
        .blockChecksum, place, found: .hexadecimal(UInt64(stored)),
        expected: .hexadecimal(UInt64(computed)))
    {
      isChanged = true
    }
    return end
  }

  /// A block that does not end with its checksum: perhaps only the tail is damaged, perhaps the last
  /// entry can make room; else the directory is written anew.
  private func checkTaillessBlock(_ place: Place, _ end: Int) throws(FileSystemError) -> Int {
    let buffer = buffer
    var offset = 0
    var last = 0
    while offset < end, recordLength(at: offset) >= DirectoryBlockFormat.minimumRecordLength {
      last = offset
      offset += recordLength(at: offset)
    }
    if offset == end {
      if try found(.tailDamaged, place) { isChanged = true } else { directory.isTailless = true }
      return end
    }
    guard offset == blockSize, recordLength(at: last) & 3 == 0 else {
      // The entries are damaged too: they are cut off where the tail belongs.
      if try found(.tailDamaged, place) {
        isChanged = true
        return end
      }
      directory.isTailless = true
      return blockSize
    }
    let used =
      buffer.bytes.le32(last) == 0
      ? DirectoryBlockFormat.minimumRecordLength
      : DirectoryEntryRecord.length(nameLength: Int(buffer.bytes.u8(last + 6)))
    if last + used <= end {
      guard try found(.tailDamaged, place) else {
        directory.isTailless = true
        return blockSize
      }
      setRecordLength(end - last, at: last)
      isChanged = true
      return end
    }
    directory.isTailless = true
    if try found(.tailMissing, place) { directory.isRebuilt = true }
    return blockSize
  }

  // MARK: Records

  func recordLength(at offset: Int) -> Int {
    let buffer = buffer
    guard offset + 6 <= buffer.byteCount else { return 0 }
    return directory.format.decodeRecordLength(buffer.bytes.le16(offset + 4))
  }

  func setRecordLength(_ length: Int, at offset: Int) {
    let buffer = buffer
    var bytes = buffer.mutableBytes
    bytes.setLE16(directory.format.encodeRecordLength(length), at: offset + 4)
  }

  /// What is wrong with the record at `offset` as a part of the block; nil where it can be read.
  func brokenRule(at offset: Int, end: Int) -> DirectoryIssue? {
    let buffer = buffer
    let rest = end - offset
    guard rest >= DirectoryBlockFormat.minimumRecordLength else { return .recordLeavesGap }
    let bytes = buffer.bytes
    let length = directory.format.decodeRecordLength(bytes.le16(offset + 4))
    if length >= DirectoryBlockFormat.minimumRecordLength, length & 3 == 0, length <= rest,
      Int(bytes.u8(offset + 6)) + DirectoryEntryRecord.headSize <= length
    {
      return nil
    }
    if length < DirectoryBlockFormat.minimumRecordLength { return .recordTooShort }
    if length & 3 != 0 { return .recordUnaligned }
    return length > rest ? .recordPastEnd : .nameTooLong
  }

  /// Goes through the entries of an area, mends what is wrong with each, and counts it.
  func scan(_ area: EntryArea) throws(FileSystemError) {
    var offset = area.start
    var previous: Int?
    var position = area.hasDots ? 0 : 2
    while offset < area.end {
      if position >= 2, hasPlainEntries {
        let plain = takePlainEntries(from: offset, to: area.end)
        previous = plain.previous ?? previous
        position += plain.count
        offset = plain.offset
        guard offset < area.end else { break }
      }
      if let rule = brokenRule(at: offset, end: area.end) {
        let place = place(area, offset)
        let length = recordLength(at: offset)
        guard try found(rule, place, found: .number(UInt64(length))) else { return }
        isChanged = true
        offset = salvage(at: offset, after: position < 2 ? nil : previous, area)
        continue
      }
      if position < 2 {
        if position == 0 {
          try checkDot(area, offset)
        } else {
          try checkDotDot(area, offset)
        }
      } else {
        try checkEntry(area, offset)
      }
      position += 1
      previous = offset
      // "." may have been cut short.
      offset += recordLength(at: offset)
    }
  }

  func place(_ area: EntryArea, _ offset: Int, named: Bool = false) -> Place {
    var place = Place(
      inode: directory.number, block: area.block, logical: area.block == nil ? nil : area.logical,
      offset: offset)
    if named { place.name = name(at: offset) }
    return place
  }

  /// The entry's name, which lies in the buffer.
  func name(at offset: Int) -> [UInt8] {
    let buffer = buffer
    let start = offset + DirectoryEntryRecord.headSize
    let end = min(start + Int(buffer.bytes.u8(offset + 6)), buffer.byteCount)
    return start < end ? buffer.bytes.array(start..<end) : []
  }

  /// Takes the entry out of use; its room stays.
  func removeEntry(at offset: Int) {
    let buffer = buffer
    var bytes = buffer.mutableBytes
    bytes.setLE32(0, at: offset)
    isChanged = true
  }
}
