import ExtantBase

/// A leaf entry of an extent tree (`ext4_extent`): consecutive blocks of a file that lie
/// consecutively on the device.
public struct ExtentRecord: Hashable, Sendable {
  /// The first block of the file that the extent maps.
  public var logical: UInt32
  /// In blocks: 1 to 32,768, of an unwritten extent at most 32,767.
  public var length: UInt32
  public var address: BlockAddress
  /// Whether the blocks are allocated but read as zeros.
  public var isUnwritten: Bool

  public static let maximumWrittenLength: UInt32 = 32768
  public static let maximumUnwrittenLength: UInt32 = 32767

  public init(logical: UInt32, length: UInt32, address: BlockAddress, isUnwritten: Bool = false) {
    self.logical = logical
    self.length = length
    self.address = address
    self.isUnwritten = isUnwritten
  }
}

/// An index entry of an extent tree (`ext4_extent_idx`): where the child is that maps the file
/// from `logical` on.
public struct ExtentIndexRecord: Hashable, Sendable {
  /// The first block of the file that the child maps; the child's first entry says the same.
  public var logical: UInt32
  public var child: BlockAddress

  public init(logical: UInt32, child: BlockAddress) {
    self.logical = logical
    self.child = child
  }
}

/// A node of an extent tree: the 60 bytes of `i_block`, or a block of the device.
///
/// Layout, all little-endian: a header of 12 bytes (magic, entries, max, depth, generation),
/// `max` entries of 12 bytes, and in a block a CRC-32C right behind the last entry's place. The
/// rules are those of the kernel's documentation, "Extent Tree", and of its own checks.
public struct ExtentNode: Hashable, Sendable {
  public enum Entries: Hashable, Sendable {
    case leaf([ExtentRecord])
    case index([ExtentIndexRecord])

    public var count: Int {
      switch self {
      case .leaf(let records): records.count
      case .index(let records): records.count
      }
    }
  }

  /// Levels below this node: 0 for a leaf.
  public var depth: UInt16
  public var entries: Entries

  public static let magic: UInt16 = 0xf30a
  public static let maximumDepth: UInt16 = 5
  /// Bytes of `i_block`, which holds the root.
  public static let rootByteCount = 60
  /// Entries of the root.
  public static let rootCapacity = 4
  static let entrySize = 12

  public init(depth: UInt16, entries: Entries) {
    self.depth = depth
    self.entries = entries
  }

  /// Entries of a node that fills a block of `blockSize` bytes.
  public static func capacity(blockSize: Int) -> Int { (blockSize - entrySize) / entrySize }

  /// The logical block that the first entry starts with; nil for a node without entries.
  public var firstLogical: UInt32? {
    switch entries {
    case .leaf(let records): records.first?.logical
    case .index(let records): records.first?.logical
    }
  }
}

/// What an extent tree's nodes are checked against.
public struct ExtentTreeContext: Sendable {
  public var inode: InodeNumber
  /// Where extents and nodes may lie: above the first data block, below the end.
  public var firstDataBlock: BlockAddress
  public var blockCount: UInt64
  /// The inode's checksum seed; nil without `metadata_csum`.
  public var checksumSeed: UInt32?

  public init(
    inode: InodeNumber, firstDataBlock: BlockAddress, blockCount: UInt64, checksumSeed: UInt32?
  ) {
    self.inode = inode
    self.firstDataBlock = firstDataBlock
    self.blockCount = blockCount
    self.checksumSeed = checksumSeed
  }

  /// Whether `count` blocks from `address` are blocks that a file may own.
  func mayOwn(_ address: BlockAddress, count: UInt32) -> Bool {
    // Addresses on disk have 48 bits, so that the sum cannot overflow.
    address > firstDataBlock && address.rawValue + UInt64(count) <= blockCount
  }
}

// MARK: - Decoding

extension ExtentNode {
  /// The root, from the 60 bytes of `i_block`.
  public init(root: [UInt8], _ context: ExtentTreeContext) throws(FileSystemError) {
    let place = ExtentNodePlace(context: context, block: nil)
    guard root.count == Self.rootByteCount else {
      throw place.corrupt("i_block is \(root.count) bytes long instead of 60")
    }
    try self.init(root.rawBytes, depth: nil, key: nil, end: nil, place)
  }

