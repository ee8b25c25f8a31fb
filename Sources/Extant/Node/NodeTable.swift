import ExtantBase
import Journal
import Threading

/// The inodes in memory, by number, and which of them the next commit must encode.
///
/// A node stays as long as somebody refers to it (the kernel does for each inode that it knows), as
/// it is dirty, or as there is room among the idle ones, of which those used last stay. What a call
/// costs does not depend on how many there are. Its lock is the innermost one: nothing else is taken
/// under it.
final class NodeTable: Sendable {
  fileprivate struct State {
    var nodes: [InodeNumber: Node] = [:]
    var dirty: [InodeNumber: Node] = [:]
    var idle = IdleNodes()
    /// Count evictions, by the number's last bits, so that a load that overlapped one of the same
    /// inode is repeated; of another inode it is seldom.
    var evictions = [UInt64](repeating: 0, count: 256)
    /// The last transaction that changed one of the evicted: its commit may be under way.
    var lastChange: UInt64 = 0
    var lastDataChange: UInt64 = 0
    var idleLooks: UInt64 = 0
  }

  /// Idle nodes are dropped past this many.
  static let capacity = 32_768

  private let limit: Int
  private let state = Guarded(State(), .nodeTable)

  init(capacity: Int = NodeTable.capacity) { limit = capacity }

  /// What is known of the work done: idle nodes, and how many were looked at to drop some.
  var statistics: (nodes: Int, idle: Int, idleLooks: UInt64) {
    state.withLock { ($0.nodes.count, $0.idle.count, $0.idleLooks) }
  }

  /// The node, with one more reference, loaded where it is not in memory. ENOENT where the inode
  /// was deleted.
  func acquire(
    _ number: InodeNumber, load: () throws(FileSystemError) -> Node
  ) throws(FileSystemError) -> Node {
    let bucket = Self.bucket(of: number)
    while true {
      let (found, evictions) = state.withLock { state in
        (state.take(number), state.evictions[bucket])
      }
      if let found { return try living(found) }
      let loaded = try load()
      let kept: Node? = state.withLock { state in
        if let node = state.take(number) { return node }
        // What was loaded may be older than what an eviction in between wrote.
        guard state.evictions[bucket] == evictions else { return nil }
        state.enter(loaded)
        loaded.lastChange = state.lastChange
        loaded.lastDataChange = state.lastDataChange
        return loaded
      }
      if let kept { return try living(kept) }
    }
  }

  private static func bucket(of number: InodeNumber) -> Int { Int(number.rawValue & 255) }

  private func living(_ node: Node) throws(FileSystemError) -> Node {
    guard !node.state.withLock({ node.isDeleted }) else {
      _ = release(node)
      throw .refused(.noSuchFileOrDirectory)
    }
    return node
  }

  /// Enters a newly created node, with one reference, in place of any deleted one of its number.
  func insert(_ node: Node) {
    state.withLock { $0.enter(node) }
  }

  func retain(_ node: Node) {
    state.withLock { $0.refer(to: node) }
  }

  /// Gives references back. True when none is left.
  func release(_ node: Node, count: UInt64 = 1) -> Bool {
    let (isLast, dropped) = state.withLock { state -> (Bool, [Node]) in
      let hadSome = node.references > 0
      node.references -= min(count, node.references)
      guard node.references == 0 else { return (false, []) }
      guard hadSome, node.isInTable else { return (true, []) }
      state.idle.append(node)
      return (true, state.idle.count > limit ? evictIdle(&state) : [])
    }
    // Freed here, without the lock.
    withExtendedLifetime(dropped) {}
    return isLast
  }

  /// The node if it is in memory, with one more reference.
  func retained(_ number: InodeNumber) -> Node? {
    state.withLock { $0.take(number) }
  }

  func existing(_ number: InodeNumber) -> Node? {
    state.withLock { $0.nodes[number] }
  }

  /// True when the node was not dirty before. `onlyTimes`: what fdatasync(2) need not wait for.
  @discardableResult
  func noteDirty(
    _ node: Node, transaction: TransactionID, onlyTimes: Bool = false
  ) -> Bool {
    state.withLock { state in
      node.lastChange = transaction.rawValue
      if !onlyTimes { node.lastDataChange = transaction.rawValue }
      guard !node.isDirty else { return false }
      // A late touch of a deleted inode whose number has a new owner.
      if let owner = state.nodes[node.number], owner !== node { return false }
      node.isDirty = true
      state.dirty[node.number] = node
      return true
    }
  }

  /// The dirty nodes; they count as clean from now on, and stay in memory until `didEncode`.
  func takeDirty() -> [Node] {
    state.withLock { state in
      let dirty = Array(state.dirty.values)
      state.dirty.removeAll(keepingCapacity: true)
      for node in dirty {
        node.isDirty = false
        node.isBeingEncoded = true
      }
      return dirty
    }
  }

  /// The node's changes are in its block: it may be read from there again.
  func didEncode(_ node: Node) {
    state.withLock { _ in node.isBeingEncoded = false }
  }

  /// Forgets a node that was deleted and encoded.
  func removeDeleted(_ node: Node) {
    state.withLock { state in
      if node.isInTable, node.references == 0 { state.drop(node) }
    }
  }

  /// The transaction that fsync(2), or with `dataOnly` fdatasync(2), waits for; 0 for none.
  func lastChange(of node: Node, dataOnly: Bool = false) -> UInt64 {
    state.withLock { _ in dataOnly ? node.lastDataChange : node.lastChange }
  }

  /// Drops idle nodes past the limit, the oldest first; returns them.
  ///
  /// Looks at two at most for each that has become idle, so that a surplus goes in time and no call
  /// pays for many. One that must stay, since something of it is only in memory, becomes the newest.
  private func evictIdle(_ state: inout State) -> [Node] {
    var dropped: [Node] = []
    for _ in 0..<2 {
      guard state.idle.count > limit, let node = state.idle.oldest else { break }
      state.idleLooks += 1
      guard !node.isDirty, !node.isBeingEncoded, node.mayBeEvicted else {
        state.idle.remove(node)
        state.idle.append(node)
        continue
      }
      state.lastChange = max(state.lastChange, node.lastChange)
      state.lastDataChange = max(state.lastDataChange, node.lastDataChange)
      state.drop(node)
      dropped.append(node)
    }
    return dropped
  }
}

extension NodeTable.State {
  /// The node, with one more reference.
  fileprivate mutating func take(_ number: InodeNumber) -> Node? {
    guard let node = nodes[number] else { return nil }
    refer(to: node)
    return node
  }

  fileprivate mutating func refer(to node: Node) {
    if node.references == 0, node.isInTable { idle.remove(node) }
    node.references += 1
  }

  fileprivate mutating func enter(_ node: Node) {
    if let old = nodes.updateValue(node, forKey: node.number), old !== node { leave(old) }
    node.isInTable = true
    node.references = 1
  }

  /// Takes a node out that nobody refers to.
  fileprivate mutating func drop(_ node: Node) {
    nodes[node.number] = nil
    leave(node)
    evictions[Int(node.number.rawValue & 255)] += 1
  }

  private mutating func leave(_ node: Node) {
    if node.references == 0 { idle.remove(node) }
    node.isInTable = false
  }
}
