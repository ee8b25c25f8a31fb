import Ext4Format
// TEMPORARY: compile-time stand-in until the real one lands; whoever pushes the real one deletes this file (git rm).
import ExtantBase

extension FileSystem {
  func releaseAttributeBlock(of: Node, _ o: Operation) throws(FileSystemError) {}
  func changeAccessList(of: Node, toMode: UInt16) throws(FileSystemError) {}
  struct Inherited {
    var mode: UInt16
    var blockCount: UInt64
  }
  func inheritedAccess(_ p: Node, _ k: FileKind, _ m: UInt16, _ c: Caller) throws(FileSystemError)
    -> Inherited
  { Inherited(mode: m & ~c.umask, blockCount: 0) }
  func apply(_ i: Inherited, to: Node, _ o: Operation) throws(FileSystemError) {}
  func orphanFileEntries() throws(FileSystemError) -> [InodeNumber] { [] }
  func clearOrphanFile() throws(FileSystemError) {}
}
