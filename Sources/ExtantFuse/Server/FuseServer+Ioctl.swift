import CProcesses
import CFuse3
import Ext4Format
import Extant
import ExtantBase
import Glibc
import SystemPackage

/// ioctls: our own, and those of the kernel that its FUSE client passes on.
extension FuseServer {
  static func addIoctl(_ operations: inout fuse_lowlevel_ops) {
    unsafe operations.ioctl = { raw, inode, command, argument, info, _, input, inputSize, room in
      let request = unsafe Request(raw, "ioctl")
      request.serve { (server) throws(FileSystemError) in
        let call = try unsafe IoctlCall(
          command: command, inode: InodeNumber(fuse: inode),
          file: FileInfo(info).openFile, address: UInt64(UInt(bitPattern: argument)),
          input: [UInt8](UnsafeRawBufferPointer(start: input, count: input == nil ? 0 : inputSize)),
          room: room)
        try server.answer(request, call)
      }
    }
  }

  private func answer(_ request: Request, _ call: IoctlCall) throws(FileSystemError) {
    switch call.command {
    case extant_ioc_fallocate:
      // A directory has no handle, and is never open for writing.
      guard let file = call.file else { throw .refused(.badFileDescriptor) }
      fallocateByIoctl(request, file, try call.value(as: extant_fallocate.self))
    case extant_ioc_fiemap:
      request.reply(ioctl: try fiemap(call))
    case extant_ioc_identify:
      request.reply(ioctl: Self.encoded(identity))
    case extant_ioc_sync:
      try engine.sync()
      request.reply(ioctl: [])
    case extant_fs_ioc_getflags, extant_fs_ioc32_getflags:
      request.reply(ioctl: Self.encoded(try inodeFlags(of: call.inode)))
    case extant_fs_ioc_setflags, extant_fs_ioc32_setflags:
      setInodeFlags(
        request, InodeFlags(rawValue: try call.value(as: UInt32.self)), of: call.inode)
    case extant_fs_ioc_fsgetxattr:
      request.reply(ioctl: Self.encoded(try fileAttributes(of: call.inode)))
    case extant_fs_ioc_fssetxattr:
      try setFileAttributes(request, try call.value(as: fsxattr.self), of: call.inode)
    case extant_fs_ioc_getversion, extant_fs_ioc32_getversion:
      request.reply(ioctl: Self.encoded(try engine.attributes(of: call.inode).generation))
    case extant_fs_ioc_getfslabel:
      request.reply(ioctl: Array((engine.label + [UInt8](repeating: 0, count: 256)).prefix(256)))
    case extant_fs_ioc_setfslabel:
      try requireSuperuser(request)
      guard let end = call.input.firstIndex(of: 0) else { throw .refused(.invalidArgument) }
      try engine.setLabel(Array(call.input[..<end]))
      request.reply(ioctl: [])
    case extant_fitrim:
      try requireSuperuser(request)
      request.reply(ioctl: Self.encoded(try trim(try call.value(as: fstrim_range.self))))
    case extant_ioc_shutdown:
      try requireSuperuser(request)
      try shutDown(request, call)
      request.reply(ioctl: [])
    default: throw .refused(.inappropriateIOCTLForDevice)
    }
  }

  private func requireSuperuser(_ request: Request) throws(FileSystemError) {
    guard request.caller.uid == 0 else { throw .refused(.notPermitted) }
  }

  private var identity: extant_identity {
    let superblock = engine.superblock
    var identity = extant_identity()
    identity.magic = MountedFile.magic
    identity.version = UInt32(EXTANT_IOC_VERSION)
    identity.block_size = UInt32(clamping: superblock.blockSize)
    identity.daemon = getpid()
    identity.read_only = engine.isReadOnly ? 1 : 0
    unsafe withUnsafeMutableBytes(of: &identity.uuid) { target in
      unsafe target.copyBytes(from: superblock.uuid.prefix(target.count))
    }
    return identity
  }

