import ExtantBase
import Journal
import Threading

/// The inodes in memory, by number, and which of them the next commit must encode.
///
/// A node stays as long as somebody refers to it, as it is dirty, or as there is room. Its lock
/// is the innermost one: nothing else is taken under it.
final class NodeTable: Sendable {
  private struct State {
    var nodes: [InodeNumber: Node] = [:]
    var dirty: [InodeNumber: Node] = [:]
    /// Counts evictions, so that a load that overlapped one is repeated.
    var evictions: UInt64 = 0
    /// The last transaction that changed one of the evicted: its commit may be under way.
    var lastChange: UInt64 = 0
    var lastDataChange: UInt64 = 0
  }

  /// Idle nodes are dropped past this many in all.
  static let capacity = 32_768

  private let limit: Int
  private let state = Guarded(State())

  init(capacity: Int = NodeTable.capacity) { limit = capacity }

  /// The node, with one more reference, loaded where it is not in memory. ENOENT where the inode
  /// was deleted.
  func acquire(
    _ number: InodeNumber, load: () throws(FileSystemError) -> Node
  ) throws(FileSystemError) -> Node {
    while true {
      let (found, evictions) = state.withLock { state in
        let node = state.nodes[number]
        node?.references += 1
        return (node, state.evictions)
      }
      if let found { return try living(found) }
      let loaded = try load()
      let kept: Node? = state.withLock { state in
        if let node = state.nodes[number] {
          node.references += 1
          return node
        }
        // What was loaded may be older than what an eviction in between wrote.
        guard state.evictions == evictions else { return nil }
        state.nodes[number] = loaded
        loaded.references = 1
        loaded.lastChange = state.lastChange
        loaded.lastDataChange = state.lastDataChange
        if state.nodes.count > limit { evictIdle(&state) }
        return loaded
      }
      if let kept { return try living(kept) }
    }
  }

  private func living(_ node: Node) throws(FileSystemError) -> Node {
    guard !node.state.withLock({ node.isDeleted }) else {
      _ = release(node)
      throw .refused(.noSuchFileOrDirectory)
    }
    return node
  }

  /// Enters a newly created node, with one reference, in place of any deleted one of its number.
  func insert(_ node: Node) {
    state.withLock { state in
      node.references = 1
      state.nodes[node.number] = node
      if state.nodes.count > limit { evictIdle(&state) }
    }
  }

  func retain(_ node: Node) {
    state.withLock { _ in node.references += 1 }
  }

  /// Gives references back. True when none is left.
  func release(_ node: Node, count: UInt64 = 1) -> Bool {
    state.withLock { _ in
      node.references -= min(count, node.references)
      return node.references == 0
    }
  }

  /// The node if it is in memory, with one more reference.
  func retained(_ number: InodeNumber) -> Node? {
    state.withLock { state in
      let node = state.nodes[number]
      node?.references += 1
      return node
    }
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
      if state.nodes[node.number] === node, node.references == 0 {
        state.nodes[node.number] = nil
        state.evictions += 1
      }
    }
  }

  /// The transaction that fsync(2), or with `dataOnly` fdatasync(2), waits for; 0 for none.
  func lastChange(of node: Node, dataOnly: Bool = false) -> UInt64 {
    state.withLock { _ in dataOnly ? node.lastDataChange : node.lastChange }
  }

  private func evictIdle(_ state: inout State) {
    var evicted = 0
    let wanted = limit / 8
    for (number, node) in state.nodes {
      guard node.references == 0, !node.isDirty, !node.isBeingEncoded, node.mayBeEvicted
      else { continue }
      state.nodes[number] = nil
      state.lastChange = max(state.lastChange, node.lastChange)
      state.lastDataChange = max(state.lastDataChange, node.lastDataChange)
      evicted += 1
      if evicted == wanted { break }
    }
    state.evictions += 1
  }
}
