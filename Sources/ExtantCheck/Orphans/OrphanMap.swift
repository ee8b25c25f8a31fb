import BlockIO
import Ext4Format
import ExtantBase

/// All of an orphan's map, in which nothing is wrong. It is read before pass 1 has mended any.
struct OrphanMap {
  /// Blocks of the map itself, each before those below it.
  private(set) var nodes: [BlockAddress] = []
  /// In logical order.
  private(set) var runs: [MapRun] = []
  /// How many more the map may have: one with more goes in circles, or takes what others have.
  private(set) var blocksLeft: UInt64

  /// Nil where anything of the map is not as it should be: then it is pass 1's business.
  ///
  /// - Parameter budget: the most blocks that it may have.
  init?(
    _ round: CheckRound, _ number: InodeNumber, _ raw: RawInode, budget: UInt64
  ) throws(FileSystemError) {
    blocksLeft = budget
    guard round.hasMap(number, raw) else { return }
    let isSound =
      raw.flags.contains(.extents)
      ? try readExtents(round, raw) : try readPointers(round, raw)
    guard isSound else { return nil }
  }

  /// Whether the blocks may be a file's, and are not more than there can be.
  private mutating func take(_ round: CheckRound, _ address: BlockAddress, _ count: UInt64) -> Bool
  {
    guard round.isMappable(address), round.superblock.contains(address, count: count),
      address.rawValue &+ count <= round.image.deviceBlockCount, count <= blocksLeft,
      !round.claims.metadata.intersects(round.claims.clusters(address, count: count))
    else { return false }
    blocksLeft -= count
    return true
  }

  private mutating func append(_ run: MapRun) {
    if let last = runs.last, last.isUnwritten == run.isUnwritten,
      last.logical + last.count == run.logical, last.address + last.count == run.address
    {
      runs[runs.count - 1].count += run.count
    } else {
      runs.append(run)
    }
  }

  private mutating func readExtents(
    _ round: CheckRound, _ raw: RawInode
  ) throws(FileSystemError) -> Bool {
    let root = BlockBuffer(byteCount: Inode.blockAreaByteCount)
    var bytes = root.mutableBytes
    bytes.copy(raw.blockArea, at: 0)
    guard RawExtentNode.hasValidHeader(root.bytes),
      RawExtentNode.depth(root.bytes) <= ExtentNode.maximumDepth
    else { return false }
    // Levels of the tree, with the entry to be looked at next. No more than its depth.
    var levels: [(node: BlockBuffer, index: Int)] = [(root, 0)]
    var position: UInt64 = 0
    while let (node, index) = levels.last {
      guard index < RawExtentNode.count(node.bytes) else {
        levels.removeLast()
        continue
      }
      levels[levels.count - 1].index += 1
      let depth = RawExtentNode.depth(node.bytes)
      guard depth > 0 else {
        let extent = RawExtentNode.extent(node.bytes, index)
        guard extent.length > 0, UInt64(extent.logical) >= position,
          take(round, extent.address, UInt64(extent.length))
        else { return false }
        position = extent.end
        append(
          MapRun(
            logical: UInt64(extent.logical), address: extent.address,
            count: UInt64(extent.length), isUnwritten: extent.isUnwritten))
        continue
      }
      let child = RawExtentNode.child(node.bytes, index)
      guard UInt64(RawExtentNode.logical(node.bytes, index)) >= position, take(round, child, 1)
      else { return false }
      let below = try round.image.block(child)
      guard RawExtentNode.hasValidHeader(below.bytes),
        RawExtentNode.depth(below.bytes) == depth - 1
      else { return false }
      nodes.append(child)
      levels.append((below, 0))
    }
    return true
  }

  private mutating func readPointers(
    _ round: CheckRound, _ raw: RawInode
  ) throws(FileSystemError) -> Bool {
    let perBlock = round.image.blockSize / 4
    var position: UInt64 = 0
    for word in 0..<PointerReader.wordCount {
      let depth = max(0, word - PointerReader.directCount + 1)
      let pointer = BlockAddress(UInt64(raw.blockWord(word)))
      // Blocks of pointers, with the word to be looked at next. At most three.
      var levels: [(node: BlockBuffer, depth: Int, index: Int)] = []
      guard try visit(round, pointer, depth, perBlock, &position, &levels) else { return false }
      while let (node, depth, index) = levels.last {
        guard index < perBlock else {
          levels.removeLast()
          continue
        }
        levels[levels.count - 1].index += 1
        let pointer = BlockAddress(UInt64(node.bytes.le32(4 * index)))
        guard try visit(round, pointer, depth, perBlock, &position, &levels) else { return false }
      }
    }
    return true
  }

  /// False for a pointer that leads nowhere.
  private mutating func visit(
    _ round: CheckRound, _ pointer: BlockAddress, _ depth: Int, _ perBlock: Int,
    _ position: inout UInt64, _ levels: inout [(node: BlockBuffer, depth: Int, index: Int)]
  ) throws(FileSystemError) -> Bool {
    guard pointer.rawValue != 0 else {
      position += PointerReader.span(depth, perBlock)
      return true
    }
    guard take(round, pointer, 1) else { return false }
    guard depth > 0 else {
      append(MapRun(logical: position, address: pointer, count: 1))
      position += 1
      return true
    }
    nodes.append(pointer)
    levels.append((try round.image.block(pointer), depth - 1, 0))
    return true
  }
}
