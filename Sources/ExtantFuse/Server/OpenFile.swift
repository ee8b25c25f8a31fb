import CFuse3
import Extant
import ExtantBase
import Glibc
import SystemPackage
import Threading

/// A file that a program has open: what `fh` of a request stands for.
final class OpenFile: Sendable {
  let inode: InodeNumber
  let file: File
  /// In an ioctl the kernel does not check how the file was opened, and does not tell.
  let isWritable: Bool
  /// The inode was append-only when it was opened: so is this, though fcntl(2) lets go of O_APPEND
  /// without asking us.
  let isAppendOnly: Bool
  let gate: InodeGate
  private let synchrony: Synchrony
  private let gates: InodeGates
  /// The file opened a second time, to append: made when it is first needed.
  private let appender = Guarded<File?>(nil, .appender)

  /// What is durable when a change through this descriptor returns.
  enum Synchrony {
    case nothing
    /// O_DSYNC: as after fdatasync(2).
    case data
    /// O_SYNC: as after fsync(2).
    case everything

    init(_ flags: Int32) {
      // O_SYNC has the bit of O_DSYNC and one more.
      self = flags & O_SYNC == O_SYNC ? .everything : flags & O_DSYNC != 0 ? .data : .nothing
    }
  }

  init(
    _ file: File, _ inode: InodeNumber, isWritable: Bool, isAppendOnly: Bool = false,
    _ synchrony: Synchrony, _ gates: InodeGates
  ) {
    self.file = file
    self.inode = inode
    self.isWritable = isWritable
    self.isAppendOnly = isAppendOnly
    self.synchrony = synchrony
    self.gates = gates
    gate = gates.enter(inode, isWritable: isWritable)
  }

  deinit { gates.leave(inode, isWritable: isWritable) }

  /// What O_SYNC and O_DSYNC ask for after a change.
  func syncIfAsked() throws(FileSystemError) {
    switch synchrony {
    case .nothing: break
    case .data: try file.syncData()
    case .everything: try file.sync()
    }
  }

  func close() {
    file.close()
    appender.withLock { $0?.close() }
  }

  /// Writes at the end of the file, wherever that is by now.
  ///
  /// A file opened with O_APPEND can still be written elsewhere, through a mapping; so `file` itself
  /// is not open to append.
  func append(_ bytes: RawSpan) throws(FileSystemError) -> Int {
    let appender = try appender.withLock { (appender) throws(FileSystemError) -> File in
      if let appender { return appender }
      let new = try file.fileSystem.openFile(
        inode, file.access.union([.write, .append]))
      appender = new
      return new
    }
    return try appender.write(bytes, at: 0)
  }
}

/// libfuse's `fuse_file_info`, and the open file behind its `fh`.
@safe struct FileInfo {
  let raw: UnsafeMutablePointer<fuse_file_info>

  /// EBADF where the request names no open file.
  init(_ raw: UnsafeMutablePointer<fuse_file_info>?) throws(FileSystemError) {
    guard let raw = unsafe raw else { throw .refused(.badFileDescriptor) }
    unsafe self.raw = raw
  }

  /// With the blocks that the superblock keeps back, where they are for who opens.
  func access(of caller: Caller, on engine: FileSystem) -> FileAccess {
    engine.mayUseReserve(caller) ? access.union(.usesReserve) : access
  }

  var flags: Int32 { unsafe raw.pointee.flags }
  /// A write of a page that a mapping dirtied, not of a call to write(2).
  var isFromPageCache: Bool { unsafe raw.pointee.writepage != 0 }

  var access: FileAccess {
    switch flags & O_ACCMODE {
    case O_RDONLY: .read
    case O_WRONLY: .write
    default: .readWrite
    }
  }

  /// Hands one reference of `file` to the kernel, to be taken back by `release`.
  func install(_ file: OpenFile) {
    let pointer = unsafe Unmanaged.passRetained(file).toOpaque()
    unsafe raw.pointee.fh = UInt64(UInt(bitPattern: pointer))
    // One owner of the image: what the kernel has cached of a file stays true between opens.
    unsafe raw.pointee.keep_cache = 1
    unsafe raw.pointee.noflush = 1
  }

  var openFile: OpenFile? {
    guard let pointer = unsafe pointer else { return nil }
    return unsafe Unmanaged<OpenFile>.fromOpaque(pointer).takeUnretainedValue()
  }

  func requireOpenFile() throws(FileSystemError) -> OpenFile {
    guard let file = openFile else { throw .refused(.badFileDescriptor) }
    return file
  }

  func release() -> OpenFile? {
    guard let pointer = unsafe pointer else { return nil }
    unsafe raw.pointee.fh = 0
    return unsafe Unmanaged<OpenFile>.fromOpaque(pointer).takeRetainedValue()
  }

  private var pointer: UnsafeMutableRawPointer? {
    unsafe UnsafeMutableRawPointer(bitPattern: UInt(raw.pointee.fh))
  }
}
