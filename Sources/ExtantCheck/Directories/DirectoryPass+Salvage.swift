import Ext4Format
import ExtantBase

/// Finding the entries of a damaged block again.
extension DirectoryPass {
  /// Mends the record at `offset`, which cannot be read: keeps it where its name and inode make
  /// sense, and goes on with the next that does. Returns where to go on; what is there, if anything
  /// is, can be read or comes closer to the end.
  ///
  /// - Parameter previous: the record before, to which bytes without use are given; nil where they
  ///   become an unused entry.
  func salvage(at offset: Int, after previous: Int?, _ area: EntryArea) -> Int {
    let buffer = buffer
    let rest = area.end - offset
    if rest < DirectoryBlockFormat.minimumRecordLength {
      // Only at the very start has it nothing before it, and then it is the whole area.
      guard let previous = previous ?? recordBefore(offset, area) else { return area.end }
      setRecordLength(area.end - previous, at: previous)
      return area.end
    }
    var bytes = buffer.mutableBytes
    if isPlausible(at: offset, end: area.end) {
      let used = DirectoryEntryRecord.length(nameLength: Int(bytes.u8(offset + 6)))
      setRecordLength(nextReadable(from: offset + used, area) - offset, at: offset)
      return offset
    }
    if let previous {
      let next = nextReadable(from: offset + 4, area)
      setRecordLength(next - previous, at: previous)
      return next
    }
    var next = nextReadable(from: offset + 4, area)
    if next - offset < DirectoryBlockFormat.minimumRecordLength, next < area.end {
      // No room for an unused entry before it: it moves there itself.
      if bytes.le32(next) != 0 {
        let used = DirectoryEntryRecord.length(nameLength: Int(bytes.u8(next + 6)))
        let length = recordLength(at: next) + next - offset
        bytes.copy(bytes.array(next..<next + used), at: offset)
        setRecordLength(length, at: offset)
        return offset
      }
      next = nextReadable(from: offset + DirectoryBlockFormat.minimumRecordLength, area)
    }
    bytes.setLE32(0, at: offset)
    bytes.setLE16(0, at: offset + 6)
    setRecordLength(next - offset, at: offset)
    return offset
  }

  /// The record that ends where `offset` is.
  private func recordBefore(_ offset: Int, _ area: EntryArea) -> Int? {
    var position = area.start
    while position < offset {
      let length = recordLength(at: position)
      guard length >= DirectoryBlockFormat.minimumRecordLength else { return nil }
      if position + length >= offset { return position }
      position += length
    }
    return nil
  }

  /// Whether there is a used entry at `offset`, whatever its length says: its name is one and ends
  /// in the area, and its inode is in use and of the kind that the entry says.
  private func isPlausible(at offset: Int, end: Int) -> Bool {
    let buffer = buffer
    let bytes = buffer.bytes
    guard end - offset >= DirectoryBlockFormat.minimumRecordLength else { return false }
    let inode = bytes.le32(offset)
    let nameLength = Int(bytes.u8(offset + 6))
    guard inode == 2 || inode >= firstInode, inode <= inodeCount, nameLength > 0,
      DirectoryEntryRecord.length(nameLength: nameLength) <= end - offset
    else { return false }
    let entry = round.inodes[InodeNumber(inode)]
    guard entry.isInUse else { return false }
    // Older entries do not say the kind.
    let stored = bytes.u8(offset + 7)
    if stored != 0, !hasFileType || stored != entry.kind?.directoryCode { return false }
    return directory.policy != nil || badNameByte(at: offset) == nil
  }

  /// Where the next record begins that can be read, from `start` on; the area's end where none does.
  private func nextReadable(from start: Int, _ area: EntryArea) -> Int {
    if chains.isEmpty { findChains(area) }
    var offset = start
    while offset + DirectoryBlockFormat.minimumRecordLength <= area.end {
      if brokenRule(at: offset, end: area.end) == nil,
        isPlausible(at: offset, end: area.end) || chains[(offset - area.start) / 4]
      {
        return offset
      }
      offset += 4
    }
    return area.end
  }

  /// Finds out from which places records can be read up to the area's end, without an entry among
  /// them that makes no sense. Backwards, so each place is looked at once.
  private func findChains(_ area: EntryArea) {
    let buffer = buffer
    let count = (area.end - area.start) / 4
    chains = Array(repeating: false, count: count + 1)
    chains[count] = true
    for index in stride(from: count - 3, through: 0, by: -1) {
      let offset = area.start + 4 * index
      guard brokenRule(at: offset, end: area.end) == nil,
        chains[index + recordLength(at: offset) / 4],
        buffer.bytes.le32(offset) == 0 || isPlausible(at: offset, end: area.end)
      else { continue }
      chains[index] = true
    }
  }
}
