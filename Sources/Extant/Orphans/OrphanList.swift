import ExtantBase

/// The inodes that have no name left but are still open, newest first as on the device: the
/// superblock names the first, each one's deletion time field the next (`s_last_orphan`, `i_dtime`).
struct OrphanList {
  private(set) var nodes: [InodeNumber: Node] = [:]
  private var order: [InodeNumber] = []
  /// The links as the inodes hold them: what has to be written again.
  private var links: [InodeNumber: UInt32] = [:]
  private(set) var isChanged = false

  mutating func insert(_ node: Node) {
    guard nodes.updateValue(node, forKey: node.number) == nil else { return }
    order.append(node.number)
    isChanged = true
  }

  mutating func remove(_ number: InodeNumber) {
    guard nodes.removeValue(forKey: number) != nil else { return }
    order.removeAll { $0 == number }
    links[number] = nil
    isChanged = true
  }

  /// The list as it goes to the device: the first inode, and each node with its successor where
  /// that changed (0: none). Counts as encoded from then on.
  mutating func takeChain() -> (first: InodeNumber?, links: [(Node, UInt32)])? {
    guard isChanged else { return nil }
    isChanged = false
    var next: InodeNumber?
    var changed: [(Node, UInt32)] = []
    for number in order {
      guard let node = nodes[number] else { continue }
      let link = next?.rawValue ?? 0
      if links.updateValue(link, forKey: number) != link { changed.append((node, link)) }
      next = number
    }
    return (next, changed)
  }
}
