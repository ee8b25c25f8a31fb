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
    guard let contents = contents(of: node) else {
      return try perform { (operation) throws(FileSystemError) in
        try finishDeletion(of: node, xattrs, release, operation)
        operation.changed(node)
      }
    }
    var rest = LogicalBlock(0)..<LogicalBlock.limit
    while true {
      let (step, credits) = try node.withState {
        () throws(FileSystemError) -> (FileContents.RemovalStep, Int) in
        let step = try contents.removalStep(of: rest)
        return (step, contents.removalCredits(step))
      }
      // A tree that only loses entries needs no blocks: a full disk can be emptied.
      let start = try perform(credits: credits) {
        (operation) throws(FileSystemError) -> LogicalBlock in
        let start = try node.withState { () throws(FileSystemError) in
          try contents.remove(step, of: rest, operation)
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
      // An empty map has no nodes: this frees those it had.
      try contents(of: node)?.encodeMap(operation)
      node.inode.size = 0
      node.diskSize = 0
      node.inode.deletionTime = deletionTimeNow()
      node.isFreed = true
    }
    blocks.dropPreallocation(node.number)
    cache.forgetFailures(of: node.number)
    try inodes.free(
      node.number, wasDirectory: node.kind == .directory, transaction: operation.transaction,
      handle: operation)
    // In this order: whoever finds it neither listed nor counted finds it free.
    deletions.add(1, ordering: .releasing)
    removeOrphan(node, operation)
  }

  /// How many inodes were deleted since the filesystem was opened.
  public var deletionCount: UInt64 { deletions.load(ordering: .acquiring) }

  /// The inodes without a name that are to be deleted when nobody refers to them any more, or that are
  /// being deleted.
  public var removedInodes: [InodeNumber] {
    orphans.withLock { $0.nodes }
      .filter { node in node.state.withLock { node.inode.linkCount == 0 } }.map(\.number)
  }

  private func deletionTimeNow() -> UInt32 {
    UInt32(truncatingIfNeeded: timestamp().seconds)
  }

  /// What a crash interrupted: the inodes on the orphan list, and in the orphan file; nil where
  /// both are empty and nothing says that the file is not. Changes nothing.
  ///
  /// One that is free already was finished by somebody who left its number standing, as e2fsck
  /// leaves the orphan file: it is skipped, and a list is not followed beyond it.
  func orphansLeftBehind() throws(FileSystemError) -> LeftOrphans? {
    var seen: Set<InodeNumber> = []
    var next = current.withLock { $0.lastOrphan }
    var left = LeftOrphans()
    while let number = next {
      guard seen.insert(number).inserted else {
        throw .corrupt(Corruption("orphan list", inode: number, "the list runs in a circle"))
      }
      guard try inodes.isAllocated(number) else { break }
      // One at a time: there may be a million.
      let link = try makeNode(number, try readInode(number)).inode.deletionTime
      next = link == 0 ? nil : InodeNumber(link)
      left.listed.append((number, next))
    }
    for number in try orphanFileEntries() where seen.insert(number).inserted {
      guard try inodes.isAllocated(number) else { continue }
      _ = try makeNode(number, try readInode(number))
      left.inFile.append(number)
    }
    // A crash also leaves the mark of an orphan file that is empty.
    let isMarked = current.withLock { $0.features.readOnlyCompat.contains(.orphanPresent) }
    return seen.isEmpty && !isMarked ? nil : left
  }

  /// Deletes orphans, or cuts those that still have a name to their size, and empties the list.
  func finish(orphans left: LeftOrphans) throws(FileSystemError) {
    // All of them before the first is deleted: a commit in between writes the list of those left.
    // Those of the orphan file are found there again until it is emptied.
    orphans.withLock { list in
      for (number, link) in left.listed { list.adopt(number, link: link) }
    }
    if left.listed.isEmpty {
      try perform { (operation) throws(FileSystemError) in
        current.withLock { $0.lastOrphan = nil }
        operation.handle.noteChange()
      }
    }
    for (number, _) in left.listed {
      let node = try makeNode(number, try readInode(number))
      orphans.withLock { $0.attach(node) }
      try finish(node)
    }
    for number in left.inFile {
      let node = try makeNode(number, try readInode(number))
      try finish(node)
      // What could not be deleted is remembered when the file forgets it.
      guard node.state.withLock({ !node.isFreed && node.inode.linkCount == 0 }) else { continue }
      try perform { (operation) throws(FileSystemError) in addOrphan(node, operation) }
    }
    try clearOrphanFile()
    try journal.commit()
  }

  private func finish(_ node: Node) throws(FileSystemError) {
    nodes.insert(node)
    defer { release(node) }
    guard !node.isUnlinked else { return }
    node.state.withLock { node.isUnfinished = true }
    try node.lock.withExclusiveLock { () throws(FileSystemError) in
      if node.kind == .regular { try mappedContents(of: node).truncate(to: node.size) }
    }
    try perform { (operation) throws(FileSystemError) in
      node.state.withLock {
        node.inode.deletionTime = 0
        node.isUnfinished = false
      }
      removeOrphan(node, operation)
      operation.changed(node)
    }
  }
}

/// What a crash left to be finished.
struct LeftOrphans {
  /// The orphan list from its head, each with the inode that it names as the next.
  var listed: [(number: InodeNumber, link: InodeNumber?)] = []
  var inFile: [InodeNumber] = []

  var numbers: [InodeNumber] { listed.map(\.number) + inFile }
}
