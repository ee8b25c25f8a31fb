import BlockIO
import ExtantBase

/// The number of a transaction; later ones are greater.
public struct TransactionID: Hashable, Comparable, Sendable {
  public var rawValue: UInt64

  public init(_ rawValue: UInt64) { self.rawValue = rawValue }

  public static func < (a: Self, b: Self) -> Bool { a.rawValue < b.rawValue }

  var next: TransactionID { TransactionID(rawValue + 1) }
}

/// What becomes durable together.
struct Transaction {
  let id: TransactionID
  /// Metadata blocks, by their home address.
  var metadata: [BlockAddress: BlockBuffer] = [:]
  /// Inodes whose data goes to the device before the metadata.
  var orderedInodes: Set<InodeNumber> = []
  /// Something changed in memory that is encoded at commit.
  var hasChanges = false

  init(id: TransactionID) { self.id = id }

  var isEmpty: Bool { metadata.isEmpty && orderedInodes.isEmpty && !hasChanges }
}

/// A transaction with private copies of its blocks: later changes do not reach them.
struct FrozenTransaction {
  let id: TransactionID
  let orderedInodes: Set<InodeNumber>
  /// Ascending.
  let addresses: [BlockAddress]
  let images: [BlockBuffer]

  init(_ transaction: Transaction) {
    id = transaction.id
    orderedInodes = transaction.orderedInodes
    let blocks = transaction.metadata.sorted { $0.key < $1.key }
    addresses = blocks.map(\.key)
    images = blocks.map { block in
      let copy = BlockBuffer(copying: block.value)
      return copy
    }
  }
}
