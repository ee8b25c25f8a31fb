import BlockIO
import Ext4Format
import ExtantBase

/// Walks a map of block pointers in logical order, one piece a call.
///
/// i_block holds 12 pointers to data, one to a block of pointers, one to a block of pointers to
/// those, and one with a level more.
struct PointerReader {
  private struct Level {
    let node: BlockBuffer
    /// Levels of pointer blocks below the words of this one.
    let depth: Int
    var index = 0
  }

  static let directCount = 12
  static let wordCount = 15

  private let round: CheckRound
  private let raw: RawInode
  private let withRuns: Bool
  private let perBlock: Int
  /// The next word of i_block.
  private var word = 0
  private var levels: [Level] = []
  /// The next logical block.
  private var position: UInt64 = 0
  /// The run that may go on.
  private var pending: MapRun?
  private var queued: BlockAddress?
  /// No map has more blocks than the filesystem: one that does goes in circles.
  private var nodesLeft: UInt64

  init(_ round: CheckRound, _ raw: RawInode, withRuns: Bool) {
    self.round = round
    self.raw = raw
    self.withRuns = withRuns
    perBlock = round.image.blockSize / 4
    nodesLeft = round.superblock.blockCount
  }

  mutating func next() throws(FileSystemError) -> CheckRound.MapPiece? {
    if let node = queued {
      queued = nil
      return .node(node)
    }
    while true {
      let pointer: BlockAddress
      let depth: Int
      if let level = levels.last {
        guard level.index < perBlock else {
          levels.removeLast()
          continue
        }
        levels[levels.count - 1].index += 1
        pointer = BlockAddress(UInt64(level.node.bytes.le32(4 * level.index)))
        depth = level.depth
      } else {
        guard word < Self.wordCount else { break }
        pointer = BlockAddress(UInt64(raw.blockWord(word)))
        depth = max(0, word - Self.directCount + 1)
        word += 1
      }
      if depth == 0 {
        let logical = position
        position += 1
        guard withRuns, round.isMappable(pointer) else { continue }
        if let run = extend(logical, pointer) { return .run(run) }
        continue
      }
      guard round.isMappable(pointer), nodesLeft > 0,
        pointer.rawValue < round.image.deviceBlockCount
      else {
        position += Self.span(depth, perBlock)
        continue
      }
      nodesLeft -= 1
      if depth > 1 || withRuns {
        levels.append(Level(node: try round.image.block(pointer), depth: depth - 1))
      } else {
        position += Self.span(depth, perBlock)
      }
      // Runs do not go on across a node: those before it are met before it.
      guard let run = pending else { return .node(pointer) }
      pending = nil
      queued = pointer
      return .run(run)
    }
    defer { pending = nil }
    return pending.map { .run($0) }
  }

  /// Adds a block to the run; returns the one before where the block begins another.
  private mutating func extend(_ logical: UInt64, _ address: BlockAddress) -> MapRun? {
    if let run = pending, run.logical + run.count == logical,
      run.address.rawValue + run.count == address.rawValue
    {
      pending?.count += 1
      return nil
    }
    defer { pending = MapRun(logical: logical, address: address, count: 1) }
    return pending
  }

  /// Logical blocks that hang on a pointer with `depth` levels of pointer blocks below it.
  static func span(_ depth: Int, _ perBlock: Int) -> UInt64 {
    var span: UInt64 = 1
    for _ in 0..<depth { span *= UInt64(perBlock) }
    return span
  }
}
