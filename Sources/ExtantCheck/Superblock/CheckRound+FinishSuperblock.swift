import BlockIO
import Ext4Format
import ExtantBase
import ImageIO

extension CheckRound {
  /// Writes the descriptors and the superblock, and their copies where they differ in what a copy
  /// must have.
  func finishSuperblock() throws(FileSystemError) {
    try storeGroups()
    try settleState()
    try storeSuperblock()
    try checkCopies()
  }

  /// The state that the filesystem has when all is repaired: checked now, and clean. Not where
  /// somebody wants something left as it is.
  private func settleState() throws(FileSystemError) {
    if !superblock.state.contains(.clean), try found(.superblock(.notClean), .filesystem) {
      markChecked()
    }
    if superblock.state.contains(.errors) || superblock.errorCount > 0,
      try found(
        .superblock(.errorsRecorded), .filesystem, found: .number(UInt64(superblock.errorCount)))
    {
      superblock.forgetErrors()
      markChecked()
    }
    if SuperblockCheck.isDue(superblock, now), try found(.superblock(.checkDue), .filesystem) {
      markChecked()
    }
    if reporter.repairsInRound > 0 { markChecked() }
  }

  private func markChecked() {
    guard reporter.report.leftCount == 0 else { return }
    superblock.state.insert(.clean)
    superblock.mountCount = 0
    superblock.lastCheck = now
    superblock.writeTime = now
  }

  /// Writes the superblock to its place, where it differs.
  func storeSuperblock() throws(FileSystemError) {
    let buffer = BlockBuffer(byteCount: Superblock.byteCount)
    var bytes = buffer.mutableBytes
    superblock.encode(into: &bytes)
    let before = try image.overlay.superblockBytes()
    guard before.map({ buffer.bytes.isEqual(to: $0.bytes) }) != true else { return }
    try image.overlay.store(superblock, isDurable: false)
  }

  // MARK: Copies

  /// Writes the copies that are of no use for this filesystem, or not any more.
  private func checkCopies() throws(FileSystemError) {
    // What this round changed is not the copies' fault.
    let isQuiet = reporter.repairsInRound > 0
    let holders = superblock.copyHolders
    for holder in holders { try checkSuperblockCopy(in: holder, isQuiet: isQuiet) }
    var first: UInt32 = 0
    while first < superblock.groupCount {
      try checkDescriptorCopies(of: GroupIndex(first), among: holders, isQuiet: isQuiet)
      first += superblock.descriptorsPerBlock
    }
  }

  private func checkSuperblockCopy(
    in holder: GroupIndex, isQuiet: Bool
  ) throws(FileSystemError) {
    let address = superblock.superblockBlock(in: holder)
    let block = try image.block(address)
    if let copy = try? Superblock(block.bytes), copy.hasSameLayout(as: superblock) { return }
    let place = Place(group: holder, block: address)
    guard try shallWrite(.copyDiffers, place, isQuiet) else { return }
    var bytes = block.mutableBytes
    superblock.encodeBackup(in: holder, into: &bytes)
    try image.write(block, at: address)
  }

  private func shallWrite(
    _ issue: SuperblockIssue, _ place: Place, _ isQuiet: Bool
  ) throws(FileSystemError) -> Bool {
    if isQuiet { return true }
    return try found(.superblock(issue), place)
  }

  /// The copies of the block of descriptors that starts with `first`'s.
  private func checkDescriptorCopies(
    of first: GroupIndex, among holders: [GroupIndex], isQuiet: Bool
  ) throws(FileSystemError) {
    let table = try image.block(superblock.descriptorBlock(for: first))
    let buffer = BlockBuffer(byteCount: image.blockSize)
    for holder in superblock.descriptorHolders(of: first, among: holders) {
      guard let address = superblock.descriptorBlock(for: first, backupIn: holder) else {
        continue
      }
      try image.read(address, into: buffer)
      guard !hasSameTables(buffer, first),
        try shallWrite(
          .descriptorCopyDiffers, Place(group: holder, block: address), isQuiet)
      else { continue }
      try image.write(table, at: address)
    }
  }

  /// Whether a block of descriptors puts bitmaps and tables where they are.
  private func hasSameTables(_ buffer: BlockBuffer, _ first: GroupIndex) -> Bool {
    let last = min(first.rawValue + superblock.descriptorsPerBlock, superblock.groupCount)
    for index in first.rawValue..<last where Int(index) < groups.count {
      let offset = superblock.descriptorOffset(for: GroupIndex(index))
      let bytes = buffer.bytes.extracting(offset..<offset + superblock.descriptorSize)
      let copy = GroupDescriptor(unchecked: bytes, superblock: superblock)
      let group = groups[Int(index)]
      guard copy.blockBitmap == group.blockBitmap, copy.inodeBitmap == group.inodeBitmap,
        copy.inodeTable == group.inodeTable,
        GroupDescriptor.hasValidChecksum(
          bytes, group: GroupIndex(index), superblock: superblock)
      else { return false }
    }
    return true
  }
}
