import BlockIO
import Ext4Format
import ExtantBase
import SystemPackage
import Threading

/// Hands out blocks of the device and takes them back.
///
/// Three sets are kept apart. *Used* blocks are those that the bitmaps on disk show from the next
/// commit on. *Pending* blocks were freed by a transaction that has not committed: nobody may
/// write there yet, because after a crash they still belong to their old owner. A stream's
/// *window* is what follows its last block and is left free for it, in memory only. What is in
/// none of the three is available.
///
/// *Reservations* are only counted: whoever reserved a number of blocks finds as many later,
/// wherever they lie. Windows give way before anybody meets ENOSPC; pending blocks cannot, so a
/// caller that meets ENOSPC while `pendingBlocks` is not zero should commit and try again. The last
/// blocks are not everybody's: see ``Claim``.
///
/// Bitmaps are loaded and verified on demand. One that cannot be read or is wrong puts its group
/// out of use and nothing else; allocation goes on elsewhere and freeing into it throws.
///
/// Lock order: its lock is taken inside a transaction's handle, and outside the locks of
/// `GroupTable` and of the metadata reader and handle. Faults are recorded without it.
final class BlockAllocator: Sendable {
  /// An extent of ext4 holds no more written blocks than this.
  static let longestRun: UInt64 = 32768

  let superblock: Superblock
  let groups: GroupTable
  let reader: any MetadataReader
  let state: Guarded<State>
  /// Held while a trim keeps blocks to itself.
  let trimLock = Lock(.trim)

  /// Which of the blocks that are kept back a reservation may take.
  enum Claim: Sendable {
    /// None of them.
    case ordinary
    /// The superblock's reserve, which is root's.
    case root
    /// All: nodes of extent trees, for what was promised (a write into preallocated blocks) and for
    /// what gives blocks back. No data, or the promise would be worth nothing.
    case tree
  }

  /// What is kept back for extent trees: a 50th of the filesystem, 4,096 blocks at most, as the
  /// kernel keeps it. Nothing on the device says so: it is what ordinary writers leave.
  static func treeReserve(of superblock: Superblock) -> UInt64 {
    min(superblock.blockCount / 50, 4096)
  }

  /// What there is, all of one moment, in blocks.
  struct Counts {
    /// Free on disk from the next commit on. Reservations, pending blocks and windows count as free.
    var free: UInt64
    /// Reserved and not yet allocated or released.
    var reserved: UInt64
    /// Freed, and available once their transaction has committed.
    var pending: UInt64
    /// Kept back for extent trees.
    var treeReserve: UInt64
    /// What a caller with the claim `.tree` may still reserve.
    var reservable: UInt64
  }

  /// Blocks that follow one another.
  struct Run: Equatable, Sendable {
    var start: UInt64
    var count: UInt64
    var range: Range<UInt64> { start..<start + count }
  }

  struct State: FaultFinding {
    let superblock: Superblock
    let table: GroupTable
    let reader: any MetadataReader
    var groups: [BlockGroup]
    var found = FoundFaults()
    var dirtyGroups: Set<Int> = []
    /// Free on disk from the next commit on, pending ones included.
    var freeCount: UInt64
    var reservedCount: UInt64 = 0
    let rootReservedCount: UInt64
    let treeReserveCount: UInt64
    /// Freed blocks by the transaction that freed them.
    var pending: [UInt64: [Run]] = [:]
    var pendingCount: UInt64 = 0
    /// Free blocks in groups out of use.
    var lostCount: UInt64 = 0
    var windows: [InodeNumber: Run] = [:]
    /// No available run is longer: what a search of everything found, until blocks come back.
    var longestKnown = UInt64.max
    /// Counts looks at groups; `operationStart` is where the running operation began.
    var clock: UInt64 = 0
    var operationStart: UInt64 = 0
    var loadedCount = 0
    let loadedLimit: Int
    /// Where room is looked for next: above the limit when little could be unloaded.
    var nextRoom: Int
  }

