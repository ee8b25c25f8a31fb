import Ext4Format
import ExtantBase

import struct SystemPackage.Errno

/// The rules of the fallocate family that do not depend on a file's contents, in the order of
/// docs/FALLOCATE.md: fallocate(2), the VFS's checks, then ext4's.
extension FileSystem {
  /// What is asked for, of which bytes; the errors that do not depend on the file's contents.
  func checkFallocate(
    _ node: Node, mode: FallocateMode, offset: Int64, length: Int64, access: FileAccess
  ) throws(FileSystemError) -> (FallocateMode.Request, Range<UInt64>) {
    guard offset >= 0, length > 0 else { throw .refused(.invalidArgument) }
    let request = try mode.request()
    guard access.contains(.write) else { throw .refused(.badFileDescriptor) }
    try checkFallocateTarget(node, mode, access)
    let end = offset.addingReportingOverflow(length)
    guard !end.overflow, UInt64(end.partialValue) <= maximumFileSize else {
      throw .refused(.fileTooLarge)
    }
    // ext4 shares no blocks: nothing to unshare, and the kernel's says so at this point.
    if request == .unshareRange { throw .refused(.notSupportedOnSocket) }
    return (request, UInt64(offset)..<UInt64(end.partialValue))
  }

  private func checkFallocateTarget(
    _ node: Node, _ mode: FallocateMode, _ access: FileAccess
  ) throws(FileSystemError) {
    let flags = node.state.withLock { node.inode.flags }
    if flags.contains(.append), !mode.subtracting(.keepSize).isEmpty {
      throw .refused(.notPermitted)
    }
    if flags.contains(.immutable) { throw .refused(.notPermitted) }
    switch node.kind {
    case .regular: break
    case .fifo: throw .refused(.illegalSeek)
    case .directory: throw .refused(.isDirectory)
    default: throw .refused(.operationNotSupportedByDevice)
    }
    guard flags.contains(.extents) else { throw .refused(.notSupportedOnSocket) }
  }
}
