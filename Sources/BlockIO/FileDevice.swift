import CFiles
import ExtantBase
import Synchronization
import SystemPackage
import Threading

/// A device in a regular file or on a block device.
///
/// While one is open for writing no other FileDevice, of whatever process, holds the same file:
/// writers take an exclusive lock, readers a shared one, and the kernel's own mounts are looked
/// for. The size is taken once, when the device is opened.
public final class FileDevice: BlockDevice {
  public let name: String
  public let byteCount: UInt64
  public let isReadOnly: Bool
  public let isBlockDevice: Bool

  /// Held shared by every call that uses the descriptor, exclusively by `close`, so that none
  /// uses a number that the system has given to somebody else meanwhile.
  let gate = ReadWriteLock(.fileDevice)
  nonisolated(unsafe) private var openDescriptor: Int32?

  /// The size or the directory entry is new: the next flush makes metadata durable too.
  private let needsFullSync: Atomic<Bool>
  /// The errno of a failed flush, or 0. The kernel reports a lost write once, then calls the
  /// pages clean; a later flush that "succeeds" would be a lie, so it fails as well.
  private let failedFlush = Atomic<Int32>(0)
  private let ignoresDiscard = Atomic(false)

  /// Opens `path`.
  ///
  /// `create`: makes a missing regular file of this many bytes, all zero (a hole), and extends a
  /// shorter one. A longer file, or a block device, keeps its size; a block device that is
  /// smaller is refused with ENOSPC. Only with `.readWrite`.
  ///
  /// Throws `.io`: with `.open` what open(2) says, EBUSY for a block device that is mounted or an
  /// image that the kernel has mounted through a loop device (both only for writing), EROFS for a
  /// block device that takes no writes, EISDIR and ENOTBLK for what is neither file nor block
  /// device; with `.lock` EBUSY when another program holds it.
  public init(
    path: String, access: DeviceAccess, create: UInt64? = nil
  ) throws(FileSystemError) {
    let writable = access == .readWrite
    let (descriptor, created) = try Self.open(path, writable: writable, create: create != nil)
    do throws(FileSystemError) {
      var status = csys_file_status()
      try Self.check(unsafe csys_file_status(descriptor, &status), .open, path)
      try Self.refuseOtherKinds(status, path)
      if writable, status.kind == CSYS_FILE_BLOCK_DEVICE,
        csys_block_device_is_read_only(descriptor) != 0
      {
        throw Self.failure(
          .open, Errno.readOnlyFileSystem.rawValue, path, reason: "the device is write-protected")
      }
      try Self.lock(descriptor, exclusive: writable, path)
      if writable, status.kind == CSYS_FILE_REGULAR {
        try Self.refuseIfMountedThroughLoop(status, path)
      }
      var resized = false
      if writable, let wanted = create, status.byte_count < wanted {
        guard status.kind == CSYS_FILE_REGULAR else {
          throw Self.failure(
            .resize, Errno.noSpace.rawValue, path,
            reason: "the block device has \(status.byte_count) bytes, \(wanted) are wanted")
        }
        try Self.check(csys_file_set_size(descriptor, wanted), .resize, path)
        status.byte_count = wanted
        resized = true
      }
      if created { try Self.check(unsafe csys_file_sync_directory(path), .open, path) }
      name = path
      byteCount = status.byte_count
      isReadOnly = !writable
      isBlockDevice = status.kind == CSYS_FILE_BLOCK_DEVICE
      needsFullSync = Atomic(resized || created)
      unsafe openDescriptor = descriptor
    } catch {
      _ = csys_file_close(descriptor)
      throw error
    }
  }

  deinit {
    if let descriptor = unsafe openDescriptor { _ = csys_file_close(descriptor) }
  }

  public func close() throws(FileSystemError) {
    gate.lockExclusive()
    defer { gate.unlock() }
    guard let descriptor = unsafe openDescriptor else {
      throw Self.failure(.flush, Errno.badFileDescriptor.rawValue, name, reason: "closed before")
    }
    unsafe openDescriptor = nil
    // The locks go with the descriptor: nobody else holds a copy of it (O_CLOEXEC).
    try Self.check(csys_file_close(descriptor), .flush, name)
  }

