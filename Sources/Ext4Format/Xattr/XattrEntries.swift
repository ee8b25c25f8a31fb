import ExtantBase

/// An extended attribute.
public struct Xattr: Hashable, Sendable {
  public var name: XattrName
  public var value: [UInt8]

  public init(_ name: XattrName, _ value: [UInt8]) {
    self.name = name
    self.value = value
  }

  static let entryHead = 16

  /// Bytes of its entry: head and name, padded to a multiple of 4.
  var entryLength: Int { (Self.entryHead + name.suffix.count + 3) & ~3 }
  /// Bytes of its value, padded to a multiple of 4.
  var valueLength: Int { (value.count + 3) & ~3 }
  /// Bytes that it needs.
  public var length: Int { entryLength + valueLength }
}

/// What an inode's attribute region and an attribute block have in common: a header, entries that
/// grow upwards and end with four zero bytes, values that grow downwards from the end.
///
/// An entry (`ext4_xattr_entry`), little-endian: name length and index (a byte each), the value's
/// offset (2), the inode that holds the value (4; 0 without `ea_inode`), the value's size (4), a
/// hash (4), the name.
struct XattrArea {
  /// "in-inode attributes" or "attribute block".
  var structure: String
  var inode: InodeNumber
  var block: BlockAddress?
  /// Where the entries begin.
  var firstEntry: Int
  /// What the values' offsets count from.
  var valueBase: Int
  /// Entries carry their hash; those in an inode carry 0.
  var hasHashes: Bool

  static let magic: UInt32 = 0xea02_0000
  private static let terminator = 4

  func corrupt(_ rule: String) -> FileSystemError {
    .corrupt(Corruption(structure, inode: inode, block: block, rule))
  }

  /// Bytes for entries and values in an area of `byteCount` bytes.
  static func capacity(byteCount: Int, firstEntry: Int) -> Int {
    max(byteCount - firstEntry - terminator, 0)
  }

  func decode(_ bytes: RawSpan) throws(FileSystemError) -> [Xattr] {
    let heads = try decodeHeads(bytes)
    var taken: [Range<Int>] = []
    var attributes: [Xattr] = []
    for head in heads.list {
      let range = head.value
      guard range.isEmpty || range.lowerBound >= heads.end && range.upperBound <= bytes.byteCount
      else { throw corrupt("a value at bytes \(range) is outside the room for values") }
      taken.append(range)
      attributes.append(Xattr(head.name, bytes.array(range)))
    }
    taken.removeAll { $0.isEmpty }
    taken.sort { $0.lowerBound < $1.lowerBound }
    for (first, second) in zip(taken, taken.dropFirst()) where first.upperBound > second.lowerBound
    {
      throw corrupt("values at bytes \(first) and \(second) overlap")
    }
    return attributes
  }

  /// The entries, and where they end with their terminator. The values' ranges are unchecked but
  /// for their sum: it does not overflow.
  private func decodeHeads(
    _ bytes: RawSpan
  ) throws(FileSystemError) -> (list: [(name: XattrName, value: Range<Int>)], end: Int) {
    var list: [(name: XattrName, value: Range<Int>)] = []
    var offset = firstEntry
    while true {
      guard offset + Self.terminator <= bytes.byteCount else {
        throw corrupt("no end of its entries")
      }
      if bytes.le32(offset) == 0 { return (list, offset + Self.terminator) }
      let nameStart = offset + Xattr.entryHead
      guard nameStart <= bytes.byteCount else {
        throw corrupt("entry at byte \(offset) passes the end")
      }
      let nameEnd = nameStart + Int(bytes.u8(offset))
      guard nameEnd <= bytes.byteCount else {
        throw corrupt("name at byte \(nameStart) passes the end")
      }
      let name = XattrName(index: bytes.u8(offset + 1), suffix: bytes.array(nameStart..<nameEnd))
      guard !name.suffix.contains(0) else { throw corrupt("name at byte \(nameStart) has a NUL") }
      guard bytes.le32(offset + 4) == 0 else {
        throw .unsupported(
          Unsupported("ea_inode", "the value of an attribute of \(inode) is in another inode"))
      }
      let size = Int(bytes.le32(offset + 8))
      guard size <= bytes.byteCount else {
        throw corrupt("a value of \(size) bytes passes the end")
      }
      let start = size == 0 ? 0 : valueBase + Int(bytes.le16(offset + 2))
      list.append((name, start..<(start + size)))
      offset = (nameEnd + 3) & ~3
    }
  }

  /// Writes entries and values behind the header, which is the caller's. They must fit.
  func encode(_ attributes: [Xattr], into bytes: inout MutableRawSpan) {
    bytes.fill(firstEntry..<bytes.byteCount, with: 0)
    var offset = firstEntry
    var valueEnd = bytes.byteCount
    for attribute in attributes {
      bytes.setU8(UInt8(attribute.name.suffix.count), at: offset)
      bytes.setU8(attribute.name.index, at: offset + 1)
      if !attribute.value.isEmpty {
        valueEnd -= attribute.valueLength
        bytes.copy(attribute.value, at: valueEnd)
        bytes.setLE16(UInt16(valueEnd - valueBase), at: offset + 2)
      }
      bytes.setLE32(UInt32(attribute.value.count), at: offset + 8)
      if hasHashes { bytes.setLE32(attribute.entryHash, at: offset + 12) }
      bytes.copy(attribute.name.suffix, at: offset + Xattr.entryHead)
      offset += attribute.entryLength
    }
    precondition(offset + Self.terminator <= valueEnd)
  }
}

extension Xattr {
  /// `e_hash`: the name's bytes and then the value's words (little-endian, padded with zeros),
  /// each mixed into the hash turned left by 5 or 16 bits.
  var entryHash: UInt32 {
    var hash: UInt32 = 0
    for byte in name.suffix { hash = (hash << 5 | hash >> 27) ^ UInt32(byte) }
    for start in stride(from: 0, to: value.count, by: 4) {
      var word: UInt32 = 0
      for (shift, byte) in value[start...].prefix(4).enumerated() {
        word |= UInt32(byte) << UInt32(8 * shift)
      }
      hash = (hash << 16 | hash >> 16) ^ word
    }
    return hash
  }
}