  /// - Parameters:
  ///   - loadedGroupLimit: how many groups' bits are kept in memory while nothing needs
  ///     them, 8 KiB each at most with blocks of 4 KiB.
  ///   - treeReserve: nil for what `treeReserve(of:)` says.
  init(
    superblock: Superblock, groups: GroupTable, reader: any MetadataReader,
    loadedGroupLimit: Int = 1024, treeReserve: UInt64? = nil
  ) {
    self.superblock = superblock
    self.groups = groups
    self.reader = reader
    let blockGroups = (0..<superblock.groupCount).map {
      BlockGroup(count: Int(superblock.blocks(in: GroupIndex($0))))
    }
    state = Guarded(
      State(
        superblock: superblock, table: groups, reader: reader, groups: blockGroups,
        freeCount: groups.totals.freeBlocks,
        rootReservedCount: min(superblock.reservedBlockCount, superblock.blockCount),
        treeReserveCount: min(
          treeReserve ?? Self.treeReserve(of: superblock), superblock.blockCount),
        loadedLimit: max(loadedGroupLimit, 16), nextRoom: max(loadedGroupLimit, 16)),
      .blockAllocator)
  }

  // MARK: Counts

  /// Whoever needs more than one of them takes them from one call: they change at any time.
  var counts: Counts {
    state.withLock { state in
      Counts(
        free: state.freeCount, reserved: state.reservedCount, pending: state.pendingCount,
        treeReserve: state.treeReserveCount, reservable: state.unreserved(for: .tree))
    }
  }

  var freeBlocks: UInt64 { counts.free }
  var reservedBlocks: UInt64 { counts.reserved }
  var pendingBlocks: UInt64 { counts.pending }
  var reservableBlocks: UInt64 { counts.reservable }

  /// Why groups are out of use, by group.
  var faults: [(group: GroupIndex, error: FileSystemError)] {
    state.withLock { state in
      state.groups.indices.compactMap { index in
        state.groups[index].fault.map { (GroupIndex(UInt32(truncatingIfNeeded: index)), $0) }
      }
    }
  }

  // MARK: Reservations

  /// Sets `count` blocks aside. Others cannot take them; they are no particular ones.
  ///
  /// - Parameter nodes: so many more, which may be those kept back for extent trees.
  /// - Throws: ENOSPC.
  func reserve(
    _ count: UInt64, claim: Claim = .ordinary, nodes: UInt64 = 0
  ) throws(FileSystemError) {
    try state.withLock { (state) throws(FileSystemError) in
      guard count <= state.unreserved(for: claim),
        nodes <= state.unreserved(for: .tree) - count
      else { throw .refused(.noSpace) }
      state.reservedCount += count + nodes
    }
  }

  /// Gives back what was reserved and not allocated.
  func release(_ count: UInt64) {
    state.withLock { $0.reservedCount -= min(count, $0.reservedCount) }
  }

  // MARK: Allocation

  /// Allocates up to `wanted` blocks in one run.
  ///
  /// The run starts at `goal` when enough is free there: `wanted`, or `window` if that is more.
  /// Otherwise it is the next run behind the goal, round the end of the device, that is long
  /// enough; otherwise the longest there is, and shorter than `wanted` only when none is as long.
  /// Runs go on across groups.
  ///
  /// - Parameters:
  ///   - goal: any block; one outside the filesystem counts as its first.
  ///   - wanted: 1 to 32,768 blocks; more is cut.
  ///   - window: keep this much, `wanted` included, for the blocks that follow in `stream`. A call
  ///     whose goal is the window's start is served from it, up to its end.
  ///   - reserved: the blocks were reserved; as many as are returned leave the reservation.
  ///   - stream: the file that is written.
  /// - Throws: ENOSPC, also where only groups out of use have space. Nothing is changed then.
  func allocate(
    goal: BlockAddress, wanted: UInt64, window: UInt64 = 0, reserved: Bool = false,
    stream: InodeNumber? = nil, handle: any MetadataHandle
  ) throws(FileSystemError) -> (start: BlockAddress, count: UInt64) {
    let request = Request(
      goal: goal.rawValue, wanted: min(max(wanted, 1), Self.longestRun), window: window,
      reserved: reserved, stream: stream)
    let run = try retryingAfterTrim { (state) throws(FileSystemError) in
      try state.allocate(request, handle)
    }
    return (BlockAddress(run.start), run.count)
  }

