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
    reserving: UInt64 = 0, mayUseReserve: Bool = false, credits: Int = ordinaryCredits,
    _ body: (Operation) throws(FileSystemError) -> R
  ) throws(FileSystemError) -> R {
    try requireWritable()
    if reserving > 0 { try reserve(reserving, mayUseReserve: mayUseReserve) }
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
      throw .refused(.readOnlyFileSystem)
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

  /// Reserves blocks. A full disk is asked again after everything that could free some was done:
  /// delayed blocks allocated (their worst case is dropped) and freed blocks committed.
  func reserve(_ count: UInt64, mayUseReserve: Bool = false) throws(FileSystemError) {
    guard count > 0 else { return }
    do throws(FileSystemError) {
      try blocks.reserve(count, privileged: mayUseReserve)
    } catch .refused(.noSpace) {
      guard try reclaimSpace() else { throw .refused(.noSpace) }
      try blocks.reserve(count, privileged: mayUseReserve)
    }
  }

  /// Reserves blocks for an operation that frees more than it takes: on a full disk it goes ahead
  /// without, since it is what helps. Returns what was had.
  func reserveIfPossible(_ count: UInt64) throws(FileSystemError) -> UInt64 {
    do throws(FileSystemError) {
      try reserve(count, mayUseReserve: true)
      return count
    } catch .refused(.noSpace) {
      return 0
    }
  }

  /// Reserves `wanted` blocks, or as many as there are but `atLeast`; and `plus` more in any case.
  /// Returns how many of the wanted ones were had.
  func reserveUpTo(
    _ wanted: UInt64, atLeast: UInt64, plus: UInt64, mayUseReserve: Bool
  ) throws(FileSystemError) -> UInt64 {
    var count = wanted
    while true {
      do throws(FileSystemError) {
        try reserve(count + plus, mayUseReserve: mayUseReserve)
        return count
      } catch .refused(.noSpace) {
        guard count > atLeast else { throw .refused(.noSpace) }
        count = max(atLeast, count / 2)
      }
    }
  }

  /// Makes blocks free that are only held back. False where there was nothing to gain.
  private func reclaimSpace() throws(FileSystemError) -> Bool {
    let before = blocks.reservableBlocks
    try writeBackAll()
    try journal.commit()
    return blocks.reservableBlocks > before
  }
}
