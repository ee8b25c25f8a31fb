import BlockIO
import Ext4Format
import ExtantBase
import ExtentMap

/// The orphan file (feature `orphan_file`): a second place for the numbers of orphans, which the
/// kernel fills. It is read and emptied at opening; our own orphans go on the superblock's list,
/// which a filesystem with an orphan file has too.
extension FileSystem {
  /// The inodes it names.
  func orphanFileEntries() throws(FileSystemError) -> [InodeNumber] {
    var found: [InodeNumber] = []
    try forEachOrphanBlock { (contents, _, _, _) in
      found += contents.inodes.filter { $0 != 0 }.map(InodeNumber.init)
    }
    return found
  }

  /// Empties it, and takes the mark off the superblock that says it is not.
  func clearOrphanFile() throws(FileSystemError) {
    guard current.withLock({ $0.features.readOnlyCompat.contains(.orphanPresent) }) else { return }
    var full: [(address: BlockAddress, buffer: BlockBuffer, seed: UInt32?)] = []
    try forEachOrphanBlock { (contents, address, buffer, seed) in
      if contents.inodes.contains(where: { $0 != 0 }) {
        full.append((address, buffer, seed))
      }
    }
    try perform { (operation) throws(FileSystemError) in
      for block in full {
        operation.modify(block.address, block.buffer)
        var bytes = block.buffer.mutableBytes
        OrphanFileBlock(inodes: []).encode(
          into: &bytes, at: block.address, checksumSeed: block.seed)
      }
      current.withLock { _ = $0.features.readOnlyCompat.remove(.orphanPresent) }
      operation.handle.noteChange()
    }
  }

  private func forEachOrphanBlock(
    _ body: (OrphanFileBlock, BlockAddress, BlockBuffer, UInt32?) -> Void
  ) throws(FileSystemError) {
    guard let number = superblock.orphanFileInode else { return }
    let node = try makeNode(number, try readInode(number))
    guard let map = node.contents.map else {
      throw .corrupt(Corruption("orphan file", inode: number, "it maps no blocks"))
    }
    let seed = checksumSeed(inode: number, generation: node.inode.generation)
    for run in try map.runs() where run.state == .written {
      for index in 0..<run.count {
        let address = run.address + index
        let buffer = try read(address) { _ in }
        let contents = try OrphanFileBlock(
          buffer.bytes, at: address, orphanFile: number, inodeCount: superblock.inodeCount,
          checksumSeed: seed)
        body(contents, address, buffer, seed)
      }
    }
  }
}
