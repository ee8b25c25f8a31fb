import BlockIO
import Ext4Format
import ExtantBase

/// Which entries go into which block of a directory that is written anew.
struct DirectoryLayout {
  /// Ranges of entries, a block each. Without an index the first shares its block with "." and "..".
  var leaves: [Range<Int>]
  /// Index nodes from below: how many nodes each level has. Empty without an index; the last level
  /// is the root alone.
  var levels: [Int]
  /// The entries' hashes begin each leaf, with the bit set where a hash continues.
  var hashes: [UInt32] = []

  var isIndexed: Bool { !levels.isEmpty }
  /// Of the whole directory: the root first, then leaves, then inner nodes.
  var blockCount: Int { leaves.count + levels.reduce(0, +) }

  /// All entries in order, one block after the other filled up.
  static func linear(
    _ contents: DirectoryContents, _ format: DirectoryBlockFormat
  ) -> DirectoryLayout {
    let dots =
      DirectoryEntryRecord.length(nameLength: 1) + DirectoryEntryRecord.length(nameLength: 2)
    let leaves = fill(
      contents, first: format.entriesEnd - dots, others: format.entriesEnd, limit: format.entriesEnd
    )
    return DirectoryLayout(leaves: leaves, levels: [])
  }

  /// Entries that are sorted by hash, with an index over their blocks; nil where no index is large
  /// enough.
  ///
  /// - Parameter filling: percents of a block to be filled, so that names can be added.
  static func indexed(
    _ contents: DirectoryContents, _ format: DirectoryBlockFormat, filling: Int, maximumLevels: Int
  ) -> DirectoryLayout? {
    let room = format.entriesEnd * filling / 100
    let leaves = fill(contents, first: room, others: room, limit: format.entriesEnd)
    let limits = (root: format.hashTreeLimit(.root), node: format.hashTreeLimit(.node))
    var levels: [Int] = []
    var width = leaves.count
    while width > limits.root {
      width = (width + limits.node - 1) / limits.node
      levels.append(width)
    }
    levels.append(1)
    guard levels.count <= maximumLevels + 1 else { return nil }
    var layout = DirectoryLayout(leaves: leaves, levels: levels)
    var previous: UInt32?
    for leaf in leaves {
      let hash = leaf.isEmpty ? 0 : contents.entries[leaf.lowerBound].hash.major
      layout.hashes.append(previous == hash ? hash | HashTreeEntry.continuationBit : hash)
      previous = leaf.isEmpty ? nil : contents.entries[leaf.upperBound - 1].hash.major
    }
    return layout
  }

  private static func fill(
    _ contents: DirectoryContents, first: Int, others: Int, limit: Int
  ) -> [Range<Int>] {
    var leaves: [Range<Int>] = []
    var start = 0
    var used = 0
    var room = first
    for (index, entry) in contents.entries.enumerated() {
      let length = contents.length(entry)
      // A name longer than what is to be filled still has room in an empty block.
      if used + length > room, used > 0 || leaves.isEmpty && length > room && length <= limit {
        leaves.append(start..<index)
        start = index
        used = 0
        room = others
      }
      used += length
    }
    leaves.append(start..<contents.entries.count)
    return leaves
  }
}