  // MARK: fiemap

  private func fiemap(_ call: IoctlCall) throws(FileSystemError) -> [UInt8] {
    let header = try call.value(as: FiemapHeader.self)
    guard header.flags & ~UInt32(FIEMAP_FLAG_SYNC | FIEMAP_FLAG_CACHE) == 0 else {
      throw .refused(Errno(rawValue: EBADR))
    }
    guard header.length > 0 else { throw .refused(.invalidArgument) }
    let file =
      if let open = call.file { open.file } else { try engine.openFile(call.inode, .read) }
    if header.flags & UInt32(FIEMAP_FLAG_SYNC) != 0 { try file.syncData() }
    let (end, overflow) = header.start.addingReportingOverflow(header.length)
    let counts = header.extentCount == 0
    let extents = try file.extents(
      in: header.start..<(overflow ? UInt64.max : end),
      limit: counts ? .max : min(Int(header.extentCount), Int(EXTANT_FIEMAP_PAGE)))
    var answer = header
    answer.mappedExtents = UInt32(clamping: extents.count)
    if counts { return Self.encoded(answer) }
    return Self.encoded(answer) + extents.flatMap { Self.encoded(Self.entry($0)) }
  }

  private static func entry(_ extent: FileExtent) -> extant_fiemap_extent {
    var entry = extant_fiemap_extent()
    entry.logical = extent.logical
    entry.physical = extent.physical ?? 0
    entry.length = extent.length
    var flags: Int32 = 0
    if extent.isLast { flags |= FIEMAP_EXTENT_LAST }
    if extent.isUnwritten { flags |= FIEMAP_EXTENT_UNWRITTEN }
    if extent.isDelayed { flags |= FIEMAP_EXTENT_DELALLOC | FIEMAP_EXTENT_UNKNOWN }
    entry.flags = UInt32(bitPattern: flags)
    return entry
  }

  // MARK: the whole filesystem

  private func trim(_ range: fstrim_range) throws(FileSystemError) -> fstrim_range {
    let (end, overflow) = range.start.addingReportingOverflow(range.len)
    var result = range
    result.len = try engine.trim(
      range.start..<(overflow ? UInt64.max : end), minimum: range.minlen)
    return result
  }

  /// The number says "reads", though the argument is written: the kernel passes its address only.
  private func shutDown(_ request: Request, _ call: IoctlCall) throws(FileSystemError) {
    var flags: UInt32 = 0
    let error = unsafe csys_read_process(request.process, call.address, &flags, 4)
    let noFlush: UInt32 = 2
    let isKnown = error == 0 && flags <= noFlush
    logger.warning("shut down by process \(request.process)")
    try engine.shutDown(isKnown && flags == noFlush ? .noFlush : .flush)
  }

  static func encoded<T: BitwiseCopyable>(_ value: T) -> [UInt8] {
    var value = value
    return unsafe withUnsafeBytes(of: &value) { bytes in unsafe [UInt8](bytes) }
  }
}

/// What an ioctl request brings.
struct IoctlCall {
  var command: UInt32
  var inode: InodeNumber
  /// Nil for a directory.
  var file: OpenFile?
  /// Of the argument, in the caller's memory.
  var address: UInt64
  var input: [UInt8]
  /// How many bytes may be answered.
  var room: Int

  func value<T: BitwiseCopyable>(as type: T.Type) throws(FileSystemError) -> T {
    guard input.count >= MemoryLayout<T>.size else { throw .refused(.invalidArgument) }
    return unsafe input.withUnsafeBytes { bytes in unsafe bytes.loadUnaligned(as: type) }
  }
}

/// The fields of `struct extant_fiemap` before its extents.
struct FiemapHeader: BitwiseCopyable {
  var start: UInt64
  var length: UInt64
  var flags: UInt32
  var mappedExtents: UInt32
  var extentCount: UInt32
  var reserved: UInt32
}
