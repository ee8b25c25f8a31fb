import BlockIO
import Ext4Format
import ExtantBase
import ExtentMap
import Journal
import Threading

/// Passes the journal's calls on, without a reference cycle.
final class CommitRelay: TransactionClient, @unchecked Sendable {
  weak var fileSystem: FileSystem?

  func writeData(of inodes: [InodeNumber]) {
    guard let cache = fileSystem?.cache else { return }
    for inode in inodes { _ = cache.writeBack(owner: inode) }
  }

  func settleData(_ data: OrderedData, _ handle: Handle) throws(FileSystemError) {
    try fileSystem?.settleData(data, handle)
  }

  func encode(_ handle: Handle) throws(FileSystemError) { try fileSystem?.encode(handle) }

  func didCommit(_ transaction: TransactionID) { fileSystem?.didCommit(transaction) }

  func release(_ blocks: [BlockAddress]) {
    guard let cache = fileSystem?.cache else { return }
    for address in blocks { cache.unpin(address) }
  }

  func didAbort(_ error: FileSystemError) { fileSystem?.didAbort(error) }
}

/// What a commit does: data before metadata, which is encoded late.
extension FileSystem {
  /// Brings everything that changed in memory into its blocks. Nothing else moves meanwhile.
  func encode(_ handle: Handle) throws(FileSystemError) {
    let operation = Operation(fileSystem: self, handle: handle, reserved: 0)
    linkOrphans(operation)
    for node in nodes.takeDirty() {
      try encode(node, operation)
      nodes.didEncode(node)
    }
    blocks.encode(handle: operation)
    inodes.encode(handle: operation)
    // Last: it holds the bitmaps' checksums.
    groups.encode(handle: operation)
    try encodeSuperblock(operation)
  }

  private func encode(_ node: Node, _ operation: Operation) throws(FileSystemError) {
    try node.withState { () throws(FileSystemError) in
      if !node.isFreed { try contents(of: node)?.encode(operation) }
      // The last delayed block may have gone by a punch as well as by write-back.
      if node.contents.map?.delayedBlockCount ?? 0 == 0 { node.diskSize = node.inode.size }
      var record = node.inode
      record.size =
        node.kind == .regular && !isPlanted(.sizeBeforeData) ? node.diskSize : node.inode.size
      if node.kind == .regular, record.size >= 1 << 31 { noteLargeFile() }
      let (buffer, address, range) = try inodeSlotToChange(node.number)
      operation.modify(address, buffer)
      var bytes = buffer.mutableBytes
      var slot = bytes._mutatingExtracting(range)
      record.encode(into: &slot, number: node.number, superblock: superblock)
    }
    if node.state.withLock({ node.isFreed }) { nodes.removeDeleted(node) }
  }

  /// A file past 2 GiB needs the feature that says so; e2fsck insists.
  private func noteLargeFile() {
    current.withLock { _ = $0.features.readOnlyCompat.insert(.largeFile) }
  }

  func encodeSuperblock(_ operation: Operation) throws(FileSystemError) {
    errorsToWrite.withLock { $0 = false }
    // Asked for before `current` is held: nothing else is taken under it.
    let (freeBlocks, freeInodes) = (blocks.freeBlocks, inodes.freeInodes)
    let superblock = current.withLock { superblock in
      superblock.freeBlockCount = freeBlocks
      superblock.freeInodeCount = freeInodes
      return superblock
    }
    let (address, offset) = superblockPlace
    let buffer = try read(address) { _ in }
    operation.modify(address, buffer)
    var bytes = buffer.mutableBytes
    var slot = bytes._mutatingExtracting(offset..<offset + Superblock.byteCount)
    superblock.encode(into: &slot)
  }

  /// The block of the primary superblock and where it starts there: byte 1024 of the device.
  var superblockPlace: (address: BlockAddress, offset: Int) {
    (BlockAddress(Superblock.byteOffset / blockSize64), Int(Superblock.byteOffset) % blockSize)
  }

  func didCommit(_ transaction: TransactionID) {
    blocks.didCommit(transaction.rawValue)
    inodes.didCommit(transaction.rawValue)
  }

  /// Everything so far, durable. What cannot be written of one file keeps nothing else back: the
  /// first failure is thrown when the rest is durable.
  func writeEverything() throws(FileSystemError) {
    announceRecord()
    var failure = writeBackAll()
    do throws(FileSystemError) { try cache.flushAll() } catch { failure = failure ?? error }
    let ticket = journal.flushTicket
    try journal.commit()
    try journal.flush(after: ticket)
    if let failure { throw failure }
  }
}
