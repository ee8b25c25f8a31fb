import BlockIO
import Ext4Format
import ExtantBase

/// Walks an extent tree in logical order, one piece a call.
///
/// Only what follows what came before it is met: so no node is met twice, and the walk ends whatever
/// the tree looks like.
struct ExtentReader {
  /// More levels than any tree has. The kernel reads five, e2fsck makes what has more shallower.
  static let depthLimit: UInt16 = 32

  private struct Level {
    let node: BlockBuffer
    /// Levels below. The root's word counts, not the node's.
    let depth: UInt16
    let count: Int
    var index = 0
  }

  private let round: CheckRound
  private let withRuns: Bool
  private var levels: [Level] = []
  /// One past the last logical block met.
  private var position: UInt64 = 0

  init(_ round: CheckRound, _ raw: RawInode, withRuns: Bool) {
    self.round = round
    self.withRuns = withRuns
    let root = BlockBuffer(byteCount: Inode.blockAreaByteCount)
    var bytes = root.mutableBytes
    bytes.copy(raw.blockArea, at: 0)
    let depth = RawExtentNode.depth(root.bytes)
    if RawExtentNode.hasValidHeader(root.bytes), depth <= Self.depthLimit {
      push(root, depth)
    }
  }

  private mutating func push(_ node: BlockBuffer, _ depth: UInt16) {
    levels.append(Level(node: node, depth: depth, count: RawExtentNode.count(node.bytes)))
  }

  mutating func next() throws(FileSystemError) -> CheckRound.MapPiece? {
    while let level = levels.last {
      guard level.index < level.count else {
        levels.removeLast()
        continue
      }
      levels[levels.count - 1].index += 1
      if level.depth == 0 {
        let extent = RawExtentNode.extent(level.node.bytes, level.index)
        guard UInt64(extent.logical) >= position, extent.length > 0,
          round.isMappable(extent.address),
          round.superblock.contains(extent.address, count: UInt64(extent.length))
        else { continue }
        position = extent.end
        return .run(
          MapRun(
            logical: UInt64(extent.logical), address: extent.address,
            count: UInt64(extent.length), isUnwritten: extent.isUnwritten))
      }
      let logical = RawExtentNode.logical(level.node.bytes, level.index)
      let child = RawExtentNode.child(level.node.bytes, level.index)
      guard UInt64(logical) >= position, round.isMappable(child),
        child.rawValue < round.image.deviceBlockCount
      else { continue }
      if level.depth == 1, !withRuns {
        position = UInt64(logical) + 1
        return .node(child)
      }
      let node = try round.image.block(child)
      guard RawExtentNode.hasValidHeader(node.bytes),
        RawExtentNode.count(node.bytes) > 0,
        RawExtentNode.logical(node.bytes, 0) == logical
      else { continue }
      push(node, level.depth - 1)
      return .node(child)
    }
    return nil
  }
}
