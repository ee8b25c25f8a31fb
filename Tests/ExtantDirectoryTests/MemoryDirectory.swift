import BlockIO
import Ext4Format
import ExtantBase

@testable import Extant

/// A directory in memory, to be worked on by `DirectoryEntries`.
///
/// Logical block n is at address 1000 + n. A block that changes unannounced is a failed
/// precondition.
final class MemoryDirectory: DirectoryStorage {
  var format: DirectoryBlockFormat
  var hash: DirectoryHash
  var mayBeIndexed: Bool
  private(set) var hasIndexFlag = false
  var blocks: [BlockBuffer] = []
  /// Blocks that the current operation may append.
  var reserved = 0
  var operationCount = 0
  /// Lets everything pass, as a cache does with a block that it verified in another role.
  var skipsVerifying = false

  static let inode = InodeNumber(12)
  static let firstAddress: UInt64 = 1000

  init(
    blockSize: Int, checksumSeed: UInt32? = 0x1234_5678, mayBeIndexed: Bool = true,
    version: DirectoryHash.Version = .halfMD4, inode: InodeNumber = MemoryDirectory.inode,
    seed: [UInt32] = [1, 2, 3, 4], hasFileType: Bool = true
  ) {
    format = DirectoryBlockFormat(
      inode: inode, blockSize: blockSize, hasFileType: hasFileType, checksumSeed: checksumSeed,
      inodeCount: 1 << 31)
    hash = DirectoryHash(version: version, isUnsigned: false, seed: seed)
    self.mayBeIndexed = mayBeIndexed
  }

  var blockCount: UInt64 { UInt64(blocks.count) }
  var entries: DirectoryEntries<MemoryDirectory> { DirectoryEntries(self) }

  func read(
    _ logical: LogicalBlock,
    verify: (RawSpan, BlockAddress) throws(FileSystemError) -> Void
  ) throws(FileSystemError) -> DirectoryBlock {
    let address = BlockAddress(Self.firstAddress + logical.rawValue)
    let buffer = blocks[Int(logical.rawValue)]
    // Again and again, unlike the engine: what we write must always pass.
    if !skipsVerifying, blocks.count < 100 || operationCount % 11 == 0 {
      try verify(buffer.bytes, address)
    }
    return DirectoryBlock(logical: logical, address: address, buffer: buffer)
  }

  func append(_ handle: RecordingHandle) throws(FileSystemError) -> DirectoryBlock {
    precondition(reserved > 0, "a block that nobody reserved")
    reserved -= 1
    let logical = LogicalBlock(blockCount)
    blocks.append(BlockBuffer(byteCount: format.blockSize))
    let address = BlockAddress(Self.firstAddress + logical.rawValue)
    return DirectoryBlock(
      logical: logical, address: address, buffer: blocks[blocks.count - 1])
  }

  func setIndexFlag(_ handle: RecordingHandle) { hasIndexFlag = true }
}

/// A handle that remembers what was announced, with the bytes from before.
final class RecordingHandle: MetadataHandle {
  private(set) var announced: [BlockAddress: BlockBuffer] = [:]

  func modify(_ address: BlockAddress, _ buffer: BlockBuffer) { announced[address] = buffer }
  func newBlock(_ address: BlockAddress) -> BlockBuffer { BlockBuffer(byteCount: 4096) }
  func forget(_ address: BlockAddress) { announced[address] = nil }
}

extension MemoryDirectory {
  /// One number for the contents of each block.
  var fingerprints: [UInt32] {
    blocks.map { buffer in crc32c(~0, buffer.bytes) }
  }

  /// Runs one operation and checks (in a big directory: now and then) that only announced blocks
  /// changed.
  func change<R>(
    reserving count: Int = 0,
    _ body: (RecordingHandle) throws(FileSystemError) -> R
  ) throws(FileSystemError) -> R {
    reserved = count
    operationCount += 1
    let isChecked = blocks.count < 24 || operationCount % 101 == 0
    let before = isChecked ? fingerprints : []
    let handle = RecordingHandle()
    let result = try body(handle)
    let after = isChecked ? fingerprints : []
    for (index, fingerprint) in before.enumerated() {
      let address = BlockAddress(Self.firstAddress + UInt64(index))
      precondition(
        handle.announced[address] != nil || after[index] == fingerprint,
        "block \(index) changed unannounced")
    }
    reserved = 0
    return result
  }

  func initialise(parent: InodeNumber = .root) throws(FileSystemError) {
    try change(reserving: 1) { (handle) throws(FileSystemError) in
      try entries.initialise(parent: parent, handle)
    }
  }

  func insert(
    _ name: [UInt8], _ inode: UInt32, _ kind: FileKind = .regular
  ) throws(FileSystemError) {
    let plan = try entries.planInsertion(of: name)
    precondition(plan.newBlockCount <= DirectoryInsertion.worstCaseNewBlocks)
    try change(reserving: plan.newBlockCount) { (handle) throws(FileSystemError) in
      try entries.insert(plan, inode: InodeNumber(inode), kind, handle)
    }
  }

  /// False when there is no such name.
  func remove(_ name: [UInt8]) throws(FileSystemError) -> Bool {
    guard let match = try entries.lookup(name) else { return false }
    try change { (handle) throws(FileSystemError) in try entries.remove(match, handle) }
    return true
  }

  /// Everything, in pieces of `step` entries.
  func list(step: Int = .max) throws(FileSystemError) -> [DirectoryEntry] {
    var result: [DirectoryEntry] = []
    var cookie: UInt64 = 0
    while true {
      var piece: [DirectoryEntry] = []
      try entries.forEachEntry(from: cookie) { entry in
        guard piece.count < step else { return false }
        piece.append(entry)
        return true
      }
      guard let last = piece.last else { return result }
      result += piece
      cookie = last.nextCookie
    }
  }
}
