import BlockIO
import Ext4Format
import ExtantBase

/// Builds a new extent tree, as low and as full as can be.
struct ExtentTreeWriter {
  private var records: [ExtentRecord] = []
  private let capacity: Int
  private let blockSize: Int

  /// Runs that continue each other become one extent.
  init(_ runs: [MapRun], _ blockSize: Int) {
    self.blockSize = blockSize
    capacity = ExtentNode.capacity(blockSize: blockSize)
    for run in runs { append(run) }
  }

  private mutating func append(_ run: MapRun) {
    var rest = run
    let limit =
      run.isUnwritten ? ExtentRecord.maximumUnwrittenLength : ExtentRecord.maximumWrittenLength
    while rest.count > 0 {
      if let last = records.last, last.isUnwritten == rest.isUnwritten, last.length < limit,
        UInt64(last.logical) + UInt64(last.length) == rest.logical,
        last.address.rawValue + UInt64(last.length) == rest.address.rawValue
      {
        let count = min(rest.count, UInt64(limit - last.length))
        records[records.count - 1].length += UInt32(count)
        rest.skip(count)
        continue
      }
      let count = min(rest.count, UInt64(limit))
      records.append(
        ExtentRecord(
          logical: UInt32(truncatingIfNeeded: rest.logical), length: UInt32(count),
          address: rest.address, isUnwritten: rest.isUnwritten))
      rest.skip(count)
    }
  }

  /// Blocks that the tree takes.
  var nodeCount: Int {
    var total = 0
    var entries = records.count
    while entries > ExtentNode.rootCapacity {
      entries = (entries + capacity - 1) / capacity
      total += entries
    }
    return total
  }

  /// Writes the nodes to the blocks in `nodes`, which it uses up. Returns i_block.
  func write(
    _ nodes: inout [BlockAddress], _ seed: UInt32?, _ image: WorkingImage
  ) throws(FileSystemError) -> [UInt8] {
    guard records.count > ExtentNode.rootCapacity else {
      return ExtentNode(depth: 0, entries: .leaf(records)).encodeRoot()
    }
    var depth: UInt16 = 0
    var index: [ExtentIndexRecord] = []
    for start in stride(from: 0, to: records.count, by: capacity) {
      let part = Array(records[start..<min(start + capacity, records.count)])
      let node = ExtentNode(depth: 0, entries: .leaf(part))
      index.append(try write(node, &nodes, seed, image))
    }
    while index.count > ExtentNode.rootCapacity {
      depth += 1
      var above: [ExtentIndexRecord] = []
      for start in stride(from: 0, to: index.count, by: capacity) {
        let part = Array(index[start..<min(start + capacity, index.count)])
        let node = ExtentNode(depth: depth, entries: .index(part))
        above.append(try write(node, &nodes, seed, image))
      }
      index = above
    }
    return ExtentNode(depth: depth + 1, entries: .index(index)).encodeRoot()
  }

  private func write(
    _ node: ExtentNode, _ nodes: inout [BlockAddress], _ seed: UInt32?, _ image: WorkingImage
  ) throws(FileSystemError) -> ExtentIndexRecord {
    let address = nodes.removeLast()
    let buffer = BlockBuffer(byteCount: blockSize)
    var bytes = buffer.mutableBytes
    node.encode(into: &bytes, checksumSeed: seed)
    try image.write(buffer, at: address)
    return ExtentIndexRecord(logical: node.firstLogical ?? 0, child: address)
  }
}

extension MapRun {
  /// Cuts blocks off its start.
  mutating func skip(_ blocks: UInt64) {
    logical += blocks
    address = address + blocks
    count -= blocks
  }
}
