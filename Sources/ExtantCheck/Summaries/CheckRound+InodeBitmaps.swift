import BlockIO
import Ext4Format
import ExtantBase

extension CheckRound {
  private static let inodeKinds = BitmapCheck.Kinds(
    markedFree: .inodeMarkedFree, specialMarkedFree: .reservedInodeMarkedFree,
    markedUsed: .inodeMarkedUsed, tail: .inodeBitmapTail, checksum: .inodeBitmapChecksum,
    uninit: .inodeUninit)

  /// Inode bitmaps, and the counts of free inodes, directories and unused inodes.
  func checkInodeBitmaps(followsRepairs: Bool) throws(FileSystemError) {
    let perGroup = Int(superblock.inodesPerGroup)
    var check = BitmapCheck(Self.inodeKinds, blockSize: superblock.blockSize)
    check.count = perGroup
    check.fullCount = perGroup
    var reader = BitmapReader(image, groups.map(\.inodeBitmap))
    var storedTotal: UInt64 = 0
    var total: UInt64 = 0

    for index in groups.indices {
      let group = GroupIndex(UInt32(index))
      options.progress?(5, 0.5 + Double(index) / Double(groups.count) / 2)
      let first = superblock.firstInode(in: group).rawValue
      check.base = UInt64(first)
      let found = loadInodes(&check.expected, group)
      let used = check.expected.count(in: 0..<perGroup)
      check.expected.insert(perGroup..<check.expected.bitCount)
      if !createdInodes.isEmpty { loadCreated(&check.taken, group) }

      let reserved = min(max(Int(superblock.firstInode) - Int(first), 0), perGroup)
      let free = try compareBitmap(
        .inodes, &check, &reader, group, used, followsRepairs: followsRepairs,
        // No inode of the group was ever used.
        implied: { words in
          words.clear()
          words.insert(perGroup..<words.bitCount)
        }
      ) {
        var words = BitmapWords(byteCount: self.superblock.blockSize)
        words.insert(0..<reserved)
        return words
      }
      try checkUnusedInodes(group, end: found.end, check)
      let storedFree = UInt64(groups[index].freeInodes)
      storedTotal += storedFree
      if try shouldSet(
        .groupFreeInodes, .group(group), stored: storedFree, counted: free.after,
        isConsequence: storedFree == free.before)
      {
        groups[index].freeInodes = UInt32(truncatingIfNeeded: free.after)
      }
      total += UInt64(groups[index].freeInodes)
      if try shouldSet(
        .groupDirectories, .group(group), stored: UInt64(groups[index].usedDirectories),
        counted: UInt64(found.directories), isConsequence: followsRepairs)
      {
        groups[index].usedDirectories = UInt32(truncatingIfNeeded: found.directories)
      }
    }
    let stored = UInt64(superblock.freeInodeCount)
    if try shouldSet(
      .freeInodes, .filesystem, stored: stored, counted: total, isConsequence: stored == storedTotal
    ) {
      superblock.freeInodeCount = UInt32(truncatingIfNeeded: total)
    }
  }

  /// Sets the bits of inodes in use and of reserved ones.
  ///
  /// - Returns: how many directories there are, and one past the place of the last inode in use.
  private func loadInodes(
    _ words: inout BitmapWords, _ group: GroupIndex
  ) -> (directories: Int, end: Int) {
    words.clear()
    let first = superblock.firstInode(in: group).rawValue
    var directories = 0
    var end = 0
    for (place, entry) in inodes.entries(in: group).enumerated() where entry.isInUse {
      words[word: place >> 6] |= 1 << UInt64(place & 63)
      end = place + 1
      if entry.isDirectory { directories += 1 }
    }
    let reserved = min(
      max(Int(superblock.firstInode) - Int(first), 0), Int(superblock.inodesPerGroup))
    words.insert(0..<reserved)
    return (directories, end)
  }

  private func loadCreated(_ words: inout BitmapWords, _ group: GroupIndex) {
    words.clear()
    let first = superblock.firstInode(in: group)
    for number in createdInodes where superblock.group(of: number) == group {
      let place = Int(number.rawValue - first.rawValue)
      words.insert(place..<place + 1)
    }
  }

  /// No inode in use lies in the part of the table that counts as never used: a kernel may zero it.
  private func checkUnusedInodes(
    _ group: GroupIndex, end: Int, _ check: BitmapCheck
  ) throws(FileSystemError) {
    guard superblock.hasUninitializedGroups else { return }
    let index = Int(group.rawValue)
    let unused = groups[index].unusedInodes
    let limit = UInt32(max(check.count - end, 0))
    guard unused > limit else { return }
    let isConsequence = createdInodes.contains {
      superblock.group(of: $0) == group
        && Int($0.rawValue - superblock.firstInode(in: group).rawValue) + 1 == end
    }
    if isConsequence {
      groups[index].unusedInodes = limit
      return
    }
    if try found(
      .summary(.unusedInodes), .group(group), found: .number(UInt64(unused)),
      expected: .number(UInt64(limit)))
    {
      groups[index].unusedInodes = limit
    }
  }
}