  /// Once it has failed it fails for ever: see `failedFlush`.
  public func flush() throws(FileSystemError) {
    try withDescriptor(.flush) { (descriptor) throws(FileSystemError) in
      guard !isReadOnly else { return }
      try refuseAfterFailedFlush()
      let full = needsFullSync.exchange(false, ordering: .acquiringAndReleasing)
      let error = full ? csys_file_sync(descriptor) : csys_file_datasync(descriptor)
      noteFlush(error)
      try Self.check(error, .flush, name)
      try refuseIfShrunk(descriptor, .flush)
    }
  }

  func refuseAfterFailedFlush() throws(FileSystemError) {
    let earlier = failedFlush.load(ordering: .relaxed)
    guard earlier == 0 else {
      throw Self.failure(.flush, earlier, name, reason: "an earlier flush failed")
    }
  }

  func noteFlush(_ error: Int32) {
    if error != 0 { failedFlush.store(error, ordering: .relaxed) }
  }

  /// Punches a hole into a file, or discards on a block device; only whole 4 KiB inside the
  /// range. What cannot be discarded stays, silently: it is a hint.
  public func discard(_ range: Range<UInt64>) throws(FileSystemError) {
    try checkWritable(.discard, at: range.lowerBound)
    guard range.upperBound <= byteCount else {
      throw Self.failure(
        .discard, Errno.invalidArgument.rawValue, name, offset: range.lowerBound,
        reason: "the range reaches past the device's end at \(byteCount)")
    }
    let unit: UInt64 = 4096
    let start = range.lowerBound.addingReportingOverflow(unit - 1).partialValue / unit * unit
    let end = range.upperBound / unit * unit
    try withDescriptor(.discard) { (descriptor) throws(FileSystemError) in
      guard start < end, !ignoresDiscard.load(ordering: .relaxed) else { return }
      let error =
        isBlockDevice
        ? csys_block_device_discard(descriptor, start, end - start)
        : csys_file_punch(descriptor, start, end - start)
      let unable: [Errno] = [.notSupportedOnSocket, .noFunction, .inappropriateIOCTLForDevice]
      if unable.contains(Errno(rawValue: error)) {
        ignoresDiscard.store(true, ordering: .relaxed)
        return
      }
      try Self.check(error, .discard, name, offset: start)
    }
  }

  /// Holes of a file are zero; of a block device nothing is known.
  public func firstData(in range: Range<UInt64>) throws(FileSystemError) -> UInt64? {
    guard !range.isEmpty else { return nil }
    guard !isBlockDevice else { return range.lowerBound }
    return try withDescriptor(.read) { (descriptor) throws(FileSystemError) in
      var found: UInt64 = 0
      let error = unsafe csys_file_seek_data(descriptor, range.lowerBound, &found)
      if error == Errno.noSuchAddressOrDevice.rawValue { return nil }
      // A filesystem that does not tell.
      guard error == 0 else { return range.lowerBound }
      return found < range.upperBound ? max(found, range.lowerBound) : nil
    }
  }

  /// A block device that can zero by itself does; in a file zeros are holes already, or data.
  public func zeroOut(_ range: Range<UInt64>) throws(FileSystemError) -> Bool {
    try checkWritable(.write, at: range.lowerBound)
    guard isBlockDevice, !range.isEmpty, range.upperBound <= byteCount else { return false }
    return try withDescriptor(.write) { (descriptor) throws(FileSystemError) in
      // Of a block device this is the call that zeroes, and is refused where it would have to write.
      csys_file_punch(descriptor, range.lowerBound, range.upperBound - range.lowerBound) == 0
    }
  }

  /// Runs `body` with the descriptor, which stays open until it returns. EBADF when closed.
  func withDescriptor<R>(
    _ operation: DeviceFailure.Operation, _ body: (Int32) throws(FileSystemError) -> R
  ) throws(FileSystemError) -> R {
    gate.lockShared()
    defer { gate.unlock() }
    guard let descriptor = unsafe openDescriptor else {
      throw Self.failure(operation, Errno.badFileDescriptor.rawValue, name, reason: "closed")
    }
    return try body(descriptor)
  }

  /// Throws EIO when the file has become shorter than it was when we opened it.
  func refuseIfShrunk(
    _ descriptor: Int32, _ operation: DeviceFailure.Operation
  ) throws(FileSystemError) {
    var status = csys_file_status()
    try Self.check(unsafe csys_file_status(descriptor, &status), operation, name)
    guard status.byte_count >= byteCount else {
      throw Self.failure(
        operation, Errno.ioError.rawValue, name, offset: status.byte_count,
        reason: "somebody cut the file from \(byteCount) to \(status.byte_count) bytes")
    }
  }
}
