import BlockIO
import Ext4Format
import ExtantBase

/// The short way through a block: entries that name a file in use, and in which nothing is odd.
extension DirectoryPass {
  /// Whether entries of the directory may be told by themselves: no index, no policy, no cases.
  var hasPlainEntries: Bool {
    hasFileType && blockSize < 65536 && !round.options.looksClosely && directory.policy == nil
      && !directory.isCasefolded && directory.index == nil && !directory.isRebuilt
      && !directory.raw.flags.contains(.inlineData)
  }

  /// Goes through the entries from `start` on for as long as they are plain, and counts their names.
  ///
  /// Each condition is that of `brokenRule` and `checkEntry` or stricter: what is odd in any way is left
  /// to them.
  ///
  /// - Returns: where it stopped, the last entry before that, and how many there were.
  func takePlainEntries(
    from start: Int, to end: Int
  ) -> (offset: Int, previous: Int?, count: Int) {
    // Here it costs no check of exclusive access at each use.
    var inodes = InodeLedger.empty
    swap(&inodes, &round.inodes)
    defer { swap(&inodes, &round.inodes) }
    let buffer = buffer
    let bytes = buffer.bytes
    let own = directory.number.rawValue
    var offset = start
    var previous: Int?
    var count = 0
    while end - offset >= DirectoryBlockFormat.minimumRecordLength {
      let length = Int(bytes.le16(offset + 4))
      let nameLength = Int(bytes.u8(offset + 6))
      guard length >= DirectoryBlockFormat.minimumRecordLength, length & 3 == 0,
        length <= end - offset, nameLength + DirectoryEntryRecord.headSize <= length
      else { break }
      let number = bytes.le32(offset)
      if number != 0 {
        // "." and ".." are no names.
        guard number >= firstInode, number <= inodeCount, number != own,
          number != hiddenInodes.0, number != hiddenInodes.1,
          nameLength > 2 || (nameLength > 0 && bytes.u8(offset + 8) != UInt8(ascii: "."))
        else { break }
        let entry = inodes[InodeNumber(number)]
        guard entry.isInUse, let kind = entry.kind, kind != .directory,
          bytes.u8(offset + 7) == kind.directoryCode, badNameByte(at: offset) == nil,
          names.insert(offset, in: buffer) == nil
        else { break }
        inodes[InodeNumber(number)].namesCounted &+= 1
      }
      previous = offset
      count += 1
      offset += length
    }
    return (offset, previous, count)
  }
}
