// TEMPORARY: compile-time stand-in until the real one lands; whoever pushes the real one deletes this file (git rm).
import ExtantBase
import Ext4Format
final class GroupTable { init(superblock: Superblock, reader: any MetadataReader) throws(FileSystemError) {}
 func encode(handle: any MetadataHandle) throws(FileSystemError) {} }
final class BlockAllocator: @unchecked Sendable { init(superblock: Superblock, groups: GroupTable, reader: any MetadataReader) {}
  var freeBlocks: UInt64 { 0 }
  var reservedBlocks: UInt64 { 0 }
  var reservableBlocks: UInt64 { 0 }
  func reserve(_ n: UInt64, privileged: Bool) throws(FileSystemError) {}
  func release(_ n: UInt64) {}
  func allocate(goal: BlockAddress, wanted: UInt64, window: UInt64 = 0, reserved: Bool, stream: InodeNumber?, handle: any MetadataHandle) throws(FileSystemError) -> (start: BlockAddress, count: UInt64) { (goal, 1) }
  func free(_ s: BlockAddress, count: UInt64, transaction: UInt64, handle: any MetadataHandle) throws(FileSystemError) {}
  func didCommit(_ t: UInt64) {}
  func dropPreallocation(_ i: InodeNumber) {}
  func encode(handle: any MetadataHandle) throws(FileSystemError) {}
  func trim(_ r: Range<BlockAddress>, minimum: UInt64, _ d: (BlockAddress, UInt64) throws(FileSystemError) -> Void) throws(FileSystemError) -> UInt64 { 0 }
}
final class InodeAllocator: @unchecked Sendable { init(superblock: Superblock, groups: GroupTable, reader: any MetadataReader) {}
  var freeInodes: UInt32 { 0 }
  func location(of: InodeNumber) throws(FileSystemError) -> (block: BlockAddress, offset: Int) { (BlockAddress(0), 0) }
  func goalBlock(for: InodeNumber) -> BlockAddress { BlockAddress(0) }
  func allocate(kind: FileKind, parent: InodeNumber, transaction: UInt64, handle: any MetadataHandle) throws(FileSystemError) -> InodeNumber { parent }
  func free(_ n: InodeNumber, wasDirectory: Bool, handle: any MetadataHandle) throws(FileSystemError) {}
  func encode(handle: any MetadataHandle) throws(FileSystemError) {}
}
extension FileSystem {
  func releaseAttributeBlock(of: Node, _ o: Operation) throws(FileSystemError) {}
  func changeAccessList(of: Node, toMode: UInt16) throws(FileSystemError) {}
  struct Inherited { var mode: UInt16; var blockCount: UInt64 }
  func inheritedAccess(_ p: Node, _ k: FileKind, _ m: UInt16, _ c: Caller) throws(FileSystemError) -> Inherited { Inherited(mode: m & ~c.umask, blockCount: 0) }
  func apply(_ i: Inherited, to: Node, _ o: Operation) throws(FileSystemError) {}
  func orphanFileEntries() throws(FileSystemError) -> [InodeNumber] { [] }
  func clearOrphanFile() throws(FileSystemError) {}
}
