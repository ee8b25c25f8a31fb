import BlockIO
import Ext4Format
import ExtantBase

/// Translators of the Hurd: a word of the inode names a block that says which program stands in the file's
/// place. It belongs to the inode as blocks of its map do, where that is one of pointers.
extension CheckRound {
  /// The block of a mended inode's translator; nil where it has none.
  func translatorBlock(_ number: InodeNumber, _ raw: RawInode) -> BlockAddress? {
    guard superblock.isHurd, !raw.flags.contains(.extents), hasMap(number, raw) else { return nil }
    let address = BlockAddress(UInt64(raw.translator))
    return isMappable(address) ? address : nil
  }

  /// Gives each translator whose block somebody else claims, too, a block of its own.
  ///
  /// To be called when all claims are known.
  func moveSharedTranslators() throws(FileSystemError) {
    guard superblock.isHurd else { return }
    for number in inodes.numbersInUse {
      var raw = try readInode(number)
      guard let address = translatorBlock(number, raw), claims.isShared(address),
        try found(.map(.translatorShared), Place(inode: number, block: address))
      else { continue }
      if let copy = claims.allocate(near: address) {
        try image.write(try image.block(address), at: copy)
        raw.translator = UInt32(truncatingIfNeeded: copy.rawValue)
      } else if try found(.map(.translatorNoRoom), Place(inode: number, block: address)) {
        raw.translator = 0
      }
      try writeInode(number, raw)
    }
  }
}

extension MapExaminer {
  mutating func examineTranslator() throws(FileSystemError) {
    guard round.superblock.isHurd, inode.raw.translator != 0 else { return }
    let address = BlockAddress(UInt64(inode.raw.translator))
    guard round.isMappable(address) else {
      if try found(.translatorOutside, found: .number(address.rawValue)) {
        inode.change { $0.translator = 0 }
      }
      return
    }
    round.claims.claim(address)
  }
}
