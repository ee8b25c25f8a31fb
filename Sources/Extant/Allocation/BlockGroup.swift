import BlockIO
import Ext4Format
import ExtantBase

/// What the block allocator knows of one group.
struct BlockGroup {
  /// The group's blocks; the last group may have fewer than the others.
  let count: Int
  /// The error that put the group out of use, as a bitmap that cannot be read or is wrong.
  var fault: FileSystemError?
  /// What the bitmap on disk will say at the next commit; nil while not loaded.
  var used: GroupBits?
  /// What may be handed out: neither used, nor freed without a commit, nor in a stream's window.
  var available = GroupBits(count: 0)
  var availableCount = 0
  /// No available run inside the group is longer; a search that finds less tightens it.
  var longestBound = 0
  /// The bitmap's block, held from the first change to the commit. Its bytes change at `encode`.
  var buffer: BlockBuffer?
  /// When it was last looked at, in allocator operations.
  var lastUse: UInt64 = 0

  init(count: Int) { self.count = count }

  var isLoaded: Bool { used != nil }

  mutating func load(_ bits: GroupBits) {
    used = bits
    available = bits.inverted
    availableCount = available.setCount
    longestBound = availableCount
  }

  /// Forgets the bits; they can be read again.
  mutating func unload() {
    used = nil
    available = GroupBits(count: 0)
  }

  /// Takes available blocks out of reach.
  mutating func withdraw(_ range: Range<Int>) {
    available.remove(range)
    availableCount -= range.count
    longestBound = min(longestBound, availableCount)
  }

  /// Makes blocks available again; none of them is.
  mutating func restore(_ range: Range<Int>) {
    available.insert(range)
    availableCount += range.count
    longestBound = availableCount
  }
}
