// TEMPORARY: compile-time stand-in until the real one lands; whoever pushes the real one deletes this file (git rm).
import ExtantBase
import BlockIO
public enum CopyOutcome { case done, moved, full }
public enum BlockContent { case fresh, existing }
public final class BlockCache: Sendable {
  public init(device: any BlockDevice, blockSize: Int, byteLimit: Int) {}
  public func block(at: BlockAddress, verify: (RawSpan) throws(FileSystemError) -> Void) throws(FileSystemError) -> BlockBuffer { BlockBuffer(byteCount: 4) }
  public func newBlock(at: BlockAddress) -> BlockBuffer { BlockBuffer(byteCount: 4) }
  @discardableResult public func pin(_ address: BlockAddress) -> Bool { true }
  public func unpin(_ address: BlockAddress) {}
  public func copyOut(from address: BlockAddress, byteOffset: Int, into bytes: inout MutableRawSpan, readAhead: Int) throws(FileSystemError) -> CopyOutcome { .done }
  public func copyIn(_ bytes: RawSpan, to address: BlockAddress, byteOffset: Int, owner: InodeNumber, content: BlockContent) throws(FileSystemError) -> CopyOutcome { .done }
  public func zero(_ byteCount: Int, from address: BlockAddress, byteOffset: Int, owner: InodeNumber, content: BlockContent) throws(FileSystemError) -> CopyOutcome { .done }
  public func allocateVirtualRun(count: UInt64) -> BlockAddress { BlockAddress(0) }
  public func rename(_ virtual: BlockAddress, count: UInt64, to physical: BlockAddress) {}
  public func discard(_ a: BlockAddress, count: UInt64) {}
  public func flush(owner: InodeNumber) throws(FileSystemError) {}
  public func flushAll() throws(FileSystemError) {}
  public var dirtyByteCount: Int { 0 }
  public var dirtyLimit: Int { 0 }
  public var dirtyOwners: Set<InodeNumber> { [] }
}
