import Ext4Format
import ExtantBase

/// Goes through the entries of an area of attributes and says whether they and their values lie as
/// they must: without garbage, for nearly all are sound. `XattrSalvage` takes apart what is not.
struct XattrScan {
  /// Entries, values and hashes keep all rules; values in inodes were not looked at.
  private(set) var isSound = true
  private(set) var entryCount = 0
  /// Entries with values in inodes.
  private(set) var valueInodeCount = 0
  /// Bytes behind the last entry that are no end and no entry: too few for one.
  private(set) var hasJunkAtEnd = false
  private(set) var hasNulInName = false
  /// An empty value is said to be past the end of an inode, or a value in an inode to be somewhere
  /// here: only who has data in the inode is minded for that.
  private(set) var hasStrayOffset = false
  /// Not in the order in which Linux searches a block.
  private(set) var isUnsorted = false
  /// What does no harm by itself.
  var hasOddities: Bool { hasJunkAtEnd || hasNulInName }
  /// Where the end's zeros are.
  private(set) var end: Int

  private var lowestValue: Int
  private var previous: RawXattrEntry?
  private var previousName = 0

  /// - Parameter bytes: the whole area: a block, or from an inode's magic number on, 8 bytes at least.
  init(_ area: RawXattrArea, _ bytes: RawSpan) {
    end = area.firstEntry
    lowestValue = bytes.byteCount
    isSound = scan(area, bytes)
  }

  private mutating func scan(_ area: RawXattrArea, _ bytes: RawSpan) -> Bool {
    let size = bytes.byteCount
    var values: [Range<Int>] = []
    // What an inode's entries and values may take together, their end not counted.
    var remaining = size - RawXattrEntry.terminatorSize
    while true {
      if area.isBlock {
        guard end < size else { break }
      } else {
        guard remaining >= RawXattrEntry.headSize else { break }
      }
      guard end + RawXattrEntry.terminatorSize <= size, bytes.le32(end) != 0 else { break }
      guard end + RawXattrEntry.headSize <= size else { return false }
      let entry = RawXattrEntry(bytes, at: end)
      guard end + entry.length <= size else { return false }
      if !area.isBlock {
        remaining -= entry.length
        guard remaining >= 0 else { return false }
      } else if entry.nameIndex == 0 {
        return false
      }
      entryCount += 1
      let name = end + RawXattrEntry.headSize..<end + RawXattrEntry.headSize + entry.nameLength
      look(at: entry, name, bytes)
      if entry.valueInode != 0 {
        valueInodeCount += 1
        if entry.valueOffset != 0 { hasStrayOffset = true }
      } else {
        guard
          let value = Self.value(of: entry, area, size),
          area.isBlock || Int(entry.valueSize) <= remaining
        else { return false }
        if !area.isBlock { remaining -= Int(entry.valueSize) }
        if value.isEmpty {
          if area.valueBase + entry.valueOffset > size { hasStrayOffset = true }
        } else {
          if value.upperBound > lowestValue { values.append(value) }
          lowestValue = min(lowestValue, value.lowerBound)
        }
        guard Self.hasValidHash(entry, area, bytes, name: name, value: value) else { return false }
      }
      end += entry.length
    }
    guard end + RawXattrEntry.terminatorSize <= min(size, lowestValue) else { return false }
    hasJunkAtEnd = bytes.le32(end) != 0
    // Values that do not simply go down from the end of the area: seldom.
    return values.isEmpty || !Self.overlap(area, bytes, entryCount)
  }

  private mutating func look(at entry: RawXattrEntry, _ name: Range<Int>, _ bytes: RawSpan) {
    for offset in name where bytes.u8(offset) == 0 {
      hasNulInName = true
      break
    }
    defer {
      previous = entry
      previousName = name.lowerBound
    }
    guard let previous, !isUnsorted else { return }
    if previous.nameIndex != entry.nameIndex {
      isUnsorted = previous.nameIndex > entry.nameIndex
    } else if previous.nameLength != entry.nameLength {
      isUnsorted = previous.nameLength > entry.nameLength
    } else {
      for index in 0..<entry.nameLength {
        let (a, b) = (bytes.u8(previousName + index), bytes.u8(name.lowerBound + index))
        if a != b {
          isUnsorted = a > b
          break
        }
      }
    }
  }

  /// Where the value lies, with its padding; nil where that is not in the area.
  static func value(of entry: RawXattrEntry, _ area: RawXattrArea, _ size: Int) -> Range<Int>? {
    let start = area.valueBase + entry.valueOffset
    guard entry.valueSize > 0 else {
      // A block's may not point out of it even then.
      return area.isBlock && start > size ? nil : 0..<0
    }
    guard entry.valueSize <= UInt32(clamping: size) else { return nil }
    let end = start + RawXattrEntry.padded(Int(entry.valueSize))
    return end <= size ? start..<end : nil
  }

  /// - Parameter value: with its padding.
  static func hasValidHash(
    _ entry: RawXattrEntry, _ area: RawXattrArea, _ bytes: RawSpan, name: Range<Int>,
    value: Range<Int>
  ) -> Bool {
    // Old systems left 0 in inodes.
    if !area.isBlock, entry.hash == 0 { return true }
    if XattrHash.value(XattrHash.name(bytes, name), bytes, value) == entry.hash { return true }
    let signed = XattrHash.name(bytes, name, isSigned: true)
    return XattrHash.value(signed, bytes, value) == entry.hash
  }

  /// Whether any two values of entries that are all well-formed lie over each other.
  private static func overlap(_ area: RawXattrArea, _ bytes: RawSpan, _ count: Int) -> Bool {
    var values: [Range<Int>] = []
    var offset = area.firstEntry
    for _ in 0..<count {
      let entry = RawXattrEntry(bytes, at: offset)
      if entry.valueInode == 0, let value = value(of: entry, area, bytes.byteCount), !value.isEmpty
      {
        values.append(value)
      }
      offset += entry.length
    }
    values.sort { $0.lowerBound < $1.lowerBound }
    for (first, second) in zip(values, values.dropFirst())
    where first.upperBound > second.lowerBound {
      return true
    }
    return false
  }
}
