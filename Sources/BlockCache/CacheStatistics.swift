/// What the cache has done since it was made. In blocks, but for the calls of the device.
public struct CacheStatistics: Sendable, Equatable {
  /// Uses of a block that was there.
  public var hits = 0
  /// Blocks that were asked for and had to be read.
  public var misses = 0
  /// Blocks read, those read ahead included.
  public var blocksRead = 0
  public var deviceReads = 0
  public var blocksWritten = 0
  public var deviceWrites = 0
  public var evictions = 0
  /// Blocks that came back soon after they were evicted.
  public var ghostHits = 0
  /// Times that a metadata block, or the one block a read needed, was taken beyond the limit
  /// because everything else was dirty or pinned.
  public var takenBeyondLimit = 0

  public init() {}

  static func += (a: inout Self, b: Self) {
    a.hits += b.hits
    a.misses += b.misses
    a.blocksRead += b.blocksRead
    a.deviceReads += b.deviceReads
    a.blocksWritten += b.blocksWritten
    a.deviceWrites += b.deviceWrites
    a.evictions += b.evictions
    a.ghostHits += b.ghostHits
    a.takenBeyondLimit += b.takenBeyondLimit
  }
}
