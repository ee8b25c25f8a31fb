import BlockIO
import Ext4Format
import ExtantBase

/// One of the two bitmaps that each group has.
enum GroupBitmap {
  case blocks
  case inodes

  var address: KeyPath<GroupDescriptor, BlockAddress> {
    switch self {
    case .blocks: \.blockBitmap
    case .inodes: \.inodeBitmap
    }
  }

  var checksum: WritableKeyPath<GroupDescriptor, UInt32> {
    switch self {
    case .blocks: \.blockBitmapChecksum
    case .inodes: \.inodeBitmapChecksum
    }
  }

  /// The flag of a bitmap that was never written.
  var uninit: GroupDescriptor.Flags {
    switch self {
    case .blocks: .blockUninit
    case .inodes: .inodeUninit
    }
  }

  func computeChecksum(_ bytes: RawSpan, _ superblock: Superblock) -> UInt32 {
    switch self {
    case .blocks: Bitmap.blockChecksum(bytes, superblock: superblock)
    case .inodes: Bitmap.inodeChecksum(bytes, superblock: superblock)
    }
  }
}

extension CheckRound {
  /// One group's bitmap, its checksum and its flag.
  ///
  /// - Parameters:
  ///   - used: bits of `check.expected` that stand for something.
  ///   - implied: sets what a bitmap that was never written stands for.
  ///   - special: see `BitmapCheck.compare`.
  /// - Returns: how many are free by the bitmap, before and after repairs.
  func compareBitmap(
    _ bitmap: GroupBitmap, _ check: inout BitmapCheck, _ reader: inout BitmapReader,
    _ group: GroupIndex, _ used: Int, followsRepairs: Bool,
    implied: (inout BitmapWords) -> Void, special: () -> BitmapWords
  ) throws(FileSystemError) -> (before: UInt64, after: UInt64) {
    let index = Int(group.rawValue)
    let address = groups[index][keyPath: bitmap.address]
    // One that was to stay in the superblock's block is not touched.
    guard superblock.contains(address), address.rawValue > UInt64(superblock.firstDataBlock) else {
      let free = UInt64(check.count - used)
      return (free, free)
    }
    let place = Place(group: group, block: address)
    if superblock.hasUninitializedGroups, groups[index].flags.contains(bitmap.uninit) {
      implied(&check.stored)
      let before = check.freeCount
      if try check.compareUninit(self, place) {
        groups[index].flags.remove(bitmap.uninit)
        try writeBitmap(bitmap, check.stored, group)
      }
      return (before, check.freeCount)
    }
    try reader.seek(index)
    let bytes = reader.window.bytes.extracting(reader.range)
    if check.expected.isEqual(to: bytes) {
      let computed = bitmap.computeChecksum(bytes, superblock)
      let stored = superblock.hasMetadataChecksums ? groups[index][keyPath: bitmap.checksum] : 0
      if stored != computed, try found(.summary(check.kinds.checksum), place) {
        groups[index][keyPath: bitmap.checksum] = computed
      }
      let free = UInt64(check.count - used)
      return (free, free)
    }
    check.stored.load(bytes)
    let before = check.freeCount
    if try check.compare(self, place, followsRepairs: followsRepairs, special: special) {
      try writeBitmap(bitmap, check.stored, group)
    }
    return (before, check.freeCount)
  }

  private func writeBitmap(
    _ bitmap: GroupBitmap, _ words: BitmapWords, _ group: GroupIndex
  ) throws(FileSystemError) {
    let buffer = BlockBuffer(byteCount: superblock.blockSize)
    var bytes = buffer.mutableBytes
    words.store(&bytes)
    let index = Int(group.rawValue)
    try image.write(buffer, at: groups[index][keyPath: bitmap.address])
    groups[index][keyPath: bitmap.checksum] = bitmap.computeChecksum(buffer.bytes, superblock)
  }
}
