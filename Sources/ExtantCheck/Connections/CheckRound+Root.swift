import BlockIO
import Ext4Format
import ExtantBase

extension CheckRound {
  /// Makes the root directory anew where pass 1 found none. What was in it has no names then, and
  /// is connected by the passes that follow.
  func ensureRoot() throws(FileSystemError) {
    guard !inodes.isInUse(.root) else { return }
    let wasCleared = reporter.report.issues.contains { $0.kind == .inode(.rootNotDirectory) }
    if !wasCleared {
      guard try found(.connection(.rootMissing), .inode(.root)) else {
        throw .corrupt(Corruption("root directory", inode: .root, "there is none"))
      }
    }
    guard let made = try makeDirectory(.root, in: .root, permissions: 0o755) else {
      throw .corrupt(
        Corruption("root directory", inode: .root, "there is none, and no block for another"))
    }
    var entry = made
    // Pass 2 is still to come, and counts its names.
    entry.namesCounted = 0
    inodes[.root] = entry
    directories.add(DirectoryList.Directory(inode: .root))
  }

  /// Writes a directory's inode and its one block, with "." and "..". Nil where there is no block.
  ///
  /// - Returns: what the ledger shall say of it, its name counted not yet.
  func makeDirectory(
    _ number: InodeNumber, in parent: InodeNumber, permissions: UInt16
  ) throws(FileSystemError) -> InodeLedger.Entry? {
    guard let address = claims.allocate(near: goal(of: number)) else { return nil }
    let mode = FileKind.directory.rawValue | permissions
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
    format.initialise(&bytes, parent: parent)
    format.seal(&bytes)
    try image.write(buffer, at: address)
    try writeInode(number, raw)
    directories.runs.append(
      DirectoryList.Run(inode: number, logical: 0, address: address, count: 1))
    var entry = InodeLedger.Entry()
    entry.isInUse = true
    entry.kind = .directory
    entry.linkCount = 2
    entry.namesCounted = 1
    return entry
  }
}
