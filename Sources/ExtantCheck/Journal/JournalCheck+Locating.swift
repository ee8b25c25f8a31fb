import BlockIO
import Ext4Format
import ExtantBase
import Journal
import ImageIO

/// A journal inside the filesystem: blocks that start with a journal's magic number.
struct FoundJournal {
  let number: InodeNumber
  let area: JournalArea
  /// Its blocks are known from the superblock's copy of the inode.
  let isFromBackup: Bool
}

extension JournalCheck {
  /// Finds the journal, with nothing but the superblock to be believed: through the inode that it names,
  /// or inode 8, as the table of descriptors or a copy of it has it, or through the copy of that inode
  /// in the superblock. Nil where none of these leads to a journal.
  func locate() throws(FileSystemError) -> FoundJournal? {
    var numbers = [InodeNumber(superblock.storedJournalInode)]
    if numbers[0] != .journal { numbers.append(.journal) }
    // Without feature and name nothing says that there is a journal.
    guard superblock.storedJournalInode != 0 || superblock.features.compat.contains(.hasJournal)
    else { return nil }
    for number in numbers {
      guard let group = superblock.group(of: number) else { continue }
      for address in descriptorBlocks(group) {
        let inode = JournalInode(device: image.overlay, superblock: superblock, number: number)
        guard let raw = try sound({ () throws(FileSystemError) in try inode.read(address) })
        else { continue }
        if let area = try area(number, raw) {
          return FoundJournal(number: number, area: area, isFromBackup: false)
        }
      }
    }
    if let raw = inodeInBackup(), let area = try area(.journal, raw) {
      return FoundJournal(number: .journal, area: area, isFromBackup: true)
    }
    return nil
  }

  /// Blocks of the descriptor table, and of its first copies, that hold the descriptor of `group`.
  private func descriptorBlocks(_ group: GroupIndex) -> [BlockAddress] {
    var addresses = [superblock.descriptorBlock(for: group)]
    var holder: UInt32 = 1
    while holder < min(superblock.groupCount, 50), addresses.count < 3 {
      if let copy = superblock.descriptorBlock(for: group, backupIn: GroupIndex(holder)) {
        addresses.append(copy)
      }
      holder += 1
    }
    return addresses
  }

  /// The blocks that an inode leads to, where they are a journal's.
  private func area(
    _ number: InodeNumber, _ raw: RawInode
  ) throws(FileSystemError) -> JournalArea? {
    guard let area = try area(of: number, raw) else { return nil }
    return try hasMagic(area) ? area : nil
  }

  /// The blocks that an inode leads to, where they could be a journal's.
  func area(of number: InodeNumber, _ raw: RawInode) throws(FileSystemError) -> JournalArea? {
    let inode = JournalInode(device: image.overlay, superblock: superblock, number: number)
    guard raw.linkCount > 0, raw.flags.isDisjoint(with: [.encrypted, .inlineData]),
      let area = try sound({ () throws(FileSystemError) in try inode.area(of: raw) }),
      area.blockCount >= JournalSuperblock.minimumBlockCount,
      raw.wholeSize <= UInt64(area.blockCount) * UInt64(area.blockSize)
    else { return nil }
    return area
  }

  func hasMagic(_ area: JournalArea) throws(FileSystemError) -> Bool {
    let block = BlockBuffer(byteCount: area.blockSize)
    try area.read(area.superblockBlock, into: block)
    return block.bytes.be32(JournalSuperblock.Field.magic) == JournalSuperblock.magic
  }

  /// The journal's inode, made of what the superblock keeps of it; nil where it keeps none.
  func inodeInBackup() -> RawInode? {
    guard superblock.journalBackupType == 1 else { return nil }
    let words = superblock.journalBlocksBackup
    guard words.count == 17, words[0] != 0 else { return nil }
    var raw = RawInode(byteCount: superblock.inodeSize)
    raw.mode = FileKind.regular.rawValue | 0o600
    raw.linkCount = 1
    for index in 0..<15 { raw.setBlockWord(index, words[index]) }
    raw.sizeHigh = words[15]
    raw.sizeLow = words[16]
    if raw.le16(RawInode.blockAreaOffset) == ExtentNode.magic { raw.flags = .extents }
    if superblock.inodeSize > Inode.baseSize { raw.extraSize = Inode.knownExtraSize }
    return raw
  }

  /// What `body` gives; nil where it finds the image corrupt.
  func sound<Value>(
    _ body: () throws(FileSystemError) -> Value
  ) throws(FileSystemError) -> Value? {
    do throws(FileSystemError) {
      return try body()
    } catch .corrupt {
      return nil
    } catch {
      throw error
    }
  }
}
