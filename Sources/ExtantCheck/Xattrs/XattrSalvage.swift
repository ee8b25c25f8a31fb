import Ext4Format
import ExtantBase

/// Takes apart an area of attributes that is not sound: what is wrong with which entry, and which
/// attributes can be kept.
struct XattrSalvage {
  enum Fault {
    /// An entry or its name goes past the end of the area; what follows is lost.
    case entryTooLong
    /// There is no room for the end's zeros.
    case noEnd
    /// The name's index is 0, which no prefix has.
    case noPrefix
    /// The value does not lie in the area.
    case valueOutside
    /// The value lies over entries or over another value.
    case overlap
    /// The hash is not that of name and value.
    case hash
  }

  private(set) var faults: [(fault: Fault, name: [UInt8], offset: Int)] = []
  private(set) var kept: [RawXattr] = []

  private let area: RawXattrArea
  private let isTrusted: Bool

  /// - Parameters:
  ///   - bytes: the whole area.
  ///   - isTrusted: a checksum says that a block's bytes are as somebody wrote them: then a value
  ///     is believed and not its hash.
  init(_ area: RawXattrArea, _ bytes: RawSpan, isTrusted: Bool) {
    self.area = area
    self.isTrusted = isTrusted
    let entries = findEntries(bytes)
    var values: [Range<Int>] = []
    let end =
      (entries.last.map { $0.offset + $0.entry.length } ?? area.firstEntry)
      + RawXattrEntry.terminatorSize
    var room = area.capacity(byteCount: bytes.byteCount)
    for (offset, entry) in entries {
      guard let attribute = take(entry, at: offset, bytes, entriesEnd: end, &values) else {
        continue
      }
      // What lay over each other may need more than there is.
      guard attribute.length <= room else {
        if faults.isEmpty { note(.noEnd, entry, offset, bytes) }
        continue
      }
      room -= attribute.length
      kept.append(attribute)
    }
  }

  private mutating func note(
    _ fault: Fault, _ entry: RawXattrEntry, _ offset: Int, _ bytes: RawSpan
  ) {
    let start = offset + RawXattrEntry.headSize
    let end = min(start + entry.nameLength, bytes.byteCount)
    faults.append((fault, start < end ? bytes.array(start..<end) : [], offset))
  }

  private mutating func findEntries(_ bytes: RawSpan) -> [(offset: Int, entry: RawXattrEntry)] {
    var entries: [(offset: Int, entry: RawXattrEntry)] = []
    var offset = area.firstEntry
    while true {
      guard offset + RawXattrEntry.terminatorSize <= bytes.byteCount else {
        if let last = entries.last { note(.noEnd, last.entry, last.offset, bytes) }
        return entries
      }
      if bytes.le32(offset) == 0 { return entries }
      guard offset + RawXattrEntry.headSize <= bytes.byteCount else {
        faults.append((.entryTooLong, [], offset))
        return entries
      }
      let entry = RawXattrEntry(bytes, at: offset)
      guard offset + entry.length <= bytes.byteCount else {
        note(.entryTooLong, entry, offset, bytes)
        return entries
      }
      entries.append((offset, entry))
      offset += entry.length
    }
  }

  /// The entry's attribute; nil where it cannot be kept.
  private mutating func take(
    _ entry: RawXattrEntry, at offset: Int, _ bytes: RawSpan, entriesEnd: Int,
    _ values: inout [Range<Int>]
  ) -> RawXattr? {
    let start = offset + RawXattrEntry.headSize
    let nameRange = start..<start + entry.nameLength
    // An entry of zeros but for what an empty value does not need: it would end the list.
    if entry.nameIndex == 0, entry.nameLength == 0, entry.valueSize == 0, entry.valueInode == 0,
      !area.isBlock
    {
      return nil
    }
    let name = XattrName(index: entry.nameIndex, suffix: bytes.array(nameRange))
    if area.isBlock, entry.nameIndex == 0 {
      note(.noPrefix, entry, offset, bytes)
      return nil
    }
    guard entry.valueInode == 0 else {
      return RawXattr(
        name, valueInode: entry.valueInode, valueSize: entry.valueSize, hash: entry.hash)
    }
    guard let range = XattrScan.value(of: entry, area, bytes.byteCount) else {
      note(.valueOutside, entry, offset, bytes)
      return nil
    }
    let isHashValid = XattrScan.hasValidHash(
      entry, area, bytes, name: nameRange, value: range)
    if !range.isEmpty {
      let isOverEntries = range.lowerBound < entriesEnd
      if isOverEntries || values.contains(where: { $0.overlaps(range) }) {
        note(.overlap, entry, offset, bytes)
        // A hash tells whose bytes they are.
        guard !isOverEntries, isHashValid, entry.hash != 0 else { return nil }
      }
    }
    if !isHashValid {
      note(.hash, entry, offset, bytes)
      guard isTrusted || !area.isBlock else { return nil }
    }
    values.append(range)
    let value = bytes.array(range.lowerBound..<range.lowerBound + Int(entry.valueSize))
    // In inodes the hash is 0 but of old; what else stands there wrongly is its own damage.
    return RawXattr(name, value, hash: isHashValid ? entry.hash : 0)
  }
}
