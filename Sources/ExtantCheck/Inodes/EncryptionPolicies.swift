import ExtantBase

/// Which encrypted inodes have which policy: a directory's entries must have the directory's.
///
/// As many inodes as have the flag, 8 bytes each; the policies are told apart by number.
struct EncryptionPolicies: Sendable {
  /// What an inode's policy is.
  enum Policy: Hashable, Sendable {
    /// The inode is not encrypted.
    case none
    /// Equal numbers stand for equal policies.
    case known(UInt32)
    /// A version of it that is not known: equal to none and different from none.
    case unknown
  }

  private var numbers: [[UInt8]: UInt32] = [:]
  /// Ascending by inode.
  private var entries: [(inode: UInt32, policy: UInt32)] = []
  private static let unknown = UInt32.max

  var isEmpty: Bool { entries.isEmpty }

  /// Adds the next inode; inodes come in ascending order.
  ///
  /// - Parameter policy: its context without the nonce; nil for a version that is not known.
  mutating func add(_ inode: InodeNumber, _ policy: [UInt8]?) {
    if let last = entries.last, last.inode >= inode.rawValue { return }
    guard let policy else {
      entries.append((inode.rawValue, Self.unknown))
      return
    }
    let number = numbers[policy] ?? UInt32(numbers.count)
    numbers[policy] = number
    entries.append((inode.rawValue, number))
  }

  func policy(of inode: InodeNumber) -> Policy {
    var low = 0
    var high = entries.count
    while low < high {
      let middle = (low + high) / 2
      if entries[middle].inode < inode.rawValue { low = middle + 1 } else { high = middle }
    }
    guard low < entries.count, entries[low].inode == inode.rawValue else { return .none }
    return entries[low].policy == Self.unknown ? .unknown : .known(entries[low].policy)
  }
}
