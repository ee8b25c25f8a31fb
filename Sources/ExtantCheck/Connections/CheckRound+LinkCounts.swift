import BlockIO
import Ext4Format
import ExtantBase

extension CheckRound {
  /// A directory of more names says 1: nobody counts them.
  static let linkLimit: UInt16 = 65_000
  /// Files of more names than this are not counted further, as e2fsck does not.
  private static let countLimit: UInt32 = 65_500

  /// Pass 4: every inode in use has a name, and as many as it says.
  func checkLinkCounts() throws(FileSystemError) {
    guard inodes[.root].namesCounted > 0 else { return }
    options.progress?(4, 0)
    var suspects: [InodeNumber] = []
    inodes.forEachInUse { number, entry in
      if UInt32(entry.linkCount) != entry.namesCounted { suspects.append(number) }
    }
    for number in suspects where isCounted(number) { try checkLinks(of: number) }
    try connectDisplaced()
    options.progress?(4, 1)
  }

  /// Reserved inodes have no names, but for the root.
  private func isCounted(_ number: InodeNumber) -> Bool {
    number == .root
      || (number.rawValue >= superblock.firstInode && !superblock.isHidden(number))
  }

  private func checkLinks(of number: InodeNumber) throws(FileSystemError) {
    let entry = inodes[number]
    guard entry.isInUse, let kind = entry.kind else { return }
    if kind == .directory { return try checkDirectoryLinks(number) }
    if entry.namesCounted == 0 {
      guard try nameNameless(number, kind) else { return }
    }
    let counted = min(inodes[number].namesCounted, Self.countLimit)
    guard min(UInt32(entry.linkCount), Self.countLimit) != counted else { return }
    guard
      try found(
        .connection(.linkCount), .inode(number), found: .number(UInt64(entry.linkCount)),
        expected: .number(UInt64(counted)))
    else { return }
    try setLinkCount(number, UInt16(truncatingIfNeeded: counted))
  }

  /// Names an inode without a name, or deletes it where that loses nothing.
  ///
  /// - Returns: whether it has a name now.
  private func nameNameless(
    _ number: InodeNumber, _ kind: FileKind
  ) throws(FileSystemError) -> Bool {
    let raw = try readInode(number)
    // Its attribute's holder could not be mended.
    if raw.flags.contains(.eaInode) { return false }
    // One with inline data is kept: it may have attributes and no block.
    if kind == .regular, raw.wholeSize == 0, raw.storedBlocks(superblock) == 0,
      !raw.flags.contains(.inlineData),
      try found(.connection(.namelessEmpty), .inode(number))
    {
      try freeInode(number)
      return false
    }
    let issue = Issue(.connection(.nameless), .inode(number))
    guard try reporter.found(issue) else { return false }
    if try giveName(to: number, kind) { return true }
    reporter.giveUp(issue)
    return false
  }

  private func checkDirectoryLinks(_ number: InodeNumber) throws(FileSystemError) {
    let entry = inodes[number]
    // One that stays unreachable was reported.
    guard entry.namesCounted > 0 else { return }
    var counted = entry.namesCounted
    if counted > UInt32(Self.linkLimit) {
      counted = 1
      if !superblock.features.readOnlyCompat.contains(.dirNlink),
        try found(.connection(.manyLinks), .inode(number))
      {
        superblock.features.readOnlyCompat.insert(.dirNlink)
      }
    }
    guard UInt32(entry.linkCount) != counted else { return }
    var issue = ConnectionIssue.directoryLinkCount
    // 1 is what the kernel leaves in a large one that became smaller.
    if entry.linkCount == 1, try readInode(number).flags.contains(.index) {
      issue = .overflownLinkCount
    }
    guard
      try found(
        .connection(issue), .inode(number), found: .number(UInt64(entry.linkCount)),
        expected: .number(UInt64(counted)))
    else { return }
    try setLinkCount(number, UInt16(truncatingIfNeeded: counted))
  }

  private func setLinkCount(
    _ number: InodeNumber, _ count: UInt16
  ) throws(FileSystemError) {
    var raw = try readInode(number)
    raw.linkCount = count
    try writeInode(number, raw)
    inodes[number].linkCount = count
    if lostAndFound?.number == number { try lostAndFound?.reload() }
  }
}
