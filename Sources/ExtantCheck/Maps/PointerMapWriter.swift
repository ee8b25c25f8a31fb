import BlockIO
import Ext4Format
import ExtantBase

/// Builds a new map of block pointers.
struct PointerMapWriter {
  private let runs: [MapRun]
  private let perBlock: UInt64
  private let blockSize: Int
  /// Blocks that the map takes.
  let nodeCount: Int

  /// A pointer block that is being filled.
  private struct Node {
    let buffer: BlockBuffer
    let address: BlockAddress
    /// Which one of its level it is.
    let number: UInt64
  }

  /// Nil where pointers cannot express the runs.
  init?(_ runs: [MapRun], _ superblock: Superblock) {
    self.runs = runs
    blockSize = superblock.blockSize
    perBlock = UInt64(blockSize / 4)
    let limit = UInt64(PointerReader.directCount) + perBlock * (1 + perBlock * (1 + perBlock))
    guard
      runs.allSatisfy({
        $0.logical <= limit && $0.count <= limit - $0.logical
          && $0.address.rawValue <= 1 << 32 && $0.address.rawValue + $0.count <= 1 << 32
      })
    else { return nil }
    var total = 0
    for level in 1...3 {
      var last: UInt64?
      for run in runs where run.count > 0 {
        let first = Self.node(run.logical, level, perBlock)
        let end = Self.node(run.logical + run.count - 1, level, perBlock)
        guard let end else { continue }
        // A run that starts before the level's part of the map needs that from its first node on.
        let start = first ?? 0
        total += Int(end - start + 1) - (start == last ? 1 : 0)
        last = end
      }
    }
    nodeCount = total
  }

  /// Which node of a level a logical block hangs on, counted from 0 across the whole map; nil where
  /// on none: those in i_block hang on no level, those of the first indirect block not on the second.
  private static func node(_ logical: UInt64, _ level: Int, _ perBlock: UInt64) -> UInt64? {
    guard logical >= UInt64(PointerReader.directCount) else { return nil }
    var index = (logical - UInt64(PointerReader.directCount)) / perBlock
    if level == 1 { return index }
    guard index >= 1 else { return nil }
    index = (index - 1) / perBlock
    if level == 2 { return index }
    return index >= 1 ? (index - 1) / perBlock : nil
  }

  /// Writes the nodes to the blocks in `addresses`, which it uses up. Returns i_block.
  func write(
    _ addresses: inout [BlockAddress], _ image: WorkingImage
  ) throws(FileSystemError) -> [UInt8] {
    var filling = Filling(
      perBlock: perBlock, blockSize: blockSize, image: image, addresses: addresses)
    for run in runs {
      for offset in 0..<run.count {
        try filling.set(0, run.logical + offset, run.address + offset)
      }
    }
    try filling.finish()
    addresses = filling.addresses
    return filling.words
  }

  /// The map while it is written: of each level the node that is being filled.
  private struct Filling {
    let perBlock: UInt64
    let blockSize: Int
    let image: WorkingImage
    var addresses: [BlockAddress]
    var words = [UInt8](repeating: 0, count: Inode.blockAreaByteCount)
    /// By level, from 1 on.
    var nodes: [Node?] = [nil, nil, nil]

    /// Sets the pointer to a node of a level, or, for level 0, to a block of data.
    mutating func set(
      _ level: Int, _ number: UInt64, _ target: BlockAddress
    ) throws(FileSystemError) {
      let value = UInt32(truncatingIfNeeded: target.rawValue)
      // i_block itself points to 12 blocks of data, and to the first node of each level.
      let inRoot = level == 0 ? UInt64(PointerReader.directCount) : 1
      guard number >= inRoot else {
        let word = level == 0 ? Int(number) : PointerReader.directCount + level - 1
        words.withMutableBytes { $0.setLE32(value, at: 4 * word) }
        return
      }
      let parent = (number - inRoot) / perBlock
      if nodes[level]?.number != parent { try start(level + 1, parent) }
      guard let node = nodes[level] else { return }
      var bytes = node.buffer.mutableBytes
      bytes.setLE32(value, at: 4 * Int((number - inRoot) % perBlock))
    }

    /// Goes on with another node of a level, and enters it where it hangs. Ends after three levels.
    private mutating func start(_ level: Int, _ number: UInt64) throws(FileSystemError) {
      try write(level)
      guard level <= nodes.count, let address = addresses.popLast() else { return }
      nodes[level - 1] = Node(
        buffer: BlockBuffer(byteCount: blockSize), address: address, number: number)
      try set(level, number, address)
    }

    private func write(_ level: Int) throws(FileSystemError) {
      guard let node = nodes[level - 1] else { return }
      try image.write(node.buffer, at: node.address)
    }

    func finish() throws(FileSystemError) {
      for level in 1...nodes.count { try write(level) }
    }
  }
}