  /// The node in the block at `address`, of whose parent's entry three things are known.
  ///
  /// - Parameters:
  ///   - block: the whole block.
  ///   - depth: one less than the parent's.
  ///   - key: the parent's entry's logical block.
  ///   - end: the logical block of the parent's next entry; nil behind the last.
  public init(
    block: RawSpan, at address: BlockAddress, depth: UInt16, key: UInt32, end: UInt32?,
    _ context: ExtentTreeContext
  ) throws(FileSystemError) {
    let place = ExtentNodePlace(context: context, block: address)
    try self.init(block, depth: depth, key: key, end: end, place)
    if let seed = context.checksumSeed {
      // The tail follows the place of the last possible entry, which need not be the block's end.
      let tail = Self.entrySize * (1 + Int(block.le16(4)))
      guard tail + 4 <= block.byteCount else { throw place.corrupt("no room for its checksum") }
      let computed = crc32c(seed, block.extracting(0..<tail))
      let stored = block.le32(tail)
      guard computed == stored else {
        throw place.corrupt("checksum \(hex(stored)) does not match \(hex(computed))").ofChecksum
      }
    }
  }

  private init(
    _ bytes: RawSpan, depth expectedDepth: UInt16?, key: UInt32?, end: UInt32?,
    _ place: ExtentNodePlace
  ) throws(FileSystemError) {
    let magic = bytes.le16(0)
    guard magic == Self.magic else {
      throw place.corrupt("magic number \(hex(magic)) is not \(hex(Self.magic))")
    }
    let count = Int(bytes.le16(2))
    let maximum = Int(bytes.le16(4))
    let depth = bytes.le16(6)
    guard maximum > 0, maximum <= Self.capacity(blockSize: bytes.byteCount) else {
      throw place.corrupt("room for \(maximum) entries in \(bytes.byteCount) bytes")
    }
    guard count <= maximum else {
      throw place.corrupt("\(count) entries where \(maximum) fit")
    }
    guard depth <= Self.maximumDepth else {
      throw place.corrupt("depth \(depth) is above \(Self.maximumDepth)")
    }
    if let expectedDepth, depth != expectedDepth {
      throw place.corrupt("depth \(depth) instead of \(expectedDepth)")
    }
    guard count > 0 || depth == 0 else { throw place.corrupt("an index without entries") }
    self.depth = depth
    if depth == 0 {
      entries = .leaf(try Self.records(bytes, count, end: end, place))
    } else {
      entries = .index(try Self.indexRecords(bytes, count, end: end, place))
    }
    if let key, let first = firstLogical, first != key {
      throw place.corrupt("starts with logical block \(first), its parent says \(key)")
    }
  }

  private static func records(
    _ bytes: RawSpan, _ count: Int, end: UInt32?, _ place: ExtentNodePlace
  ) throws(FileSystemError) -> [ExtentRecord] {
    var records: [ExtentRecord] = []
    records.reserveCapacity(count)
    // All sums are of 64 bits, which values of 32 and 48 bits cannot overflow.
    let limit = end.map(UInt64.init) ?? LogicalBlock.limit.rawValue
    var free: UInt64 = 0
    for number in 0..<count {
      let offset = entrySize * (1 + number)
      let stored = UInt32(bytes.le16(offset + 4))
      let isUnwritten = stored > ExtentRecord.maximumWrittenLength
      let record = ExtentRecord(
        logical: bytes.le32(offset),
        length: isUnwritten ? stored - ExtentRecord.maximumWrittenLength : stored,
        address: BlockAddress(
          UInt64(bytes.le16(offset + 6)) << 32 | UInt64(bytes.le32(offset + 8))),
        isUnwritten: isUnwritten)
      guard record.length > 0 else {
        throw place.corrupt("extent at logical block \(record.logical) has no length")
      }
      guard UInt64(record.logical) >= free else {
        throw place.corrupt("extent at logical block \(record.logical) overlaps the one before it")
      }
      free = UInt64(record.logical) + UInt64(record.length)
      guard free <= limit else {
        throw place.corrupt("extent at logical block \(record.logical) passes block \(limit)")
      }
      guard place.context.mayOwn(record.address, count: record.length) else {
        throw place.corrupt(
          "extent at logical block \(record.logical) maps \(record.length) blocks from "
            + "\(record.address.rawValue), outside the filesystem")
      }
      records.append(record)
    }
    return records
  }

