import ExtantBase

/// The map of a file: from logical blocks to block addresses.
///
/// A counted B+tree. An extent's position is not stored but is the sum of the steps to its left, so
/// allocate, punch, collapse, insert and moving a range to another map change one path and no more,
/// however many extents lie behind. ext4's absolute numbers are made when the tree is encoded.
///
/// - In memory one node stands for one block of the tree on disk. The topmost node is an ordinary
///   one here; ``encode(relocateShifted:allocate:write:freed:)`` puts it into the inode where it
///   fits, else into a block that the inode's root then points to. Depth grows and shrinks so.
/// - Subtrees load on demand. An operation loads all it needs before its first change, so that an
///   error of the source leaves the map as it was.
/// - Entries obey the limits of their state at any time, and a leaf counts its delayed runs as
///   entries, so that what is in memory always fits on disk.
///
/// Not thread-safe: the owner's lock guards it, for lookups too, since they may load.
public final class ExtentMap {
  /// The upper bound of a hole that nothing follows.
  public static let endless = LogicalBlock(UInt64(Int.max))

  public let capacities: ExtentCapacities
  let source: any ExtentNodeSource

  /// The topmost node. After a change, an inner one has two children or more.
  var top: Child
  var height: Int
  /// Where the first extent starts; 0 in an empty map.
  var leadingGap: Int

  /// Nodes in memory whose `home` is nil.
  var homelessCount = 0
  /// Nodes of the tree with a home that are marked as changed, and those without.
  var changedHomeCount = 0
  var changedHomelessCount = 0
  var delayedCount = 0
  /// Homes of nodes that are gone since the last encode.
  var orphanedHomes: [BlockAddress] = []
  /// Nothing in front of this block was moved since the last encode.
  var shiftFloor = Int.max
  /// What the inode holds by the last encode.
  var writtenRoot: ExtentRoot

  /// Whether ``encode(relocateShifted:allocate:write:freed:)`` may have something to do. O(1).
  public internal(set) var hasChanges = false

  /// Blocks in delayed runs. O(1).
  public var delayedBlockCount: UInt64 { UInt64(delayedCount) }

  /// A map without extents.
  public init(
    capacities: ExtentCapacities, source: any ExtentNodeSource = EmptyExtentNodeSource()
  ) {
    self.capacities = capacities
    self.source = source
    top = .node(Node(level: 0, capacity: capacities.leaf))
    height = 0
    leadingGap = 0
    writtenRoot = .empty
    adopt(top)
  }

  /// The map whose root is in the inode. Nothing is loaded yet.
  ///
  /// Throws `.corrupt` where the root is out of order, overlaps, has too many or too long entries.
  public init(
    capacities: ExtentCapacities, root: ExtentRoot, source: any ExtentNodeSource
  ) throws(FileSystemError) {
    self.capacities = capacities
    self.source = source
    writtenRoot = root
    guard root.depth >= 0, root.depth <= capacities.depth, root.contents.count <= capacities.root
    else {
      throw .corrupt(
        Corruption(
          "extent root",
          "depth \(root.depth) and \(root.contents.count) entries are within the limits"))
    }
    switch root.contents {
    case .leaf(let runs) where runs.isEmpty && root.depth == 0:
      top = .node(Node(level: 0, capacity: capacities.leaf))
      height = 0
      leadingGap = 0
    case .index(let entries) where entries.count == 1 && root.depth > 0:
      // The inode points to the topmost node of ours.
      let key = entries[0].key.rawValue
      guard key < LogicalBlock.limit.rawValue else {
        throw .corrupt(Corruption("extent root", "key \(key) is a logical block"))
      }
      top = .unloaded(address: entries[0].address, key: UInt32(key))
      height = root.depth - 1
      leadingGap = Int(key)
    default:
      let (node, start) = try Self.makeNode(
        root.contents, level: root.depth, capacity: capacities.root, address: nil)
      top = .node(node)
      height = root.depth
      leadingGap = start
    }
    adopt(top)
  }

  private func adopt(_ child: Child) {
    guard case .node(let node) = child else { return }
    node.isDirty = false
    node.isChanged = false
    node.writtenStart = leadingGap
    node.keyOffset = node.count == 0 ? -1 : 0
    homelessCount += 1
  }

  /// Whether nothing is mapped. O(1).
  public var isEmpty: Bool {
    if case .node(let node) = top { return node.count == 0 }
    return false
  }

  func makeHomelessNode(level: Int) -> Node {
    homelessCount += 1
    changedHomelessCount += 1
    return Node(level: level, capacity: capacities.of(level: level))
  }

  /// The node is no longer part of the tree.
  func retire(_ node: Node) {
    if let home = node.home {
      orphanedHomes.append(home)
      if node.isChanged { changedHomeCount -= 1 }
    } else {
      homelessCount -= 1
      if node.isChanged { changedHomelessCount -= 1 }
    }
  }

  /// The node, or one below it, is not as its home says. Every such mark is set here, so that what
  /// the next encode will write is counted.
  func markChanged(_ node: Node) {
    guard !node.isChanged else { return }
    node.isChanged = true
    if node.home != nil { changedHomeCount += 1 } else { changedHomelessCount += 1 }
  }

  /// The node's own entries are not as its home says.
  func markDirty(_ node: Node) {
    node.isDirty = true
    markChanged(node)
  }
}
