import BlockIO
import Ext4Format
import ExtantBase

/// Cuts a map short where it stands: it needs no block, so that it can be done while nobody knows yet
/// which are free. Only for maps that `OrphanMap` has found sound.
struct OrphanCut {
  let round: CheckRound
  let number: InodeNumber
  /// The first logical block that goes.
  let end: UInt64
  /// What went: blocks of the map, and of data.
  private(set) var nodes: [BlockAddress] = []
  private(set) var runs: [MapRun] = []

  init(_ round: CheckRound, _ number: InodeNumber, end: UInt64) {
    self.round = round
    self.number = number
    self.end = end
  }

  /// Cuts the map in `raw`; blocks of it that stay and change are written.
  mutating func cut(_ raw: inout RawInode) throws(FileSystemError) {
    if raw.flags.contains(.extents) {
      let root = BlockBuffer(byteCount: Inode.blockAreaByteCount)
      var bytes = root.mutableBytes
      bytes.copy(raw.blockArea, at: 0)
      try cut(root, seed: raw.checksumSeed(number, round.superblock))
      if RawExtentNode.count(root.bytes) == 0 { bytes.setLE16(0, at: 6) }
      raw.blockArea = root.bytes.array()
    } else {
      try cutPointers(&raw)
    }
  }

  // MARK: Extents

  /// Calls itself for one child at most: the tree's depth is five.
  private mutating func cut(_ node: BlockBuffer, seed: UInt32?) throws(FileSystemError) {
    var bytes = node.mutableBytes
    while RawExtentNode.count(node.bytes) > 0 {
      let last = RawExtentNode.count(node.bytes) - 1
      if RawExtentNode.depth(node.bytes) == 0 {
        var extent = RawExtentNode.extent(node.bytes, last)
        guard extent.end > end else { return }
        let kept = end > UInt64(extent.logical) ? end - UInt64(extent.logical) : 0
        runs.append(
          MapRun(
            logical: UInt64(extent.logical) + kept, address: extent.address + kept,
            count: UInt64(extent.length) - kept, isUnwritten: extent.isUnwritten))
        if kept > 0 {
          extent.length = UInt32(kept)
          RawExtentNode.setExtent(extent, &bytes, last)
          return
        }
      } else {
        let address = RawExtentNode.child(node.bytes, last)
        let child = try round.image.block(address)
        let before = child.bytes.array()
        try cut(child, seed: seed)
        guard RawExtentNode.count(child.bytes) == 0 else {
          if before != child.bytes.array() {
            var childBytes = child.mutableBytes
            RawExtentNode.updateChecksum(&childBytes, seed: seed)
            try round.image.write(child, at: address)
          }
          return
        }
        nodes.append(address)
      }
      RawExtentNode.remove(&bytes, last)
    }
  }

  // MARK: Block pointers

  private mutating func cutPointers(_ raw: inout RawInode) throws(FileSystemError) {
    let perBlock = round.image.blockSize / 4
    var position: UInt64 = 0
    for word in 0..<PointerReader.wordCount {
      let depth = max(0, word - PointerReader.directCount + 1)
      let pointer = BlockAddress(UInt64(raw.blockWord(word)))
      if pointer.rawValue != 0, try cutPointer(pointer, depth, perBlock, at: position) {
        raw.setBlockWord(word, 0)
      }
      position += PointerReader.span(depth, perBlock)
    }
  }

  /// Cuts what hangs on a pointer; calls itself for three levels at most.
  ///
  /// - Returns: whether nothing is left there.
  private mutating func cutPointer(
    _ pointer: BlockAddress, _ depth: Int, _ perBlock: Int, at start: UInt64
  ) throws(FileSystemError) -> Bool {
    guard start + PointerReader.span(depth, perBlock) > end else { return false }
    guard depth > 0 else {
      runs.append(MapRun(logical: start, address: pointer, count: 1))
      return true
    }
    let node = try round.image.block(pointer)
    var bytes = node.mutableBytes
    var isChanged = false
    let span = PointerReader.span(depth - 1, perBlock)
    for index in 0..<perBlock {
      let below = BlockAddress(UInt64(node.bytes.le32(4 * index)))
      guard below.rawValue != 0,
        try cutPointer(below, depth - 1, perBlock, at: start + UInt64(index) * span)
      else { continue }
      bytes.setLE32(0, at: 4 * index)
      isChanged = true
    }
    if node.bytes.isZero(0..<node.byteCount) {
      nodes.append(pointer)
      return true
    }
    if isChanged { try round.image.write(node, at: pointer) }
    return false
  }
}
