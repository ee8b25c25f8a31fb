import ExtantBase
import struct SystemPackage.Errno
import Threading

/// An open file. Holds a reference to its inode until `close`: the contents outlive the name.
public final class File: @unchecked Sendable {
  public let fileSystem: FileSystem
  public let access: FileAccess
  let node: Node
  private let isClosed = Guarded(false, .closing)
  let readAhead = ReadAhead()

  init(_ fileSystem: FileSystem, _ node: Node, _ access: FileAccess) {
    self.fileSystem = fileSystem
    self.node = node
    self.access = access
  }

  deinit { close() }

  public var inode: InodeNumber { node.number }

  /// Gives the reference back. What was written is not yet durable: that is `sync`.
  public func close() {
    let first = isClosed.withLock { closed in
      defer { closed = true }
      return !closed
    }
    guard first else { return }
    if access.contains(.write) { fileSystem.blocks.dropPreallocation(node.number) }
    // What a large file's map holds beside the device's copy would stay as long as the inode.
    node.state.withLock { node.contents.map?.unloadCleanNodes() }
    fileSystem.release(node)
  }

  public func attributes() -> Attributes { fileSystem.attributes(of: node) }

  /// Reads from `offset` (in bytes) on; short only at the end of the file, 0 past it.
  public func read(
    into bytes: inout MutableRawSpan, at offset: UInt64
  ) throws(FileSystemError) -> Int {
    guard access.contains(.read) else { throw .refused(.badFileDescriptor) }
    let contents = try contents()
    try fileSystem.requireRunning()
    let window = readAhead.window(
      offset: offset, byteCount: bytes.byteCount, blockSize: fileSystem.blockSize64)
    node.lock.lockShared()
    defer { node.lock.unlock() }
    let count = try fileSystem.watch { () throws(FileSystemError) in
      try contents.read(into: &bytes, at: offset, readAhead: window)
    }
    fileSystem.noteAccess(node)
    return count
  }

  /// Writes at `offset` in bytes, or at the end of a file opened to append. Returns what was
  /// written: less than asked only where the disk filled up on the way.
  ///
  /// Throws ENOSPC where nothing fits, EFBIG past the largest file, EPERM on an immutable file.
  public func write(_ bytes: RawSpan, at offset: UInt64) throws(FileSystemError) -> Int {
    guard access.contains(.write) else { throw .refused(.badFileDescriptor) }
    let contents = try contents()
    try fileSystem.requireWritable()
    guard bytes.byteCount > 0 else { return 0 }
    try fileSystem.watch { () throws(FileSystemError) in try fileSystem.throttle(contents) }
    node.lock.lockExclusive()
    defer { node.lock.unlock() }
    try requireChangeable()
    let start = access.contains(.append) ? node.size : offset
    return try fileSystem.watch { () throws(FileSystemError) in
      try contents.write(bytes, at: start, claim: access.claim)
    }
  }

  /// Sets the size in bytes; growing leaves a hole.
  public func truncate(to size: UInt64) throws(FileSystemError) {
    guard access.contains(.write) else { throw .refused(.invalidArgument) }
    let contents = try contents()
    try fileSystem.requireWritable()
    node.lock.lockExclusive()
    defer { node.lock.unlock() }
    try requireChangeable()
    guard !node.state.withLock({ node.inode.flags.contains(.append) }) else {
      throw .refused(.notPermitted)
    }
    try fileSystem.watch { () throws(FileSystemError) in
      try contents.truncate(to: size)
    }
  }

  /// fsync(2): contents and attributes are durable when this returns.
  public func sync() throws(FileSystemError) { try fileSystem.sync(node, dataOnly: false) }

  /// fdatasync(2): contents, and what is needed to read them back.
  public func syncData() throws(FileSystemError) { try fileSystem.sync(node, dataOnly: true) }

  private func contents() throws(FileSystemError) -> FileContents {
    switch node.kind {
    case .regular: return try fileSystem.mappedContents(of: node)
    case .directory: throw .refused(.isDirectory)
    default: throw .refused(.invalidArgument)
    }
  }

  private func requireChangeable() throws(FileSystemError) {
    let (deleted, immutable) = node.state.withLock {
      (node.isDeleted, node.inode.flags.contains(.immutable))
    }
    if deleted { throw .refused(.staleNFSFileHandle) }
    if immutable { throw .refused(.notPermitted) }
  }
}
