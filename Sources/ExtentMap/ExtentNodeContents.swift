import ExtantBase

/// One entry of an index node: the subtree whose first extent begins at `key` is at `address`.
public struct ExtentIndex: Sendable, Hashable {
  public var key: LogicalBlock
  public var address: BlockAddress

  public init(key: LogicalBlock, address: BlockAddress) {
    self.key = key
    self.address = address
  }
}

/// What one node of the extent tree says, free of its bytes.
public enum ExtentNodeContents: Sendable, Hashable {
  /// Written and unwritten extents, ascending.
  case leaf([ExtentRun])
  /// Ascending keys, each equal to the first block of its subtree.
  case index([ExtentIndex])

  public var count: Int {
    switch self {
    case .leaf(let runs): runs.count
    case .index(let entries): entries.count
    }
  }
}

/// The root of an extent tree, as the inode's 60 bytes of `i_block` hold it.
public struct ExtentRoot: Sendable, Hashable {
  /// Levels below the root: 0 where it holds extents itself (`eh_depth`).
  public var depth: Int
  public var contents: ExtentNodeContents

  public init(depth: Int, contents: ExtentNodeContents) {
    self.depth = depth
    self.contents = contents
  }

  public static let empty = ExtentRoot(depth: 0, contents: .leaf([]))
}

/// A node that ``ExtentMap/encode(relocateShifted:allocate:write:freed:)`` wants written.
public struct EncodedExtentNode: Sendable, Hashable {
  /// 0 for a leaf (`eh_depth`).
  public var depth: Int
  public var contents: ExtentNodeContents
  public var address: BlockAddress
  /// Whether the address came from this encode's `allocate`: nothing on the device refers to the
  /// block yet, so it may be written without the journal. Otherwise the node is rewritten in place.
  public var isFresh: Bool

  public init(depth: Int, contents: ExtentNodeContents, address: BlockAddress, isFresh: Bool) {
    self.depth = depth
    self.contents = contents
    self.address = address
    self.isFresh = isFresh
  }
}

/// How many entries a node of each kind holds.
public struct ExtentCapacities: Sendable, Hashable {
  /// Entries in the inode: 4 in ext4.
  public var root: Int
  public var leaf: Int
  public var index: Int
  /// Levels below the root at most: 5 in ext4 (`EXT4_MAX_EXTENT_DEPTH`).
  public var depth: Int

  /// Values under 2 are raised to 2 (a tree needs it), the root's under 1 to 1.
  public init(root: Int, leaf: Int, index: Int, depth: Int = 5) {
    self.root = max(1, root)
    self.leaf = max(2, leaf)
    self.index = max(2, index)
    self.depth = depth
  }

  /// ext4's: 12 bytes of header, 12 an entry; 4 in the inode.
  public init(blockSize: Int) {
    self.init(root: 4, leaf: (blockSize - 12) / 12, index: (blockSize - 12) / 12)
  }

  func of(level: Int) -> Int { level == 0 ? leaf : index }
}

/// Where a map gets nodes from that it has not loaded.
public protocol ExtentNodeSource {
  /// The node at `address`, which is `depth` levels above the leaves (0: a leaf) and whose first
  /// entry must begin at `key`. Checks what only the bytes tell (magic, checksum, depth, addresses
  /// on the device); the map checks order, key, lengths and bounds itself.
  func loadNode(at address: BlockAddress, depth: Int, key: LogicalBlock)
    throws(FileSystemError) -> ExtentNodeContents
}

/// The source of a map that has nothing on disk.
public struct EmptyExtentNodeSource: ExtentNodeSource {
  public init() {}

  public func loadNode(at address: BlockAddress, depth: Int, key: LogicalBlock)
    throws(FileSystemError) -> ExtentNodeContents
  {
    throw .corrupt(Corruption("extent node", block: address, "a map without a source refers to it"))
  }
}
