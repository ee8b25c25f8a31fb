import ExtantBase

extension FileSystem {
  /// The one door by which blocks come to an inode, or leave it: `i_blocks`. Called under
  /// `node.state`.
  func charge(blocks change: Int64, to node: Node) {
    let sectors = change.magnitude * sectorsPerBlock
    if change >= 0 {
      node.inode.blocks512 += sectors
    } else {
      node.inode.blocks512 -= min(node.inode.blocks512, sectors)
    }
  }
}
