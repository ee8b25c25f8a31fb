import ExtantBase

/// The bytes of an extent tree's node, read and written field by field, with no rule enforced: what a
/// checker looks at and mends. `ExtentNode` is the same with every rule kept.
///
/// A node is the 60 bytes of i_block or a block: a header of 12 bytes, and entries of 12 bytes.
/// Source: the kernel's Documentation/filesystems/ext4/ifork.rst.
public enum RawExtentNode {
  public static let headerSize = 12
  public static let entrySize = 12

  /// An entry of a leaf.
  public struct Extent: Sendable, Equatable {
    public var logical: UInt32
    /// In blocks: 0 to 32,768.
    public var length: UInt32
    public var isUnwritten: Bool
    public var address: BlockAddress

    /// One past the last logical block.
    public var end: UInt64 { UInt64(logical) + UInt64(length) }
  }

  // MARK: Header

  public static func magic(_ node: RawSpan) -> UInt16 { node.le16(0) }
  public static func count(_ node: RawSpan) -> Int { Int(node.le16(2)) }
  public static func maximum(_ node: RawSpan) -> Int { Int(node.le16(4)) }
  public static func depth(_ node: RawSpan) -> UInt16 { node.le16(6) }

  public static func setCount(_ count: Int, _ node: inout MutableRawSpan) {
    node.setLE16(UInt16(clamping: count), at: 2)
  }

  /// Whether the header is one of a node of so many bytes. A node may leave the places of two entries
  /// unused at its end, as the one that the checksum lies in.
  public static func hasValidHeader(_ node: RawSpan) -> Bool {
    let capacity = (node.byteCount - headerSize) / entrySize
    let maximum = maximum(node)
    return magic(node) == ExtentNode.magic && maximum <= capacity && maximum + 2 >= capacity
      && count(node) <= maximum
  }

  // MARK: Entries

  private static func offset(_ index: Int) -> Int { headerSize + entrySize * index }

  /// The logical block that the entry starts with, of a leaf or of an index.
  public static func logical(_ node: RawSpan, _ index: Int) -> UInt32 { node.le32(offset(index)) }

  public static func setLogical(_ logical: UInt32, _ node: inout MutableRawSpan, _ index: Int) {
    node.setLE32(logical, at: offset(index))
  }

  /// Entry `index` of a leaf.
  public static func extent(_ node: RawSpan, _ index: Int) -> Extent {
    let offset = offset(index)
    let stored = UInt32(node.le16(offset + 4))
    let isUnwritten = stored > ExtentRecord.maximumWrittenLength
    return Extent(
      logical: node.le32(offset),
      length: isUnwritten ? stored - ExtentRecord.maximumWrittenLength : stored,
      isUnwritten: isUnwritten,
      address: BlockAddress(
        UInt64(node.le16(offset + 6)) << 32 | UInt64(node.le32(offset + 8))))
  }

  public static func setExtent(_ extent: Extent, _ node: inout MutableRawSpan, _ index: Int) {
    let offset = offset(index)
    let bias = extent.isUnwritten ? ExtentRecord.maximumWrittenLength : 0
    node.setLE32(extent.logical, at: offset)
    node.setLE16(UInt16(clamping: extent.length + bias), at: offset + 4)
    node.setLE16(UInt16(truncatingIfNeeded: extent.address.rawValue >> 32), at: offset + 6)
    node.setLE32(UInt32(truncatingIfNeeded: extent.address.rawValue), at: offset + 8)
  }

  /// Where the child of entry `index` of an index lies.
  public static func child(_ node: RawSpan, _ index: Int) -> BlockAddress {
    let offset = offset(index)
    return BlockAddress(UInt64(node.le16(offset + 8)) << 32 | UInt64(node.le32(offset + 4)))
  }

  /// Removes an entry, so that those behind it move up. The node's header must be valid.
  public static func remove(_ node: inout MutableRawSpan, _ index: Int) {
    let count = count(node.bytes)
    guard index < count else { return }
    let rest = node.bytes.array(offset(index + 1)..<offset(count))
    node.copy(rest, at: offset(index))
    node.fill(offset(count - 1)..<offset(count), with: 0)
    setCount(count - 1, &node)
  }

  // MARK: Checksum

  /// Where a block's checksum lies: behind the place of its last possible entry. Nil where there is
  /// no room for it.
  private static func checksumOffset(_ node: RawSpan) -> Int? {
    let tail = offset(maximum(node))
    return tail + 4 <= node.byteCount ? tail : nil
  }

  /// True where there is no seed, as in a filesystem without checksums. Only blocks have one.
  public static func hasValidChecksum(_ block: RawSpan, seed: UInt32?) -> Bool {
    guard let seed else { return true }
    guard let tail = checksumOffset(block) else { return false }
    return block.le32(tail) == crc32c(seed, block.extracting(0..<tail))
  }

  public static func updateChecksum(_ block: inout MutableRawSpan, seed: UInt32?) {
    guard let seed, let tail = checksumOffset(block.bytes) else { return }
    block.setLE32(crc32c(seed, block.bytes.extracting(0..<tail)), at: tail)
  }
}
