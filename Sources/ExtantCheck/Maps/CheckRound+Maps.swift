import BlockIO
import Ext4Format
import ExtantBase

extension CheckRound {
  /// Pass 1 for the map in i_block: mends it, claims its blocks, adds a directory's blocks to
  /// `directories.runs`, and sets what `ExaminedInode` says of blocks. Not called for inodes whose
  /// i_block is no map.
  func checkMap(_ inode: inout ExaminedInode) throws(FileSystemError) {
    var examiner = MapExaminer(self, inode)
    if inode.raw.flags.contains(.extents) {
      try examiner.examineExtents()
    } else {
      try examiner.examineTranslator()
      try examiner.examinePointers()
    }
    examiner.finish()
    inode = examiner.inode
  }
}
