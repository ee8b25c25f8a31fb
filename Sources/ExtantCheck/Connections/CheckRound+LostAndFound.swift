import BlockIO
import Ext4Format
import ExtantBase

extension CheckRound {
  private static let lostAndFoundName = Array("lost+found".utf8)

  /// Gives an inode that has no name one in lost+found; what a directory says of its parent follows.
  func giveName(to number: InodeNumber, _ kind: FileKind) throws(FileSystemError) {
    guard let editor = try openLostAndFound(), try editor.connect(number, kind) else {
      // What was reported stays as it is.
      reporter.report.leftCount += 1
      return
    }
    guard kind == .directory, let place = directories.index(of: number) else { return }
    directories[place].parent = editor.number
    try setDotDot(of: number, to: editor.number)
  }

  /// Connects directories that had the name lost+found and could not be used.
  func connectDisplaced() throws(FileSystemError) {
    while let number = displacedDirectories.popLast() { try giveName(to: number, .directory) }
  }

  /// lost+found, made or mended where that is needed; the root directory where it cannot be had.
  private func openLostAndFound() throws(FileSystemError) -> DirectoryEditor? {
    if let lostAndFound { return lostAndFound }
    if lostAndFoundIsImpossible { return nil }
    if let number = try lookUp(Self.lostAndFoundName, in: .root) {
      lostAndFound = try openLostAndFound(number)
    } else if try found(.connection(.lostFoundMissing), .inode(.root)) {
      lostAndFound = try makeLostAndFound()
    }
    if lostAndFound == nil {
      if try found(.connection(.lostFoundImpossible), .inode(.root)) {
        lostAndFound = try DirectoryEditor(self, .root)
      }
    }
    lostAndFoundIsImpossible = lostAndFound == nil
    return lostAndFound
  }

  /// Opens what is called lost+found, or puts another in its place.
  private func openLostAndFound(
    _ number: InodeNumber
  ) throws(FileSystemError) -> DirectoryEditor? {
    let isDirectory = directories.index(of: number) != nil
    if isDirectory, let editor = try DirectoryEditor(self, number) { return editor }
    let issue: ConnectionIssue = isDirectory ? .lostFoundEncrypted : .lostFoundNoDirectory
    guard try found(.connection(issue), .inode(number)),
      try removeName(of: number, in: .root)
    else { return nil }
    inodes[number].namesCounted &-= 1
    if let place = directories.index(of: number) {
      directories[place].parent = nil
      displacedDirectories.append(number)
    }
    return try makeLostAndFound()
  }

  /// Makes lost+found, as mke2fs does but for its size. Nil where there is no inode or no block.
  private func makeLostAndFound() throws(FileSystemError) -> DirectoryEditor? {
    guard let number = freeInodeNumber(near: .root),
      let root = try DirectoryEditor(self, .root),
      let address = claims.allocate(near: goal(of: number))
    else { return nil }
    let mode = FileKind.directory.rawValue | 0o700
    let time = Timestamp(seconds: now)
    let inode = Inode(mode: mode, uid: 0, gid: 0, time: time, superblock: superblock)
    var raw = RawInode(byteCount: superblock.inodeSize)
    raw.bytes.withMutableBytes { inode.encode(into: &$0, number: number, superblock: superblock) }
    raw.linkCount = 2
    if superblock.features.incompat.contains(.extents) { raw.flags.insert(.extents) }
    raw.wholeSize = UInt64(superblock.blockSize)
    guard try writeMap(number, &raw, [MapRun(logical: 0, address: address, count: 1)]) else {
      claims.release(address)
      return nil
    }
    let buffer = BlockBuffer(byteCount: superblock.blockSize)
    var bytes = buffer.mutableBytes
    let format = directoryFormat(number, raw)
    format.initialise(&bytes, parent: .root)
    format.seal(&bytes)
    try image.write(buffer, at: address)
    try writeInode(number, raw)
    var entry = InodeLedger.Entry()
    entry.isInUse = true
    entry.kind = .directory
    entry.linkCount = 2
    entry.namesCounted = 1
    inodes[number] = entry
    guard try root.insert(Self.lostAndFoundName, number, .directory) else {
      claims.release(address)
      try clearSlot(number, raw)
      inodes[number] = InodeLedger.Entry()
      return nil
    }
    createdInodes.append(number)
    directories.add(DirectoryList.Directory(inode: number, dotDot: .root, parent: .root))
    directories.runs.append(
      DirectoryList.Run(inode: number, logical: 0, address: address, count: 1))
    try countName(of: .root, by: 1)
    return try DirectoryEditor(self, number)
  }
}
