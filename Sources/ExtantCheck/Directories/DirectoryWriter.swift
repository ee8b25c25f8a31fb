import BlockIO
import Ext4Format
import ExtantBase

/// Makes the blocks of a directory from its entries and a layout.
struct DirectoryWriter {
  let contents: DirectoryContents
  let layout: DirectoryLayout
  let format: DirectoryBlockFormat
  let parent: InodeNumber
  /// As the root says it.
  let hashVersion: UInt8

  /// Makes the block at `logical`; blocks past the layout's have no entries.
  func make(_ logical: Int, _ buffer: BlockBuffer) {
    var bytes = buffer.mutableBytes
    guard layout.isIndexed else { return makeLinear(logical, &bytes) }
    if logical == 0 { return makeRoot(&bytes) }
    if logical <= layout.leaves.count {
      bytes.fill(0..<format.blockSize, with: 0)
      return makeLeaf(layout.leaves[logical - 1], from: 0, &bytes)
    }
    var index = logical - 1 - layout.leaves.count
    for (level, count) in layout.levels.dropLast().enumerated() {
      if index < count { return makeNode(level, index, &bytes) }
      index -= count
    }
    bytes.fill(0..<format.blockSize, with: 0)
    makeLeaf(0..<0, from: 0, &bytes)
  }

  private func makeLinear(_ logical: Int, _ bytes: inout MutableRawSpan) {
    let range = logical < layout.leaves.count ? layout.leaves[logical] : 0..<0
    guard logical == 0 else {
      bytes.fill(0..<format.blockSize, with: 0)
      return makeLeaf(range, from: 0, &bytes)
    }
    format.initialise(&bytes, parent: parent)
    let dot = DirectoryEntryRecord.length(nameLength: 1)
    if !range.isEmpty {
      let end = dot + DirectoryEntryRecord.length(nameLength: 2)
      bytes.setLE16(format.encodeRecordLength(end - dot), at: dot + 4)
      makeLeaf(range, from: end, &bytes)
    } else {
      format.seal(&bytes)
    }
  }

  private func makeLeaf(_ range: Range<Int>, from start: Int, _ bytes: inout MutableRawSpan) {
    var offset = start
    if range.isEmpty {
      bytes.setLE16(format.encodeRecordLength(format.entriesEnd - start), at: start + 4)
    }
    for index in range {
      let entry = contents.entries[index]
      let isLast = index == range.upperBound - 1
      let length = isLast ? format.entriesEnd - offset : contents.length(entry)
      bytes.setLE32(entry.inode, at: offset)
      bytes.setLE16(format.encodeRecordLength(length), at: offset + 4)
      bytes.setU8(entry.nameLength, at: offset + 6)
      bytes.setU8(entry.fileType, at: offset + 7)
      bytes.copy(
        from: contents.bytes.rawBytes.extracting(contents.tail(entry)),
        at: offset + DirectoryEntryRecord.headSize)
      offset += length
    }
    format.seal(&bytes)
  }

  // MARK: The index

  /// Where the nodes of a level begin, in the directory's blocks; the leaves are level -1.
  private func firstBlock(ofLevel level: Int) -> Int {
    1 + (level < 0 ? 0 : layout.leaves.count + layout.levels[..<level].reduce(0, +))
  }

  /// The blocks below the node `index` of a level, counted within the level below.
  private func children(_ level: Int, _ index: Int) -> Range<Int> {
    let width = level == 0 ? layout.leaves.count : layout.levels[level - 1]
    let nodes = layout.levels[level]
    // As evenly as can be.
    return width * index / nodes..<width * (index + 1) / nodes
  }

  /// The first leaf below a block of a level.
  private func firstLeaf(_ level: Int, _ index: Int) -> Int {
    var index = index
    for below in stride(from: level, through: 0, by: -1) {
      index = children(below, index).lowerBound
    }
    return index
  }

  private func makeRoot(_ bytes: inout MutableRawSpan) {
    format.initialise(&bytes, parent: parent)
    let dot = DirectoryEntryRecord.length(nameLength: 1)
    bytes.setLE16(format.encodeRecordLength(format.blockSize - dot), at: dot + 4)
    let level = layout.levels.count - 1
    bytes.setU8(hashVersion, at: HashTreeNode.infoOffset + 4)
    bytes.setU8(UInt8(HashTreeNode.infoSize), at: HashTreeNode.infoOffset + 5)
    bytes.setU8(UInt8(level), at: HashTreeNode.infoOffset + 6)
    makeEntries(level, 0, .root, head: HashTreeNode.rootHead, &bytes)
  }

  private func makeNode(_ level: Int, _ index: Int, _ bytes: inout MutableRawSpan) {
    bytes.fill(0..<format.blockSize, with: 0)
    bytes.setLE16(format.encodeRecordLength(format.blockSize), at: 4)
    makeEntries(level, index, .node, head: HashTreeNode.nodeHead, &bytes)
  }

  private func makeEntries(
    _ level: Int, _ index: Int, _ role: HashTreeNode.Role, head: Int, _ bytes: inout MutableRawSpan
  ) {
    let children = children(level, index)
    let first = firstBlock(ofLevel: level - 1)
    for (position, child) in children.enumerated() {
      let offset = head + position * HashTreeNode.entrySize
      bytes.setLE32(layout.hashes[firstLeaf(level - 1, child)], at: offset)
      bytes.setLE32(UInt32(clamping: first + child), at: offset + 4)
    }
    // Limit and count are where the first entry's hash would be.
    let limit = format.hashTreeLimit(role)
    bytes.setLE16(UInt16(limit), at: head)
    bytes.setLE16(UInt16(children.count), at: head + 2)
    format.sealHashTree(&bytes, HashTreeNode(role: role, limit: limit, count: children.count))
  }
}
