import Ext4Format
import ExtantBase
import ExtentMap

/// Inodes without a name: kept while open, deleted with their last reference, and found again
/// after a crash through the orphan list.
extension FileSystem {
  /// Called in the operation that removed the last name, or that begins a truncation in steps.
  func addOrphan(_ node: Node, _ operation: Operation) {
    if isPlanted(.orphanNotRecorded) { return }
    orphans.withLock { $0.insert(node) }
    operation.changed(node)
  }

  /// Called in the operation that finishes what the list was to remember.
  func removeOrphan(_ node: Node, _ operation: Operation) {
    orphans.withLock { $0.remove(node.number) }
    // Its predecessor's inode gets another link at the commit.
    operation.handle.noteChange()
    operation.charge(1)
  }

  /// Writes the links of the list into the inodes. Called frozen, before the nodes are encoded.
  func linkOrphans(_ operation: Operation) {
    guard let chain = orphans.withLock({ $0.takeChain() }) else { return }
    current.withLock { $0.lastOrphan = chain.first }
    for (node, link) in chain.links {
      node.state.withLock { node.inode.deletionTime = link }
      operation.changed(node)
    }
  }

  /// Deletes an inode whose last reference went. An error leaves it on the orphan list, for the
  /// next opening or a check to finish.
  func deleteUnreferenced(_ node: Node) {
    guard readOnlyReason == nil else { return }
    node.lock.withExclusiveLock {
      let mine = node.state.withLock {
        guard !node.isDeleted, node.inode.linkCount == 0 else { return false }
        node.isDeleted = true
        return true
      }
      guard mine else { return }
      do throws(FileSystemError) {
        try delete(node)
      } catch {
        // It stays on the orphan list as it was. A fault that nobody waits to hear of is recorded.
        if error.isFault { _ = recorded(error) }
      }
    }
  }

  /// Frees what the inode holds, from the end and in steps that each fit a transaction, and the
  /// inode with the last of them. Between them it is on the orphan list, so that after a crash the
  /// next opening goes on.
  private func delete(_ node: Node) throws(FileSystemError) {
    let xattrs = try xattrs(of: node)
    let release = try xattrs.planRelease()
    var rest = LogicalBlock(0)..<LogicalBlock.limit
    while true {
      let (step, credits) = try node.withState {
        () throws(FileSystemError) -> (RemovalStep, Int) in
        let step = try removalStep(of: rest, node)
        return (step, removalCredits(step))
      }
      // A tree that only loses entries needs no blocks: a full disk can be emptied.
      let start = try perform(credits: credits) {
        (operation) throws(FileSystemError) -> LogicalBlock in
        let start = try node.withState { () throws(FileSystemError) in
          try remove(step, of: rest, node, operation)
        }
        if start.rawValue == 0 { try finishDeletion(of: node, xattrs, release, operation) }
        operation.changed(node)
        return start
      }
      guard start.rawValue > 0 else { return }
      rest = LogicalBlock(0)..<start
    }
  }

  /// The last step: nothing is mapped any more.
  private func finishDeletion(
    of node: Node, _ xattrs: ExtendedAttributes, _ release: XattrChange,
    _ operation: Operation
  ) throws(FileSystemError) {
    try xattrs.apply(release, operation)
    try node.withState { () throws(FileSystemError) in
      if let map = node.map {
        // An empty map has no nodes: this frees those it had.
        if let root = try encodeTree(of: node, map, operation) { node.inode.blockArea = root }
      }
      node.inode.size = 0
      node.diskSize = 0
      node.inode.deletionTime = deletionTimeNow()
      node.isFreed = true
    }
    removeOrphan(node, operation)
    blocks.dropPreallocation(node.number)
    cache.forgetFailures(of: node.number)
    try inodes.free(
      node.number, wasDirectory: node.kind == .directory, transaction: operation.transaction,
      handle: operation)
  }

  private func deletionTimeNow() -> UInt32 {
    UInt32(truncatingIfNeeded: timestamp().seconds)
  }

  /// What a crash interrupted: the inodes on the orphan list, and in the orphan file; nil where
  /// both are empty and nothing says that the file is not. Changes nothing.
  ///
  /// One that is free already was finished by somebody who left its number standing, as e2fsck
  /// leaves the orphan file: it is skipped, and a list is not followed beyond it.
  func orphansLeftBehind() throws(FileSystemError) -> [Node]? {
    var seen: Set<InodeNumber> = []
    var next = current.withLock { $0.lastOrphan }
    var found: [Node] = []
    while let number = next {
      guard seen.insert(number).inserted else {
        throw .corrupt(Corruption("orphan list", inode: number, "the list runs in a circle"))
      }
      guard try inodes.isAllocated(number) else { break }
      let node = try makeNode(number, try readInode(number))
      let link = node.inode.deletionTime
      next = link == 0 ? nil : InodeNumber(link)
      found.append(node)
    }
    for number in try orphanFileEntries() where seen.insert(number).inserted {
      guard try inodes.isAllocated(number) else { continue }
      found.append(try makeNode(number, try readInode(number)))
    }
    // A crash also leaves the mark of an orphan file that is empty.
    let isMarked = current.withLock { $0.features.readOnlyCompat.contains(.orphanPresent) }
    return seen.isEmpty && !isMarked ? nil : found
  }

  /// Deletes orphans, or cuts those that still have a name to their size, and empties the list.
  func finish(orphans left: [Node]) throws(FileSystemError) {
    // All of them before the first is deleted: a commit in between writes the list of those left.
    for node in left {
      nodes.insert(node)
      orphans.withLock { $0.insert(node) }
    }
    if left.isEmpty {
      try perform { (operation) throws(FileSystemError) in
        current.withLock { $0.lastOrphan = nil }
        operation.handle.noteChange()
      }
    }
    for node in left {
      if node.isUnlinked {
        release(node)
      } else {
        node.state.withLock { node.isUnfinished = true }
        try node.lock.withExclusiveLock { () throws(FileSystemError) in
          if node.kind == .regular { try truncate(node, to: node.size) }
        }
        try perform { (operation) throws(FileSystemError) in
          node.state.withLock {
            node.inode.deletionTime = 0
            node.isUnfinished = false
          }
          removeOrphan(node, operation)
          operation.changed(node)
        }
        release(node)
      }
    }
    try clearOrphanFile()
    try journal.commit()
  }
}
