import BlockIO
import Ext4Format
import ExtantBase
import SystemPackage
import Threading

/// Hands out inodes and takes them back.
///
/// A freed inode may be used again at once, but others are preferred until the transaction that
/// freed it has committed. Inode bitmaps are loaded and verified on demand; one that cannot be
/// read or is wrong puts its group out of use for new inodes and nothing else.
///
/// Lock order: as `BlockAllocator`'s; the two never hold both.
final class InodeAllocator: Sendable {
  let superblock: Superblock
  let groups: GroupTable
  let reader: any MetadataReader
  let state: Guarded<State>

  /// One group's inodes.
  struct InodeGroup {
    var fault: FileSystemError?
    /// What the bitmap on disk will say at the next commit; nil while not loaded.
    var used: GroupBits?
    /// Inodes freed by transactions that have not committed.
    var recentlyFreed: Set<Int> = []
    /// Held from the first change to the commit; its bytes change at `encode`.
    var bitmap: BlockBuffer?
    var lastUse: UInt64 = 0
    /// Directories made here lately, less files made here: the debt of Orlov's allocator.
    var debt = 0
  }

  struct State: FaultFinding {
    let superblock: Superblock
    let table: GroupTable
    let reader: any MetadataReader
    var groups: [InodeGroup]
    let checksTables: Bool
    var found = FoundFaults()
    var dirtyGroups: Set<Int> = []
    var recentlyFreed: [UInt64: [InodeNumber]] = [:]
    var clock: UInt64 = 0
    var loadedCount = 0
    let loadedLimit: Int
    /// Where room is looked for next: above the limit when little could be unloaded.
    var nextRoom: Int
    /// Where the search for a top-level directory's group starts, so that ties go round.
    var rotor = 0
  }

  /// - Parameters:
  ///   - loadedGroupLimit: how many groups' bits are kept in memory while nothing needs them.
  ///   - checksTables: whether a table block that gets a new inode must hold those that are in use
  ///     there; false only where nobody fills the allocated inodes.
  init(
    superblock: Superblock, groups: GroupTable, reader: any MetadataReader,
    loadedGroupLimit: Int = 1024, checksTables: Bool = true
  ) {
    self.superblock = superblock
    self.groups = groups
    self.reader = reader
    state = Guarded(
      State(
        superblock: superblock, table: groups, reader: reader,
        groups: Array(repeating: InodeGroup(), count: groups.count), checksTables: checksTables,
        loadedLimit: max(loadedGroupLimit, 16), nextRoom: max(loadedGroupLimit, 16)),
      .inodeAllocator)
  }

  /// All free inodes, those of groups out of use included.
  var freeInodes: UInt32 { UInt32(clamping: groups.totals.freeInodes) }

  /// Why groups are out of use, by group.
  var faults: [(group: GroupIndex, error: FileSystemError)] {
    state.withLock { state in
      state.groups.indices.compactMap { index in
        state.groups[index].fault.map { (GroupIndex(UInt32(truncatingIfNeeded: index)), $0) }
      }
    }
  }

  /// Where `inode` lies: its block and the byte in it.
  ///
  /// - Throws: `corrupt` for a number that no inode has.
  func location(of inode: InodeNumber) throws(FileSystemError) -> (block: BlockAddress, offset: Int)
  {
    guard let group = superblock.group(of: inode) else {
      throw .corrupt(
        Corruption("inode", inode: inode, "the last inode is \(superblock.inodeCount)"))
    }
    return try superblock.inodeLocation(
      inode, descriptor: groups.descriptor(Int(group.rawValue)))
  }

  /// Where a block of `inode` should go when no other block of it says.
  ///
  /// In flexible groups of four groups or more, the first is kept for metadata and the contents
  /// of directories, and those of files start in the second (as ext4 does): long runs stay whole.
  func goalBlock(for inode: InodeNumber, isFileData: Bool = false) -> BlockAddress {
    var group = superblock.group(of: inode)?.rawValue ?? 0
    let perFlex = UInt32(1) << UInt32(superblock.logGroupsPerFlex)
    if perFlex >= 4 {
      group -= group % perFlex
      if isFileData, group + 1 < superblock.groupCount { group += 1 }
    }
    return superblock.groupFirstBlock(GroupIndex(group))
  }

  /// Allocates an inode for a new child of `parent`.
  ///
  /// Files go near their parent, directories as Orlov's rule has it (`bestGroup`). The
  /// inode's place in the table is zeros in the transaction afterwards, whatever was there.
  /// Reserved inodes are never given out.
  ///
  /// - Throws: ENOSPC, or `io` where the table cannot be read; nothing is changed then.
  func allocate(
    kind: FileKind, parent: InodeNumber, handle: any MetadataHandle
  ) throws(FileSystemError) -> InodeNumber {
    try state.withLock(recordingBy: reader) { (state) throws(FileSystemError) in
      try state.allocate(isDirectory: kind == .directory, parent: parent, handle)
    }
  }

  /// Takes this very inode: what a fast commit says was made. Its place in the table is zeros then.
  ///
  /// - Throws: `corrupt`, changing nothing, where it is in use or reserved.
  func claim(
    _ inode: InodeNumber, isDirectory: Bool, handle: any MetadataHandle
  ) throws(FileSystemError) {
    try state.withLock(recordingBy: reader) { (state) throws(FileSystemError) in
      try state.claim(inode, isDirectory: isDirectory, handle)
    }
  }

  /// Frees an inode in `transaction`. Its place in the table is left as it is.
  ///
  /// - Throws: `corrupt`, changing nothing, where the inode is free already, reserved or does not
  ///   exist; the fault of a group that is out of use.
  func free(
    _ inode: InodeNumber, wasDirectory: Bool, transaction: UInt64, handle: any MetadataHandle
  ) throws(FileSystemError) {
    try state.withLock(recordingBy: reader) { (state) throws(FileSystemError) in
      try state.free(inode, wasDirectory: wasDirectory, transaction: transaction, handle)
    }
  }

  /// Whether the bitmap shows `inode` in use.
  func isAllocated(_ inode: InodeNumber) throws(FileSystemError) -> Bool {
    guard let group = superblock.group(of: inode) else { return false }
    return try state.withLock(recordingBy: reader) { (state) throws(FileSystemError) in
      try state.load(Int(group.rawValue))
      let bit = Int((inode.rawValue - 1) % superblock.inodesPerGroup)
      return state.groups[Int(group.rawValue)].used?[bit] ?? false
    }
  }

  /// `transaction` and all before it are durable.
  func didCommit(_ transaction: UInt64) {
    state.withLock { state in
      for key in state.recentlyFreed.keys where key <= transaction {
        for inode in state.recentlyFreed.removeValue(forKey: key) ?? [] {
          let (group, bit) = state.place(of: inode)
          state.groups[group].recentlyFreed.remove(bit)
        }
      }
    }
  }

  /// Brings every changed bitmap into its block and its checksum into its descriptor. Called
  /// frozen, before `GroupTable.encode`. Reads nothing and cannot fail.
  func encode(handle: any MetadataHandle) {
    state.withLock { $0.encode(handle) }
  }
}
