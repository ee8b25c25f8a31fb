import BlockIO
import ExtantBase
import Synchronization
import Threading

/// Block address -> bytes: what is clean, what is dirty, and what goes when memory is short.
///
/// Keyed by address, not by file and offset, so that a collapse, insert or move of a file's
/// extents changes nothing here. Blocks of delayed allocation have *virtual* addresses and are
/// dirty until `rename` gives them a home.
///
/// What it keeps true:
/// - Bytes change only under the lock of the block's shard. A block that is being written to the
///   device is not changed: the writer gets a new buffer, and the block stays dirty.
/// - At most one read and one write of a block are in flight; who wants the bytes meanwhile waits
///   for that block alone.
/// - Dirty bytes leave only by a write that succeeded, `discard`, or a `rename` onto them.
/// - Memory is at most `byteLimit`: buffers plus 256 bytes a block, which covers the bookkeeping.
///   Buffers that were replaced or discarded count until the last reference to them goes. Metadata
///   and the one block that a read cannot do without may exceed it when all else is dirty or
///   pinned; that is counted in the statistics. Dirty data never does: see `CopyOutcome.full`.
///
/// An address is used either for metadata (`block(at:)`, `newBlock`), whose bytes the caller
/// locks, changes and writes to the device itself, or for data (`copyIn`, `copyOut`, `zero`),
/// whose bytes the cache locks and writes. It changes sides through `discard`.
public final class BlockCache: Sendable {
  /// What bookkeeping is taken to cost for each block, in bytes: slot, hash tables, ghost.
  static let overhead = 256

  public let device: any BlockDevice
  /// In bytes.
  public let blockSize: Int
  /// In bytes.
  public let byteLimit: Int

  let pool: BlockBufferPool
  let shards: [Shard]
  /// Buffers that data to be written leaves free, so that reads and metadata find one.
  let reserve: Int
  /// The longest transfer, in blocks.
  let transferLimit: Int
  /// The next virtual address to give out.
  private let nextVirtual = Atomic<UInt64>(BlockAddress.firstVirtual.rawValue)
  let writeErrors = Guarded(WriteErrors(), .cacheBooks)
  let counters = Guarded(CacheStatistics(), .cacheBooks)
  let prefetches = PrefetchQueue()

  /// `byteLimit`: see above; less than 16 blocks is taken as 16.
  public init(device: any BlockDevice, blockSize: Int, byteLimit: Int) {
    self.device = device
    self.blockSize = blockSize
    let capacity = max(16, byteLimit / (blockSize + Self.overhead))
    self.byteLimit = max(byteLimit, capacity * (blockSize + Self.overhead))
    pool = BlockBufferPool(blockSize: blockSize, limit: capacity)
    reserve = max(2, capacity / 16)
    transferLimit = max(1, min((1 << 20) / blockSize, capacity / 8))
    // Fewer shards than blocks by far, so that each sees a fair sample.
    let count = max(1, min(16, capacity / 512))
    shards = (0..<count).map { Shard(number: $0, capacity: capacity / count) }
  }

  deinit { prefetches.close() }

  /// Blocks in `byteLimit`.
  var capacity: Int { pool.limit }

  /// How many consecutive blocks share a shard: a long copy takes few locks.
  static let runLength: UInt64 = 64

  func shard(of address: BlockAddress) -> Shard {
    let run = address.rawValue / Self.runLength
    let mixed = (run &* 0x9E37_79B9_7F4A_7C15) >> 32
    return shards[Int(truncatingIfNeeded: mixed % UInt64(shards.count))]
  }

  /// The blocks from `address` to the end of its run, at most `count`.
  func blocksInRun(_ address: BlockAddress, _ count: Int) -> Int {
    min(count, Int(Self.runLength - address.rawValue % Self.runLength))
  }

  /// Device offset in bytes. A sum that overflows ends up past every device's end.
  func offset(of address: BlockAddress) -> UInt64 {
    let (product, overflow) = address.rawValue.multipliedReportingOverflow(by: UInt64(blockSize))
    return overflow ? .max : product
  }

  // MARK: Figures

  /// Bytes in use now, bookkeeping included: at most `byteLimit`, but see there.
  public var byteCount: Int { pool.inUse * (blockSize + Self.overhead) }

  /// Bytes that are dirty or being written, virtual blocks included.
  public var dirtyByteCount: Int {
    shards.reduce(0) { $0 + $1.dirtyCount.load(ordering: .relaxed) } * blockSize
  }

  /// Where a writer should start to write back, or wait for others who do, in bytes. The cache
  /// itself acts only when memory is short.
  public var dirtyLimit: Int { capacity / 2 * blockSize }

  /// The most bytes that one copy should bring: so much that several writers find room at once,
  /// even where every byte stays until it has a home.
  public var copyLimit: Int { max(1, capacity / 8) * blockSize }

  /// Who has dirty blocks, virtual ones included.
  public var dirtyOwners: Set<InodeNumber> {
    shards.reduce(into: []) { owners, shard in
      shard.withLock { state in owners.formUnion(state.dirty.owners) }
    }
  }

  public var statistics: CacheStatistics {
    shards.reduce(into: counters.withLock { $0 }) { sum, shard in
      sum += shard.withLock { $0.counters }
    }
  }

  /// `count` consecutive virtual addresses that were never given out before. Runs of successive
  /// calls follow each other.
  public func allocateVirtualRun(count: UInt64) -> BlockAddress {
    BlockAddress(nextVirtual.wrappingAdd(count, ordering: .relaxed).oldValue)
  }
}

/// How copyIn, copyOut and zero ended.
public enum CopyOutcome: Sendable, Equatable {
  case done
  /// A virtual block is not here (any more): it was renamed or discarded. Look the map up again
  /// and repeat the whole call; a part that was already copied does no harm.
  case moved
  /// copyIn and zero: everything in the cache is dirty with no home yet, or pinned. Allocate
  /// homes, write back, and repeat the whole call; a part that was already copied does no harm.
  case full
}

/// What the blocks that copyIn or zero changes held before.
public enum BlockContent: Sendable, Equatable {
  /// Nothing: newly allocated, a hole or unwritten. What is not changed of a block becomes zero,
  /// without reading it. (What others wrote to it through the cache since stays.)
  case fresh
  /// Bytes that stay where they are not changed: a block that is changed in part is read first.
  case existing
}