  /// Allocates one block for a directory, an extent node or extended attributes.
  ///
  /// Small holes in the goal's group are filled first, then the next block behind the goal is
  /// taken, so that long runs stay whole.
  func allocateMetadataBlock(
    goal: BlockAddress, reserved: Bool = false, handle: any MetadataHandle
  ) throws(FileSystemError) -> BlockAddress {
    let run = try retryingAfterTrim { (state) throws(FileSystemError) in
      try state.allocateMetadataBlock(goal: goal.rawValue, reserved: reserved, handle)
    }
    return BlockAddress(run.start)
  }

  /// Takes these very blocks: what a fast commit says a file has.
  ///
  /// - Throws: `corrupt`, changing nothing, unless all of them are free blocks for files.
  func claim(_ range: Range<UInt64>, handle: any MetadataHandle) throws(FileSystemError) {
    try state.withLock(recordingBy: reader) { (state) throws(FileSystemError) in
      try state.claim(Run(start: range.lowerBound, count: UInt64(range.count)), handle)
    }
  }

  /// A trim holds a group's blocks for a moment; nobody should meet ENOSPC because of it.
  private func retryingAfterTrim(
    _ body: (inout State) throws(FileSystemError) -> Run
  ) throws(FileSystemError) -> Run {
    var faults: [FileSystemError] = []
    defer { for fault in faults { reader.record(fault) } }
    do throws(FileSystemError) {
      return try state.withLock(findingFaults: &faults, body)
    } catch .refused {
      return try trimLock.withLock { () throws(FileSystemError) in
        try state.withLock(findingFaults: &faults, body)
      }
    }
  }

  /// Gives up the window of `stream`: at close, truncate, deletion.
  func dropPreallocation(_ stream: InodeNumber) {
    state.withLock { $0.dropWindow(of: stream) }
  }

  // MARK: Freeing

  /// Frees blocks in `transaction`. They become available at its `didCommit`.
  ///
  /// - Throws: `corrupt`, changing nothing, where a block is free already, belongs to the
  ///   filesystem itself or does not exist; the fault of a group that is out of use.
  func free(
    _ start: BlockAddress, count: UInt64, transaction: UInt64, handle: any MetadataHandle
  ) throws(FileSystemError) {
    try state.withLock(recordingBy: reader) { (state) throws(FileSystemError) in
      try state.free(start, count: count, transaction: transaction, handle)
    }
  }

  /// Announces what freeing these blocks in this transaction will change: it adds nothing then.
  ///
  /// - Throws: `corrupt` for a block that is not on the device; the fault of a group out of use.
  func prepareToFree(
    _ addresses: [BlockAddress], handle: any MetadataHandle
  ) throws(FileSystemError) {
    try state.withLock(recordingBy: reader) { (state) throws(FileSystemError) in
      try state.prepareToFree(addresses, handle)
    }
  }

  /// `transaction` and all before it are durable: what they freed may be used again.
  func didCommit(_ transaction: UInt64) {
    state.withLock { $0.didCommit(transaction) }
  }

  // MARK: Commit

  /// Brings every changed bitmap into its block and its checksum into its descriptor. Called
  /// frozen, before `GroupTable.encode`. Reads nothing and cannot fail.
  func encode(handle: any MetadataHandle) {
    state.withLock { $0.encode(handle) }
  }
}

extension BlockAllocator.State {
  /// Free blocks in reach now or once windows give way.
  var usableCount: UInt64 {
    let out = pendingCount + lostCount
    return freeCount > out ? freeCount - out : 0
  }

  func unreserved(for claim: BlockAllocator.Claim) -> UInt64 {
    var kept = reservedCount
    switch claim {
    case .ordinary: kept += rootReservedCount + treeReserveCount
    case .root: kept += treeReserveCount
    case .tree: break
    }
    let usable = usableCount
    return usable > kept ? usable - kept : 0
  }

  mutating func encode(_ handle: any MetadataHandle) {
    for index in dirtyGroups.sorted() {
      guard let buffer = groups[index].buffer, let used = groups[index].used else { continue }
      let address = table.descriptor(index).blockBitmap
      handle.modify(address, buffer)
      var bytes = buffer.mutableBytes
      used.write(into: &bytes)
      let checksum = Bitmap.blockChecksum(bytes.bytes, superblock: superblock)
      table.update(index) { $0.blockBitmapChecksum = checksum }
      groups[index].buffer = nil
    }
    dirtyGroups.removeAll(keepingCapacity: true)
  }
}
