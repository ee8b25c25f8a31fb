import BlockIO
import Ext4Format
import ExtantBase

/// Writes a quota file from its entries: block after block, with five blocks of memory.
struct QuotaWriter {
  /// Ascending by id.
  private let entries: [QuotaEntry]
  private var head: QuotaHead

  init(_ kind: QuotaKind, _ entries: [QuotaEntry]) {
    self.entries = entries
    head = QuotaHead(kind, blockCount: Self.blockCount(entries))
  }

  /// Keeps what somebody has set in a file's head.
  mutating func takeGraces(from old: QuotaHead) {
    head.spaceGrace = old.spaceGrace
    head.inodeGrace = old.inodeGrace
    head.flags = old.flags
  }

  var blockCount: UInt32 { head.blockCount }

  /// The head, the tree's blocks, and those of entries.
  private static func blockCount(_ entries: [QuotaEntry]) -> UInt32 {
    let perBlock = QuotaFile.entriesPerBlock
    var count = 2 + UInt32((entries.count + perBlock - 1) / perBlock)
    var previous: UInt32?
    for entry in entries {
      for level in 1..<QuotaFile.depth {
        let shift = UInt32(8 * (QuotaFile.depth - level))
        if let previous, previous >> shift == entry.id >> shift { continue }
        count += 1
      }
      previous = entry.id
    }
    return count
  }

  /// Calls `write` with each block of the file and its number, in any order.
  func forEachBlock(
    _ write: (UInt32, BlockBuffer) throws(FileSystemError) -> Void
  ) throws(FileSystemError) {
    let size = QuotaFile.blockSize
    var next = QuotaFile.rootBlock + 1
    // The tree's blocks on the way to the last entry.
    let nodes = (0..<QuotaFile.depth).map { _ in BlockBuffer(byteCount: size) }
    var numbers = [UInt32](repeating: 0, count: QuotaFile.depth)
    numbers[0] = QuotaFile.rootBlock
    let data = BlockBuffer(byteCount: size)
    var pending: [QuotaEntry] = []
    var dataNumber: UInt32 = 0
    var previous: UInt32?

    for entry in entries {
      if pending.isEmpty {
        dataNumber = next
        next += 1
      }
      // The uppermost level on which this one's way differs.
      let levels = QuotaFile.depth
      let apart =
        previous.map { old in
          (0..<levels).first {
            QuotaFile.index(of: old, level: $0) != QuotaFile.index(of: entry.id, level: $0)
          } ?? levels
        } ?? 0
      for level in (1..<levels).reversed() where level > apart && numbers[level] != 0 {
        try write(numbers[level], nodes[level])
      }
      for level in 1..<levels where level > apart || previous == nil {
        numbers[level] = next
        next += 1
        let node = nodes[level]
        var bytes = node.mutableBytes
        bytes.fill(0..<size, with: 0)
        let above = nodes[level - 1]
        var parent = above.mutableBytes
        parent.setLE32(numbers[level], at: 4 * QuotaFile.index(of: entry.id, level: level - 1))
      }
      let node = nodes[levels - 1]
      var lowest = node.mutableBytes
      lowest.setLE32(dataNumber, at: 4 * QuotaFile.index(of: entry.id, level: levels - 1))
      pending.append(entry)
      previous = entry.id
      if pending.count == QuotaFile.entriesPerBlock {
        var bytes = data.mutableBytes
        QuotaFile.encode(pending, into: &bytes)
        try write(dataNumber, data)
        pending.removeAll(keepingCapacity: true)
      }
    }
    for level in (0..<QuotaFile.depth).reversed() where numbers[level] != 0 {
      try write(numbers[level], nodes[level])
    }
    var head = head
    if !pending.isEmpty {
      var bytes = data.mutableBytes
      QuotaFile.encode(pending, into: &bytes)
      try write(dataNumber, data)
      head.freeEntry = dataNumber
    }
    var bytes = data.mutableBytes
    head.encode(into: &bytes)
    try write(0, data)
  }
}