  private static func indexRecords(
    _ bytes: RawSpan, _ count: Int, end: UInt32?, _ place: ExtentNodePlace
  ) throws(FileSystemError) -> [ExtentIndexRecord] {
    var records: [ExtentIndexRecord] = []
    records.reserveCapacity(count)
    for number in 0..<count {
      let offset = entrySize * (1 + number)
      let record = ExtentIndexRecord(
        logical: bytes.le32(offset),
        child: BlockAddress(UInt64(bytes.le16(offset + 8)) << 32 | UInt64(bytes.le32(offset + 4))))
      if let previous = records.last, previous.logical >= record.logical {
        throw place.corrupt(
          "index entry \(record.logical) does not follow \(previous.logical)")
      }
      if let end, record.logical >= end {
        throw place.corrupt("index entry \(record.logical) passes block \(end)")
      }
      guard place.context.mayOwn(record.child, count: 1) else {
        throw place.corrupt(
          "index entry \(record.logical) names block \(record.child.rawValue), "
            + "outside the filesystem")
      }
      records.append(record)
    }
    return records
  }
}

/// Where a node is, for messages.
private struct ExtentNodePlace {
  var context: ExtentTreeContext
  var block: BlockAddress?

  func corrupt(_ rule: String) -> FileSystemError {
    .corrupt(Corruption("extent node", inode: context.inode, block: block, rule))
  }
}

// MARK: - Encoding

extension ExtentNode {
  /// The 60 bytes of `i_block`. At most `rootCapacity` entries.
  public func encodeRoot() -> [UInt8] {
    precondition(entries.count <= Self.rootCapacity)
    var bytes = [UInt8](repeating: 0, count: Self.rootByteCount)
    bytes.withMutableBytes { encodeEntries(into: &$0, maximum: Self.rootCapacity) }
    return bytes
  }

  /// Fills a block, checksum included where `checksumSeed` is given; unused places become zeros.
  public func encode(into block: inout MutableRawSpan, checksumSeed: UInt32?) {
    let capacity = Self.capacity(blockSize: block.byteCount)
    precondition(entries.count <= capacity)
    block.fill(0..<block.byteCount, with: 0)
    encodeEntries(into: &block, maximum: capacity)
    if let checksumSeed {
      let tail = Self.entrySize * (1 + capacity)
      block.setLE32(crc32c(checksumSeed, block.bytes.extracting(0..<tail)), at: tail)
    }
  }

  private func encodeEntries(into bytes: inout MutableRawSpan, maximum: Int) {
    bytes.setLE16(Self.magic, at: 0)
    bytes.setLE16(UInt16(entries.count), at: 2)
    bytes.setLE16(UInt16(maximum), at: 4)
    bytes.setLE16(depth, at: 6)
    var offset = Self.entrySize
    switch entries {
    case .leaf(let records):
      precondition(depth == 0)
      for record in records {
        let bias = record.isUnwritten ? ExtentRecord.maximumWrittenLength : 0
        bytes.setLE32(record.logical, at: offset)
        bytes.setLE16(UInt16(record.length + bias), at: offset + 4)
        bytes.setLE16(UInt16(record.address.rawValue >> 32), at: offset + 6)
        bytes.setLE32(UInt32(truncatingIfNeeded: record.address.rawValue), at: offset + 8)
        offset += Self.entrySize
      }
    case .index(let records):
      precondition(depth > 0 && depth <= Self.maximumDepth)
      for record in records {
        bytes.setLE32(record.logical, at: offset)
        bytes.setLE32(UInt32(truncatingIfNeeded: record.child.rawValue), at: offset + 4)
        bytes.setLE16(UInt16(record.child.rawValue >> 32), at: offset + 8)
        offset += Self.entrySize
      }
    }
  }
}
