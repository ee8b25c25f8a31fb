import Ext4Format
import ExtantBase

extension CheckRound {
  /// A name leads to an inode in the part of a table that its descriptor says was never used. If the
  /// slot holds an inode, the descriptor is what is wrong: the whole table is to be read, by a
  /// restart of the round. To be called for names of inodes that are not in use, by the passes after
  /// pass 1.
  ///
  /// - Returns: whether the inode will be looked at: its name stays as it is until then.
  func nameInUnusedPart(_ number: InodeNumber) throws(FileSystemError) -> Bool {
    guard superblock.hasUninitializedGroups, let group = superblock.group(of: number) else {
      return false
    }
    let index = Int(group.rawValue)
    let slot = number.rawValue - superblock.firstInode(in: group).rawValue
    // Groups that were set right await the restart: their other names do too.
    if restartGroups.contains(group) { return true }
    guard index < groups.count, slot >= scannedInodeCount(in: group) else { return false }
    guard try readInode(number).linkCount != 0,
      try found(.inode(.namedInUnusedPart), Place(group: group, inode: number))
    else { return false }
    groups[index].unusedInodes = 0
    groups[index].flags.remove(.inodeUninit)
    restartGroups.insert(group)
    return true
  }

  var mustRestart: Bool { !restartGroups.isEmpty }
}
