import ExtantBase

/// An attribute of which everything is kept that an entry can say: for a checker, which writes areas
/// anew with what it could save.
public struct RawXattr: Sendable, Equatable {
  public var name: XattrName
  /// The value; empty where it is in an inode.
  public var value: [UInt8]
  /// The inode that holds the value; 0 where `value` is it.
  public var valueInode: UInt32
  /// In bytes.
  public var valueSize: UInt32
  /// Of a value in the area it is computed anew in a block; in an inode it may be 0.
  public var hash: UInt32

  public init(_ name: XattrName, _ value: [UInt8], hash: UInt32 = 0) {
    self.name = name
    self.value = value
    self.hash = hash
    valueInode = 0
    valueSize = UInt32(clamping: value.count)
  }

  public init(_ name: XattrName, valueInode: UInt32, valueSize: UInt32, hash: UInt32) {
    self.name = name
    self.valueInode = valueInode
    self.valueSize = valueSize
    self.hash = hash
    value = []
  }

  /// `data` of `system.`: what does not fit into i_block of an inode that holds its own contents.
  public static let inlineDataName = XattrName(index: 7, suffix: Array("data".utf8))

  /// Bytes that it takes.
  public var length: Int {
    RawXattrEntry.padded(RawXattrEntry.headSize + name.suffix.count)
      + RawXattrEntry.padded(value.count)
  }
}

/// Where an area's parts lie: the attributes in an inode, and those in a block.
public struct RawXattrArea: Sendable {
  /// Where the entries begin.
  public let firstEntry: Int
  /// What the values' offsets count from.
  public let valueBase: Int
  /// Entries carry their hash; those in an inode may carry 0.
  public let isBlock: Bool

  public static let magic = XattrArea.magic
  /// Of a block; the header is the magic number, the reference count, the number of blocks, the hash
  /// of all, the checksum and zeros.
  public static let block = RawXattrArea(firstEntry: 32, valueBase: 0, isBlock: true)
  /// Of an inode, from its magic number on.
  public static let inode = RawXattrArea(firstEntry: 4, valueBase: 4, isBlock: false)

  /// Bytes for entries and values in an area of `byteCount` bytes.
  public func capacity(byteCount: Int) -> Int {
    XattrArea.capacity(byteCount: byteCount, firstEntry: firstEntry)
  }

  /// Writes entries and values behind the header, which is the caller's but for the magic number: it
  /// is set, or in an inode cleared where there are none.
  ///
  /// - Precondition: they fit: the sum of their lengths is at most `capacity`.
  public func encode(_ attributes: [RawXattr], into bytes: inout MutableRawSpan) {
    bytes.setLE32(attributes.isEmpty && !isBlock ? 0 : Self.magic, at: 0)
    bytes.fill(firstEntry..<bytes.byteCount, with: 0)
    var offset = firstEntry
    var valueEnd = bytes.byteCount
    for attribute in attributes {
      let size = RawXattrEntry.padded(RawXattrEntry.headSize + attribute.name.suffix.count)
      bytes.setU8(UInt8(truncatingIfNeeded: attribute.name.suffix.count), at: offset)
      bytes.setU8(attribute.name.index, at: offset + 1)
      bytes.copy(attribute.name.suffix, at: offset + RawXattrEntry.headSize)
      bytes.setLE32(attribute.valueInode, at: offset + 4)
      bytes.setLE32(attribute.valueSize, at: offset + 8)
      bytes.setLE32(attribute.hash, at: offset + 12)
      if !attribute.value.isEmpty {
        valueEnd -= RawXattrEntry.padded(attribute.value.count)
        bytes.copy(attribute.value, at: valueEnd)
        bytes.setLE16(UInt16(truncatingIfNeeded: valueEnd - valueBase), at: offset + 2)
      }
      if attribute.valueInode == 0, isBlock || attribute.hash != 0 {
        let start = offset + RawXattrEntry.headSize
        let name = XattrHash.name(bytes.bytes, start..<start + attribute.name.suffix.count)
        let range = valueEnd..<valueEnd + RawXattrEntry.padded(attribute.value.count)
        bytes.setLE32(XattrHash.value(name, bytes.bytes, range), at: offset + 12)
      }
      offset += size
    }
    precondition(offset + RawXattrEntry.terminatorSize <= valueEnd)
  }

  /// `h_hash` of a block: the entries' hashes, each mixed into the hash turned left by 16 bits; 0
  /// when an entry has none.
  public static func hash(_ attributes: [RawXattr], in bytes: RawSpan) -> UInt32 {
    var hash: UInt32 = 0
    var offset = block.firstEntry
    for _ in attributes {
      let entry = RawXattrEntry(bytes, at: offset)
      if entry.hash == 0 { return 0 }
      hash = XattrHash.word(hash, entry.hash)
      offset += entry.length
    }
    return hash
  }
}
