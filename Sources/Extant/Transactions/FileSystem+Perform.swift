import ExtantBase
import Journal

extension FileSystem {
  /// Runs one operation inside the running transaction, with `reserving` blocks set aside first.
  ///
  /// An operation checks everything before its first change. What throws after a change leaves
  /// memory and device disagreeing: the filesystem then stops writing, as the kernel does with
  /// errors=remount-ro.
  ///
  /// - Parameter credits: the most metadata blocks that the operation and the encoding of its
  ///   changes add to the transaction; no more than `journal.maximumCredits`.
  func perform<R>(
    reserving: UInt64 = 0, claim: BlockAllocator.Claim = .ordinary,
    credits: Int = ordinaryCredits,
    _ body: (Operation) throws(FileSystemError) -> R
  ) throws(FileSystemError) -> R {
    try requireWritable()
    if reserving > 0 { try reserve(reserving, claim: claim) }
    return try perform(reserved: reserving, credits: credits, body)
  }

  /// What suffices for an operation on a few inodes, directory blocks and groups.
  static var ordinaryCredits: Int { 64 }

  /// As above, with blocks that the caller has reserved already. They are released here.
  func perform<R>(
    reserved: UInt64, credits: Int = ordinaryCredits,
    _ body: (Operation) throws(FileSystemError) -> R
  ) throws(FileSystemError) -> R {
    let handle: Handle
    do throws(FileSystemError) {
      handle = try journal.begin(credits: credits)
    } catch {
      blocks.release(reserved)
      try requireRunning()
      throw error
    }
    let operation = Operation(fileSystem: self, handle: handle, reserved: reserved)
    let result = try {
      () throws(FileSystemError) -> R in
      defer {
        assert(operation.spentCredits <= credits, "an operation adds more than announced")
        blocks.release(operation.reserved)
        handle.end()
      }
      do throws(FileSystemError) { return try body(operation) } catch {
        // While the handle is open: a commit that waits for it must not write half of this.
        if handle.hasChanges { throw recorded(error, mustStop: true) }
        throw error
      }
    }()
    if operation.mustBeDurable { try journal.commit(through: handle.transaction) }
    // The operation is done whatever becomes of the commit, which aborts when it fails.
    if journal.isNearlyFull { try? journal.commit() }
    return result
  }

  /// Whose the blocks are that the superblock keeps back: root's, and the user's and the group's
  /// that it names (tune2fs -u, -g; a group counts as the caller's own, not a further one).
  public func mayUseReserve(_ caller: Caller) -> Bool {
    let group = UInt32(superblock.reservedGID)
    return caller.uid == 0 || caller.uid == UInt32(superblock.reservedUID)
      || group != 0 && caller.gid == group
  }

  /// What new blocks for the caller may be taken from.
  func claim(of caller: Caller) -> BlockAllocator.Claim {
    mayUseReserve(caller) ? .root : .ordinary
  }

  /// Reserves blocks. A full disk is asked again after everything that could free some was done:
  /// delayed blocks allocated (their worst case is dropped) and freed blocks committed.
  func reserve(
    _ count: UInt64, claim: BlockAllocator.Claim = .ordinary
  ) throws(FileSystemError) {
    _ = try reserve { () throws(FileSystemError) in (count, claim) }
  }

  /// As above, for a count that is another one once delayed blocks have their homes. Returns it.
  ///
  /// - Parameter need: asked once, and again where what it said could not be had. Called with no
  ///   node's `state` held.
  func reserve(
    _ need: () throws(FileSystemError) -> (count: UInt64, claim: BlockAllocator.Claim)
  ) throws(FileSystemError) -> UInt64 {
    let first = try need()
    if first.count == 0 { return 0 }
    do throws(FileSystemError) {
      try blocks.reserve(first.count, claim: first.claim)
      return first.count
    } catch .refused(.noSpace) {
      try reclaimSpace()
      let (count, claim) = try need()
      if count > 0 { try blocks.reserve(count, claim: claim) }
      return count
    }
  }

  /// Reserves blocks for an operation that frees more than it takes: on a full disk it goes ahead
  /// without, since it is what helps. Returns what was had.
  func reserveIfPossible(_ count: UInt64) throws(FileSystemError) -> UInt64 {
    do throws(FileSystemError) {
      try reserve(count, claim: .tree)
      return count
    } catch .refused(.noSpace) {
      return 0
    }
  }

  /// Reserves `wanted` blocks, or as many as there are, and `nodes` of an extent tree in any case.
  /// Returns how many of the wanted ones were had.
  func reserveUpTo(
    _ wanted: UInt64, nodes: UInt64, claim: BlockAllocator.Claim
  ) throws(FileSystemError) -> UInt64 {
    var count = wanted
    while true {
      do throws(FileSystemError) {
        try reserve(count + nodes, claim: claim)
        return count
      } catch .refused(.noSpace) {
        if count > 1 {
          count /= 2
          continue
        }
        try reserveLastBlock(nodes: nodes, claim: claim)
        return 1
      }
    }
  }

  /// Reserves one block for data where there is none for the nodes that it may need: these come out
  /// of what is kept back for trees. Whoever gets a block so gets the last one, so that the reserve
  /// has lost the nodes of one block at most when the disk is full.
  func reserveLastBlock(
    nodes: UInt64, claim: BlockAllocator.Claim
  ) throws(FileSystemError) {
    try blocks.reserve(1, claim: claim, nodes: nodes)
  }

  /// Makes blocks free that are only held back.
  private func reclaimSpace() throws(FileSystemError) {
    // What cannot be written now is another file's matter: it is no reason to refuse space.
    writeBackAll()
    try journal.commit()
  }
}
