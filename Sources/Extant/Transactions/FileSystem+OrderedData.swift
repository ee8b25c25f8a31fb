import ExtantBase
import ExtentMap
import Journal

/// Ordered data: blocks that became part of a file are on the device before the file's metadata says
/// so.
extension FileSystem {
  /// Writes the data that a transaction waits for; frozen, before its encoding.
  ///
  /// A write that fails is tried once more. Blocks that fail again stay out of the file where they are
  /// new in it, since the commit would show what lay in them before: they become unwritten ones, as
  /// with the kernel, and read as zeros. Others keep their contents in memory, to be tried again.
  /// Either way the file's next fsync is told, and nobody else.
  func settleData(_ data: OrderedData, _ handle: Handle) throws(FileSystemError) {
    for (inode, blocks) in data {
      guard cache.writeBack(owner: inode) != nil else { continue }
      let new = Self.common(cache.writeBackFailures(owner: inode), blocks)
      if !new.isEmpty { try disown(new, inode, handle) }
    }
  }

  /// Those of `addresses`, ascending, that lie in one of `ranges`.
  private static func common(
    _ addresses: [BlockAddress], _ ranges: [Range<BlockAddress>]
  ) -> [BlockAddress] {
    var rest = ranges.sorted { $0.lowerBound < $1.lowerBound }[...]
    var reach = BlockAddress(0)
    return addresses.filter { address in
      while let range = rest.first, range.lowerBound <= address {
        reach = max(reach, range.upperBound)
        rest.removeFirst()
      }
      return address < reach
    }
  }

  /// Makes written blocks of the file, wherever they lie in it, unwritten ones.
  ///
  /// Throws where there is no room for the nodes that their extents are then split into.
  private func disown(
    _ addresses: [BlockAddress], _ inode: InodeNumber, _ handle: Handle
  ) throws(FileSystemError) {
    guard let node = nodes.existing(inode), let contents = contents(of: node) else { return }
    let operation = Operation(fileSystem: self, handle: handle, reserved: 0)
    defer { blocks.release(operation.reserved) }
    try node.withState { () throws(FileSystemError) in
      guard !node.isFreed else { return }
      let pieces = try Self.pieces(of: contents.map, at: addresses)
      guard !pieces.isEmpty else { return }
      // Past `reserve`, which makes room by a commit.
      let needed = contents.nodesNeeded(newEntries: 2 * pieces.count)
      try blocks.reserve(needed, claim: .tree)
      operation.reserved = needed
      for piece in pieces {
        try contents.map.changeState(of: piece.logical..<piece.end, to: .unwritten)
        // Not discarded: a reader who has just looked the block up must not read the device.
        cache.giveUp(piece.address, count: piece.count)
      }
      operation.reserved = try contents.settleNodes(available: operation.reserved, operation)
      operation.changed(node)
    }
  }

  /// The written blocks at `addresses`, which ascend, as the file has them; neighbours together.
  private static func pieces(
    of map: ExtentMap, at addresses: [BlockAddress]
  ) throws(FileSystemError) -> [ExtentRun] {
    var pieces: [ExtentRun] = []
    try map.forEachRun(in: LogicalBlock(0)..<LogicalBlock.limit) { run in
      guard run.state == .written else { return true }
      let end = run.address + run.count
      var place = addresses.partitioningIndex { $0 >= run.address }
      while place < addresses.count, addresses[place] < end {
        let address = addresses[place]
        place += 1
        let logical = run.logical + UInt64(address.rawValue - run.address.rawValue)
        if let last = pieces.last, last.end == logical, last.address + last.count == address {
          pieces[pieces.count - 1].count += 1
        } else {
          pieces.append(
            ExtentRun(logical: logical, count: 1, address: address, state: .written))
        }
      }
      return true
    }
    return pieces
  }
}
