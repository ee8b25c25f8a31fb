import ExtantBase

/// The inodes that have no name left but are still open, newest first as on the device: the
/// superblock names the first, each one's deletion time field the next (`s_last_orphan`, `i_dtime`).
///
/// Linked both ways, so that each call costs the same however long the list is, and a commit as much
/// as changed since the last.
struct OrphanList {
  private struct Entry {
    /// Nil while one that a crash left has not been looked at since.
    var node: Node?
    /// Towards the head of the list, and away from it.
    var newer: InodeNumber?
    var older: InodeNumber?
    /// The link as the inode has it on the device or in the running transaction; nil for none yet.
    var written: InodeNumber??
  }

  private var entries: [InodeNumber: Entry] = [:]
  private var first: InodeNumber?
  private var last: InodeNumber?
  /// Inodes that may have to get another link.
  private var pending: Set<InodeNumber> = []
  private(set) var isChanged = false

  var count: Int { entries.count }

  var nodes: [Node] { entries.values.compactMap(\.node) }

  /// Puts a node at the head. One that is there stays where it is.
  mutating func insert(_ node: Node) {
    guard entries[node.number] == nil else { return }
    entries[node.number] = Entry(node: node, older: first)
    if let first { entries[first]?.newer = node.number } else { last = node.number }
    first = node.number
    pending.insert(node.number)
    isChanged = true
  }

  /// Puts what a crash left at the end, in the order of the device. `link`: what it names there as
  /// the next.
  mutating func adopt(_ number: InodeNumber, link: InodeNumber?) {
    guard entries[number] == nil else { return }
    entries[number] = Entry(newer: last, written: .some(link))
    if let last { entries[last]?.older = number } else { first = number }
    last = number
  }

  /// The node of an inode that was adopted: from now on its link can change. One that names what does
  /// not follow, since the list was cut there, gets another.
  mutating func attach(_ node: Node) {
    guard let entry = entries[node.number] else { return }
    entries[node.number]?.node = node
    if let written = entry.written, written != entry.older {
      pending.insert(node.number)
      isChanged = true
    }
  }

  mutating func remove(_ number: InodeNumber) {
    guard let entry = entries.removeValue(forKey: number) else { return }
    if let newer = entry.newer {
      entries[newer]?.older = entry.older
      pending.insert(newer)
    } else {
      first = entry.older
    }
    if let older = entry.older { entries[older]?.newer = entry.newer } else { last = entry.newer }
    pending.remove(number)
    isChanged = true
  }

  /// What of the list goes to the device: the first inode, and each node whose link changed, with it
  /// (0: none). Counts as encoded from then on.
  mutating func takeChain() -> (first: InodeNumber?, links: [(Node, UInt32)])? {
    guard isChanged else { return nil }
    isChanged = false
    var changed: [(Node, UInt32)] = []
    for number in pending {
      guard let entry = entries[number], let node = entry.node else { continue }
      if let written = entry.written, written == entry.older { continue }
      entries[number]?.written = .some(entry.older)
      changed.append((node, entry.older?.rawValue ?? 0))
    }
    pending.removeAll(keepingCapacity: true)
    return (first, changed)
  }
}
