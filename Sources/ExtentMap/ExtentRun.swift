import ExtantBase

/// What stands behind a mapped block.
public enum ExtentState: UInt8, Sendable, CaseIterable, BitwiseCopyable {
  /// The device holds the data.
  case written
  /// Blocks are allocated but read as zeros (ext4: uninitialized, unwritten).
  case unwritten
  /// The data lives in the cache under a virtual address; no block is allocated yet. Never on disk.
  case delayed

  /// The most blocks one extent of this state may have, by ext4's 16-bit `ee_len`: 32,768 written,
  /// 32,767 unwritten (the top bit marks them). A delayed run is never stored and has no such limit.
  public var maximumCount: UInt64 {
    switch self {
    case .written: 32_768
    case .unwritten: 32_767
    case .delayed: LogicalBlock.limit.rawValue
    }
  }
}

/// Consecutive blocks of a file that lie consecutively on the device: one extent.
public struct ExtentRun: Sendable, Hashable {
  public var logical: LogicalBlock
  /// In blocks; never 0 in what a map returns.
  public var count: UInt64
  /// Of the first block; virtual for a delayed run.
  public var address: BlockAddress
  public var state: ExtentState

  public init(
    logical: LogicalBlock, count: UInt64, address: BlockAddress, state: ExtentState
  ) {
    self.logical = logical
    self.count = count
    self.address = address
    self.state = state
  }

  /// One past the last logical block.
  public var end: LogicalBlock { logical + count }

  public var range: Range<LogicalBlock> { logical..<max(logical, end) }

  /// The part of the run inside `range`, nil where they do not meet.
  public func clipped(to range: Range<LogicalBlock>) -> ExtentRun? {
    let lower = max(logical, range.lowerBound)
    let upper = min(end, range.upperBound)
    guard lower < upper else { return nil }
    return ExtentRun(
      logical: lower, count: upper.rawValue - lower.rawValue,
      address: address + (lower.rawValue - logical.rawValue), state: state)
  }

  /// The address of `block`, which must be inside the run.
  public func address(of block: LogicalBlock) -> BlockAddress {
    address + (block.rawValue &- logical.rawValue)
  }
}

/// The answer to "what is at this block".
public enum MapLookup: Sendable, Hashable {
  /// The whole extent that holds the block, as stored (not clipped).
  case extent(ExtentRun)
  /// The whole hole around the block. Its upper bound is ``ExtentMap/endless`` where no run follows.
  case hole(Range<LogicalBlock>)
}
