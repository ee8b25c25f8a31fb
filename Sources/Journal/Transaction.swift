import BlockIO
import ExtantBase

/// The number of a transaction; later ones are greater.
public struct TransactionID: Hashable, Comparable, Sendable {
  public var rawValue: UInt64

  public init(_ rawValue: UInt64) { self.rawValue = rawValue }

  public static func < (a: Self, b: Self) -> Bool { a.rawValue < b.rawValue }

  var next: TransactionID { TransactionID(rawValue + 1) }
}

/// Inodes whose data goes to the device before the metadata, with the blocks that are a part of the
/// file only since this transaction.
public typealias OrderedData = [InodeNumber: [Range<BlockAddress>]]

/// What becomes durable together.
struct Transaction {
  let id: TransactionID
  /// Metadata blocks that go through the log, by their home address.
  var metadata: [BlockAddress: BlockBuffer] = [:]
  /// Metadata blocks whose home was free until now: written there before the commit record.
  var unlogged: [BlockAddress: BlockBuffer] = [:]
  /// Freed blocks that the log still holds: what it says of them must not be replayed.
  var revoked: Set<BlockAddress> = []
  var ordered: OrderedData = [:]
  /// Something changed in memory that is encoded at commit.
  var hasChanges = false
  /// Blocks that the encoding will add, beyond those announced.
  var charged = 0
  /// Of the handles that are open.
  var openCredits = 0

  init(id: TransactionID) { self.id = id }

  var isEmpty: Bool {
    metadata.isEmpty && unlogged.isEmpty && revoked.isEmpty && ordered.isEmpty && !hasChanges
  }

  mutating func order(_ inode: InodeNumber, _ blocks: Range<BlockAddress>?) {
    func add(to ranges: inout [Range<BlockAddress>]) {
      guard let blocks, !blocks.isEmpty else { return }
      if let last = ranges.last, last.upperBound == blocks.lowerBound {
        ranges[ranges.count - 1] = last.lowerBound..<blocks.upperBound
      } else {
        ranges.append(blocks)
      }
    }
    add(to: &ordered[inode, default: []])
  }

  /// Blocks that the log will hold of it, at most, once it is encoded; the superblock is one.
  var loggedBound: Int { metadata.count + charged + openCredits + 1 }
}

/// A transaction with private copies of its blocks: later changes do not reach them.
struct FrozenTransaction {
  let id: TransactionID
  let logged: HomeBlocks
  let unlogged: HomeBlocks
  /// Ascending.
  let revoked: [BlockAddress]

  init(_ transaction: Transaction) {
    id = transaction.id
    logged = HomeBlocks(copying: transaction.metadata)
    unlogged = HomeBlocks(copying: transaction.unlogged)
    revoked = transaction.revoked.sorted()
  }

  init(id: TransactionID, logged: HomeBlocks, revoked: [BlockAddress]) {
    self.id = id
    self.logged = logged
    self.unlogged = HomeBlocks(copying: [:])
    self.revoked = revoked
  }
}

/// Contents of blocks with where they belong.
struct HomeBlocks {
  /// Ascending.
  let addresses: [BlockAddress]
  let images: [BlockBuffer]

  var count: Int { addresses.count }

  init(copying blocks: [BlockAddress: BlockBuffer]) {
    let sorted = blocks.sorted { $0.key < $1.key }
    addresses = sorted.map(\.key)
    images = sorted.map { block in
      if isPlanted(.runningBlockWritten) { return block.value }
      let copy = BlockBuffer(copying: block.value)
      return copy
    }
  }

  /// - Parameter blocks: ascending.
  init(_ blocks: [(address: BlockAddress, image: BlockBuffer)]) {
    addresses = blocks.map(\.address)
    images = blocks.map(\.image)
  }

  func part(_ range: Range<Int>) -> HomeBlocks {
    let range = range.clamped(to: 0..<count)
    return HomeBlocks(range.map { (addresses[$0], images[$0]) })
  }
}
