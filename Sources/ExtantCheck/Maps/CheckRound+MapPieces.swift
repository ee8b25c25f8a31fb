import BlockIO
import Ext4Format
import ExtantBase

/// Reading the maps of inodes that were mended: what does not fit is left out without a word, for
/// somebody said that it shall stay, or nobody has looked at it yet.
extension CheckRound {
  /// A part of a map, as it is met.
  enum MapPiece {
    /// A block of the map itself. What hangs on it is met after it.
    case node(BlockAddress)
    case run(MapRun)
  }

  /// Calls `body` with the runs of an inode that pass 1 has mended, in logical order, until it returns
  /// false. `body` may not change the map.
  func forEachRun(
    _ number: InodeNumber, _ raw: RawInode, _ body: (MapRun) throws(FileSystemError) -> Bool
  ) throws(FileSystemError) {
    try forEachMapPiece(number, raw, withRuns: true) {
      (piece: MapPiece) throws(FileSystemError) -> Bool in
      guard case .run(let run) = piece else { return true }
      return try body(run)
    }
  }

  /// Calls `body` with each block that the map itself takes: extent nodes, pointer blocks; each before
  /// those below it.
  func forEachMapBlock(
    _ number: InodeNumber, _ raw: RawInode,
    _ body: (BlockAddress) throws(FileSystemError) -> Bool
  ) throws(FileSystemError) {
    try forEachMapPiece(number, raw, withRuns: false) {
      (piece: MapPiece) throws(FileSystemError) -> Bool in
      guard case .node(let address) = piece else { return true }
      return try body(address)
    }
  }

  /// Whether i_block is a map: not a device's number, a short symlink's target, or data.
  func hasMap(_ number: InodeNumber, _ raw: RawInode) -> Bool {
    // The list of bad blocks has no mode.
    raw.hasMap || number == .badBlocks && !raw.flags.contains(.inlineData)
  }

  /// Whether a map may name the block at all.
  func isMappable(_ address: BlockAddress) -> Bool {
    address.rawValue != 0 && superblock.contains(address)
  }

  /// Calls `body` with the nodes and, where asked for, the runs of a map, until it returns false.
  func forEachMapPiece(
    _ number: InodeNumber, _ raw: RawInode, withRuns: Bool,
    _ body: (MapPiece) throws(FileSystemError) -> Bool
  ) throws(FileSystemError) {
    guard hasMap(number, raw) else { return }
    if raw.flags.contains(.extents) {
      var reader = ExtentReader(self, raw, withRuns: withRuns)
      while let piece = try reader.next(), try body(piece) {}
    } else {
      var reader = PointerReader(self, raw, withRuns: withRuns)
      while let piece = try reader.next(), try body(piece) {}
    }
  }
}
