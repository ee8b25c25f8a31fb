/// The locks of the project, outermost first: a thread takes none that stands above, or beside, one it
/// holds. Debug builds stop where one does, whether or not another thread is in the way
/// (`LockOrder`). docs/ARCHITECTURE.md has the same list; a test compares them.
public enum LockRank: UInt8, CaseIterable, Sendable {
  /// `InodeGate.lock`: a shift of a file waits for its reads and writes.
  case inodeGate
  /// `OpenFile.appender`.
  case appender
  /// `FileSystem.closing`, `File.isClosed`: who closes first.
  case closing
  /// `FileSystem.renameLock`: renames between directories.
  case rename
  /// `Node.lock`: an ancestor before what is below it, otherwise by inode number. Shared to read,
  /// exclusive to change contents, names or attributes.
  case node
  /// `Journal.commitLock`.
  case commit
  /// No lock: a journal handle, for which a commit waits. Taking one may commit first.
  case journalHandle
  /// `Node.state`, of one node at a time. Write-back and commit take it without `Node.lock`: they
  /// change where a block lives, never what a file contains.
  case nodeState
  /// `FileSystem.attributeBlockLock`.
  case attributeBlocks
  /// `BlockAllocator.trimLock`.
  case trim
  /// `BlockAllocator.state`.
  case blockAllocator
  /// `InodeAllocator.state`.
  case inodeAllocator
  /// `GroupTable.state`.
  case groupTable
  /// `FileSystem.recordLock`: one fault is recorded at a time.
  case faultRecord
  /// `FileSystem.orphans`.
  case orphanList
  /// `NodeTable.state`.
  case nodeTable
  /// `Journal.lock`.
  case journal
  /// `FlushGate.lock`.
  case flushGate
  /// `Shard.lock` of the block cache: by the shards' numbers.
  case cacheShard
  /// `BlockCache.writeErrors`, `BlockCache.counters`, `PrefetchQueue.lock`.
  case cacheBooks
  /// `FileSystem.current`, the superblock.
  case superblock
  /// Devices over others, as they are stacked: `OverlayDevice.pieces`, and those of tests.
  case upperDevice
  /// `SpillFile.state`.
  case spillFile
  /// `FileDevice.gate`.
  case fileDevice
  /// Those under which nothing else is taken.
  case innermost
  /// Not checked: what tests keep beside the engine.
  case unranked

  /// Whether a thread may hold several, in an order of their own.
  var nests: Bool { self == .node || self == .cacheShard || self == .upperDevice }
}
