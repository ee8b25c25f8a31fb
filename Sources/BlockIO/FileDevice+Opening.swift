import CFiles
import ExtantBase
import SystemPackage
import Threading

extension FileDevice {
  static func failure(
    _ operation: DeviceFailure.Operation, _ error: Int32, _ path: String, offset: UInt64? = nil,
    reason: String? = nil
  ) -> FileSystemError {
    .io(
      DeviceFailure(
        operation, Errno(rawValue: error), offset: offset, device: path, reason: reason))
  }

  static func check(
    _ error: Int32, _ operation: DeviceFailure.Operation, _ path: String, offset: UInt64? = nil
  ) throws(FileSystemError) {
    guard error == 0 else { throw failure(operation, error, path, offset: offset) }
  }

  /// Tries until it is no more refused with `busy`, for a fifth of a second: udev holds block devices
  /// for moments after each close, and a daemon on its way out holds what it served for moments too.
  private static func waiting(while busy: Errno, _ attempt: () -> Int32) -> Int32 {
    for _ in 0..<10 {
      let error = attempt()
      guard error == busy.rawValue else { return error }
      Clock.sleep(nanoseconds: 20_000_000)
    }
    return attempt()
  }

  static func open(
    _ path: String, writable: Bool, create: Bool
  ) throws(FileSystemError) -> (descriptor: Int32, created: Bool) {
    var descriptor: Int32 = -1
    var created: Int32 = 0
    let error = waiting(while: .resourceBusy) {
      unsafe csys_file_open(path, writable ? 1 : 0, create ? 1 : 0, &descriptor, &created)
    }
    if error == 0 { return (descriptor, created != 0) }
    var status = csys_file_status()
    if unsafe csys_path_status(path, &status) == 0 { try refuseOtherKinds(status, path) }
    throw failure(
      .open, error, path,
      reason: error == Errno.resourceBusy.rawValue
        ? "the block device is mounted, or another program has claimed it" : nil)
  }

  static func refuseOtherKinds(
    _ status: csys_file_status, _ path: String
  ) throws(FileSystemError) {
    let wanted = "it takes an image in a file, or a block device"
    switch status.kind {
    case CSYS_FILE_DIRECTORY:
      throw failure(.open, Errno.isDirectory.rawValue, path, reason: wanted)
    case CSYS_FILE_OTHER:
      throw failure(.open, Errno.notBlockDevice.rawValue, path, reason: wanted)
    default: return
    }
  }

  /// Takes the lock that keeps two writers apart.
  static func lock(
    _ descriptor: Int32, exclusive: Bool, _ path: String
  ) throws(FileSystemError) {
    let error = waiting(while: .wouldBlock) { csys_file_lock(descriptor, exclusive ? 1 : 0) }
    if error == 0 { return }
    guard error == Errno.wouldBlock.rawValue else { throw failure(.lock, error, path) }
    throw failure(
      .lock, Errno.resourceBusy.rawValue, path,
      reason: exclusive
        ? "another program is using it" : "another program has it open for writing")
  }

  static func refuseIfMountedThroughLoop(
    _ status: csys_file_status, _ path: String
  ) throws(FileSystemError) {
    var name = [CChar](repeating: 0, count: 64)
    let error = unsafe csys_file_mounted_through_loop(
      status.device_major, status.device_minor, status.inode, &name, name.count)
    // Any other error: no /sys here, and then no loop mount that we could know of.
    guard error == Errno.resourceBusy.rawValue else { return }
    let loop = String(
      decoding: name.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }, as: UTF8.self)
    throw failure(.open, error, path, reason: "the kernel has it mounted through /dev/\(loop)")
  }

  /// Refuses what is mounted, for readers who would make nothing of a filesystem that changes;
  /// opening for writing does so by itself. What cannot be looked at is not refused here.
  ///
  /// - Throws: `.io` with EBUSY.
  public static func refuseIfMounted(_ path: String) throws(FileSystemError) {
    var status = csys_file_status()
    guard unsafe csys_path_status(path, &status) == 0 else { return }
    switch status.kind {
    case CSYS_FILE_REGULAR:
      try refuseIfMountedThroughLoop(status, path)
    case CSYS_FILE_BLOCK_DEVICE where unsafe csys_block_device_is_claimed(path) != 0:
      throw failure(
        .open, Errno.resourceBusy.rawValue, path,
        reason: "the block device is mounted, or another program has claimed it")
    default: break
    }
  }
}
