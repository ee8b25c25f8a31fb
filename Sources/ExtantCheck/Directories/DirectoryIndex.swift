import BlockIO
import Ext4Format
import ExtantBase

/// What is found out about a directory's hash tree while its blocks are scanned: what the nodes say
/// of each block, and which hashes each block holds.
///
/// 28 bytes a block of the directory.
final class DirectoryIndex {
  struct Block {
    enum Role: UInt8 { case leaf, node, root }
    var role = Role.leaf
    /// How often index entries name it, 2 for more.
    var references: UInt8 = 0
    /// The first or last one of its node: hashes below or above are its node's business.
    var isFirst = false
    var isLast = false
    /// The node that names it.
    var parent: UInt32 = 0
    /// The hashes that the index says.
    var lower: UInt32 = 0
    var upper: UInt32 = 0
    /// The hashes that are there; nothing is where `least` is above `most`.
    var least: UInt32 = ~0
    var most: UInt32 = 0
  }

  var blocks: [Block]
  /// Index nodes between the root and a leaf, the root counted.
  let depth: Int
  /// Nil where entries carry their hashes.
  let hash: DirectoryHash?

  init(blockCount: Int, depth: Int, hash: DirectoryHash?) {
    blocks = Array(repeating: Block(), count: blockCount)
    self.depth = depth
    self.hash = hash
  }

  func note(_ hash: UInt32, in block: Int) {
    guard blocks.indices.contains(block) else { return }
    blocks[block].least = min(blocks[block].least, hash)
    blocks[block].most = max(blocks[block].most, hash)
  }

  /// Takes the word of the node `parent` for the blocks that its entries name.
  func refer(from parent: Int, to block: Int, lower: UInt32, upper: UInt32?, isFirst: Bool) {
    guard blocks.indices.contains(block) else { return }
    if blocks[block].references > 0 {
      blocks[block].references = 2
    } else {
      blocks[block].references = 1
      blocks[block].parent = UInt32(clamping: parent)
    }
    blocks[block].lower = lower
    blocks[block].upper = upper ?? Self.highest
    if isFirst { blocks[block].isFirst = true }
    if upper == nil { blocks[block].isLast = true }
  }

  /// Above every hash.
  private static let highest: UInt32 = 0xffff_fffe

  /// How many steps it is up to the root; nil where they do not lead there.
  private func depth(of block: Int) -> Int? {
    var block = block
    for step in 0...depth {
      if blocks[block].role == .root { return step }
      guard blocks[block].references > 0, blocks.indices.contains(Int(blocks[block].parent)) else {
        return nil
      }
      block = Int(blocks[block].parent)
    }
    return nil
  }

  /// Carries the hashes of first and last leaves up to the nodes whose bounds they must keep.
  private func raiseBounds() {
    for leaf in blocks.indices where blocks[leaf].role == .leaf && blocks[leaf].references == 1 {
      let (least, most) = (blocks[leaf].least, blocks[leaf].most)
      var block = leaf
      for _ in 0..<depth where blocks[block].isFirst {
        block = Int(blocks[block].parent)
        guard blocks.indices.contains(block), blocks[block].role == .node else { break }
        blocks[block].least = least
      }
      block = leaf
      for _ in 0..<depth where blocks[block].isLast {
        block = Int(blocks[block].parent)
        guard blocks.indices.contains(block), blocks[block].role == .node else { break }
        blocks[block].most = most
      }
    }
  }

  /// Everything that does not fit together, with the block and what was found there.
  func contradictions() -> [(issue: DirectoryIssue, block: Int, found: UInt32)] {
    raiseBounds()
    var found: [(DirectoryIssue, Int, UInt32)] = []
    for (number, block) in blocks.enumerated() {
      let references = Int(block.references) + (number == 0 ? 1 : 0)
      guard references > 0 else {
        found.append((.indexBlockUnreferenced, number, 0))
        continue
      }
      if references > 1 { found.append((.indexBlockReferencedTwice, number, 0)) }
      guard number > 0 else { continue }
      if block.role == .leaf {
        let depth = depth(of: number)
        if depth != self.depth { found.append((.indexLeafDepth, number, UInt32(depth ?? 0))) }
      }
      if !block.isFirst, block.least < block.lower {
        found.append((.indexHashBelow, number, block.least))
      }
      if block.most > block.upper {
        found.append((block.role == .leaf ? .indexHashAbove : .indexNodeAbove, number, block.most))
      }
    }
    return found
  }
}
