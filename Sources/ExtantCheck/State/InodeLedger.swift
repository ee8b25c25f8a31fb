import Ext4Format
import ExtantBase

/// What pass 1 found out of each inode in use, and the names that later passes counted.
///
/// 8 bytes an inode, for groups in which any is in use.
struct InodeLedger: Sendable {
  struct Entry: Sendable {
    var isInUse = false
    /// 0 where the mode names none, as in the inode of bad blocks.
    fileprivate var kindCode: UInt8 = 0
    /// i_links_count as it stands in the inode.
    var linkCount: UInt16 = 0
    /// Names counted in directories, "." and ".." among them.
    var namesCounted: UInt32 = 0

    var kind: FileKind? {
      get { FileKind(mode: UInt16(kindCode) << 8) }
      set { kindCode = UInt8((newValue?.rawValue ?? 0) >> 8) }
    }
    /// The same as asking for the kind, and quicker.
    var isDirectory: Bool { UInt16(kindCode) << 8 == FileKind.directory.rawValue }
  }

  private let inodesPerGroup: UInt32
  private let inodeCount: UInt32
  private var groups: [[Entry]]

  init(_ superblock: Superblock) {
    inodesPerGroup = superblock.inodesPerGroup
    inodeCount = superblock.inodeCount
    groups = Array(repeating: [], count: Int(superblock.groupCount))
  }

  /// A ledger of no inodes.
  static let empty = InodeLedger()

  private init() {
    inodesPerGroup = 1
    inodeCount = 0
    groups = []
  }

  /// Nothing is in use that has no number below the inode count.
  subscript(number: InodeNumber) -> Entry {
    get {
      guard let (group, index) = place(number), !groups[group].isEmpty else { return Entry() }
      return groups[group][index]
    }
    _modify {
      guard let (group, index) = place(number) else {
        var nobody = Entry()
        yield &nobody
        return
      }
      if groups[group].isEmpty {
        groups[group] = Array(repeating: Entry(), count: Int(inodesPerGroup))
      }
      yield &groups[group][index]
    }
  }

  func isInUse(_ number: InodeNumber) -> Bool { self[number].isInUse }

  /// All in use, ascending.
  var numbersInUse: [InodeNumber] {
    var numbers: [InodeNumber] = []
    forEachInUse { number, _ in numbers.append(number) }
    return numbers
  }

  /// Calls `body` with each inode in use, ascending.
  func forEachInUse<E: Error>(_ body: (InodeNumber, Entry) throws(E) -> Void) throws(E) {
    for (group, entries) in groups.enumerated() where !entries.isEmpty {
      let first = UInt32(group) * inodesPerGroup + 1
      for (index, entry) in entries.enumerated() where entry.isInUse {
        try body(InodeNumber(first + UInt32(index)), entry)
      }
    }
  }

  /// The entries of a group, in the order of its inodes; empty where none is in use.
  func entries(in group: GroupIndex) -> [Entry] {
    Int(group.rawValue) < groups.count ? groups[Int(group.rawValue)] : []
  }

  private func place(_ number: InodeNumber) -> (group: Int, index: Int)? {
    guard number.rawValue >= 1, number.rawValue <= inodeCount else { return nil }
    let index = number.rawValue - 1
    return (Int(index / inodesPerGroup), Int(index % inodesPerGroup))
  }
}
