import ExtantBase

/// One extent in a leaf. Its position is nowhere: it is the sum of the steps before it.
struct Entry: BitwiseCopyable {
  var address: UInt64
  var length: UInt32
  var state: ExtentState

  static let empty = Entry(address: 0, length: 0, state: .written)
}

/// A subtree, in memory or still on the device.
enum Child {
  case node(Node)
  /// `key` is the position it was written with; the steps say where it is now.
  case unloaded(address: BlockAddress, key: UInt32)
}

/// A node of the tree in memory; stands for one block of the tree on disk, or for the inode's root.
///
/// `steps[i]` is the distance from the start of element i to the start of element i + 1. The last
/// element has no successor in this node and its step is kept at 0: how far it reaches is known
/// from an ancestor's steps alone. So the span of a subtree that was never loaded is known, the
/// hole behind a leaf's last extent belongs to no leaf, and moving everything behind a point
/// changes one step on each level of one path.
final class Node {
  /// 0 for a leaf.
  let level: Int
  /// The node's own entries differ from those at its home. Set by `ExtentMap.markDirty` alone.
  var isDirty = true
  /// The node, or some node below it, is dirty or was moved since the last encode. Set by
  /// `ExtentMap.markChanged` alone.
  var isChanged = true
  /// The subtree held delayed runs when it was last encoded. One that was not changed since and
  /// had none then has none now.
  var hadDelayed = false

  /// The elements of a leaf.
  var entries = Elements<Entry>()
  var steps: Steps
  /// The elements of an inner node.
  var children: [Child] = []

  /// The block that holds the node on disk; nil for the one in the inode and for one never written.
  var home: BlockAddress?
  /// Where the node started when it was last written or loaded.
  var writtenStart = 0
  /// First extent on disk minus `writtenStart`; greater than 0 where delayed runs lead, negative
  /// where nothing of the node is on disk.
  var keyOffset = -1

  /// What the encode in progress decided: first extent on disk (negative: none), and block.
  var nextKey = -1
  var nextHome: BlockAddress?

  init(level: Int, capacity: Int) {
    self.level = level
    steps = Steps(capacity: capacity)
  }

  var count: Int { steps.count }

  /// The last element that starts at or before `position`, and its start, in a node that starts at
  /// `start`; the first element where none does.
  func find(_ position: Int, from start: Int) -> (index: Int, start: Int) {
    let (index, offset) = steps.find(position - start)
    return (index, start + offset)
  }

  /// Distance from the node's start to the start of element `index`.
  func offset(of index: Int) -> Int { steps.offset(of: index) }

  /// Moves the elements from `index` on to a new node, which is returned. The caller marks this one.
  func splitOff(from index: Int, capacity: Int) -> Node {
    let right = Node(level: level, capacity: capacity)
    steps.splitOff(from: index, to: &right.steps, capacity: capacity)
    if level == 0 {
      right.entries.reserve(capacity + 2)
      right.entries.append(entries, from: index)
      entries.truncate(to: index)
    } else {
      right.children.append(contentsOf: children[index...])
      children.removeSubrange(index...)
    }
    return right
  }

  /// Takes over all elements of `right`, the first of which starts `distance` after the start of
  /// the last element here. The caller marks this one.
  func absorb(_ right: Node, distance: Int) {
    steps.absorb(right.steps, distance: distance)
    if level == 0 {
      entries.append(right.entries, from: 0)
    } else {
      children.append(contentsOf: right.children)
    }
  }
}
