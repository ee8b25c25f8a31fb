import BlockIO
import Ext4Format
import ExtantBase
import ExtentMap
import Threading

/// An inode in memory: its record, its extent map, and what is not on the device yet.
///
/// Two locks, taken in this order:
/// - `lock` orders operations on the file as the kernel's inode lock does: shared to read,
///   exclusive to change contents, names or attributes.
/// - `state` guards the fields below for the short time of one look or change. Write-back and
///   commit take `state` alone, so a field that they touch (the map, `diskSize`) may change while
///   `lock` is held; what they change is where a block lives, never what the file contains.
final class Node: @unchecked Sendable {
  let number: InodeNumber
  let kind: FileKind
  let contents: NodeContents
  let lock = ReadWriteLock(.node)
  let state = Lock(.nodeState)

  // Under `state`. Changed only inside an operation.
  var inode: Inode
  /// The size the inode gets on the device, in bytes: it lags behind `inode.size` while blocks
  /// below it are delayed, so that a crash never shows a size with nothing behind it.
  var diskSize: UInt64
  /// Blocks reserved for tree nodes that the next encoding will need.
  var reservedNodes: UInt64 = 0
  /// Where new delayed blocks get their virtual addresses.
  var virtualWindow: VirtualWindow?
  /// What shifts since the last commit made ready for their encoding.
  var pendingShift: PendingShift?
  /// What the running transaction was charged for the tree.
  var charge = NodeCharge()
  /// It has a name and is on the orphan list: a truncation in steps is on its way, or failed.
  var isUnfinished = false
  /// It is being deleted or was; only late references still see it.
  var isDeleted = false
  /// Its blocks and its number were given back.
  var isFreed = false

  // Under the node table's lock.
  var references: UInt64 = 0
  /// It is what its number stands for: not yet evicted, and in no newer one's way.
  var isInTable = false
  /// Where it stands among the idle ones; -1: it does not.
  var idlePlace = -1
  /// The last transaction that changed the inode: fsync waits for it.
  var lastChange: UInt64 = 0
  /// The last one that changed more of it than its times: fdatasync waits for it.
  var lastDataChange: UInt64 = 0
  var isDirty = false
  /// Neither dirty nor in its block yet: a commit is about to encode it.
  var isBeingEncoded = false

  init(number: InodeNumber, kind: FileKind, inode: Inode, contents: NodeContents) {
    self.number = number
    self.kind = kind
    self.inode = inode
    self.contents = contents
    self.diskSize = inode.size
  }

  @inline(__always)
  func withState<R>(_ body: () throws(FileSystemError) -> R) throws(FileSystemError) -> R {
    state.lock()
    defer { state.unlock() }
    return try body()
  }

  /// No name is left: it goes away with its last reference.
  var isUnlinked: Bool { state.withLock { inode.linkCount == 0 } }

  var size: UInt64 { state.withLock { inode.size } }
}

/// A stretch of logical blocks with virtual addresses set aside for them, so that neighbours
/// written one after another get neighbouring addresses and one delayed run.
struct VirtualWindow {
  static let blockCount: UInt64 = 1 << 20

  var logical: LogicalBlock
  var address: BlockAddress

  func address(of block: LogicalBlock) -> BlockAddress? {
    guard block >= logical, block < logical + Self.blockCount else { return nil }
    return address + UInt64(block - logical)
  }
}
