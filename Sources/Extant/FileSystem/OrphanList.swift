import ExtantBase

/// The inodes that have no name left but are still open, newest first as on the device: the
/// superblock names the first, each one's deletion time field the next (`s_last_orphan`, `i_dtime`).
struct OrphanList {
  private(set) var nodes: [InodeNumber: Node] = [:]
  private var order: [InodeNumber] = []
  private(set) var isChanged = false

  mutating func insert(_ node: Node) {
    guard nodes.updateValue(node, forKey: node.number) == nil else { return }
    order.append(node.number)
    isChanged = true
  }

  mutating func remove(_ number: InodeNumber) {
    guard nodes.removeValue(forKey: number) != nil else { return }
    order.removeAll { $0 == number }
    isChanged = true
  }

  /// The list as it goes to the device: the first inode, and each node with its successor.
  /// Counts as encoded from then on.
  mutating func takeChain() -> (first: InodeNumber?, links: [(Node, InodeNumber?)])? {
    guard isChanged else { return nil }
    isChanged = false
    var next: InodeNumber?
    var links: [(Node, InodeNumber?)] = []
    for number in order {
      guard let node = nodes[number] else { continue }
      links.append((node, next))
      next = number
    }
    return (next, links)
  }
}
