import CFiles
import CFuse3
import SystemPackage

/// What a mount says of itself: `EXTANT_IOC_IDENTIFY`.
public struct MountIdentity: Sendable, Equatable {
  /// In bytes: the unit of collapse and insert.
  public var blockSize: Int
  /// The process that serves the mount, by its own number.
  public var daemon: Int32
  public var isReadOnly: Bool
  public var uuid: [UInt8]
}

/// One extent of a file in a mount.
public struct MountedExtent: Sendable, Equatable {
  /// In bytes from the file's start.
  public var logical: UInt64
  /// In bytes from the image's start.
  public var physical: UInt64
  /// In bytes.
  public var length: UInt64
  /// `FIEMAP_EXTENT_*`.
  public var flags: UInt32
}

/// A file in a mount of ours, reached through its ioctls: for programs outside the daemon.
///
/// The calls work on any filesystem: where a file is not ours, the kernel's own fallocate(2) and
/// FS_IOC_FIEMAP are used.
public enum MountedFile {
  /// EXTANT_IOC_MAGIC, which Swift does not import.
  static let magic: UInt64 = 0x5346_544e_4154_5845

  /// Nil when the file lies on no mount of ours.
  public static func identify(_ file: FileDescriptor) -> MountIdentity? {
    var identity = extant_identity()
    let result = unsafe csys_ioctl(file.rawValue, UInt(extant_ioc_identify), &identity)
    guard result >= 0, identity.magic == magic else { return nil }
    let uuid = unsafe withUnsafeBytes(of: identity.uuid) { unsafe Array($0) }
    return MountIdentity(
      blockSize: Int(identity.block_size), daemon: identity.daemon,
      isReadOnly: identity.read_only != 0, uuid: uuid)
  }

  /// syncfs(2), which the kernel does not pass on to FUSE: everything that reached the daemon of
  /// this file's mount is durable when it returns.
  public static func syncAll(_ file: FileDescriptor) throws(Errno) {
    let result = csys_ioctl(file.rawValue, UInt(extant_ioc_sync), nil)
    guard result >= 0 else { throw Errno(rawValue: -result) }
  }

  /// fallocate(2), with every mode. `file` must be open for writing.
  public static func fallocate(
    _ file: FileDescriptor, mode: Int32, offset: Int64, length: Int64
  ) throws(Errno) {
    let plain = csys_fallocate(file.rawValue, mode, offset, length)
    guard plain != 0 else { return }
    guard plain == EOPNOTSUPP, identify(file) != nil else { throw Errno(rawValue: plain) }
    var request = extant_fallocate(offset: offset, length: length, mode: mode, reserved: 0)
    let result = unsafe csys_ioctl(file.rawValue, UInt(extant_ioc_fallocate), &request)
    guard result >= 0 else { throw Errno(rawValue: -result) }
    // The kernel learns the new size from the answer.
    var status = stat()
    _ = unsafe fstat(file.rawValue, &status)
  }

  /// The extents of a file of our mounts that touch the range, in order. Dirty data is written
  /// first, so that every extent has its place. Throws ENOTTY for a file of any other filesystem.
  public static func extents(
    _ file: FileDescriptor, in range: Range<UInt64> = 0..<UInt64.max
  ) throws(Errno) -> [MountedExtent] {
    var result: [MountedExtent] = []
    var position = range.lowerBound
    while position < range.upperBound {
      var page = extant_fiemap()
      page.start = position
      page.length = range.upperBound - position
      page.flags = UInt32(FIEMAP_FLAG_SYNC)
      page.extent_count = UInt32(EXTANT_FIEMAP_PAGE)
      let error = unsafe csys_ioctl(file.rawValue, UInt(extant_ioc_fiemap), &page)
      guard error >= 0 else { throw Errno(rawValue: -error) }
      let count = min(Int(page.mapped_extents), Int(EXTANT_FIEMAP_PAGE))
      let extents = unsafe withUnsafeBytes(of: &page.extents) { bytes in
        unsafe Array(bytes.bindMemory(to: extant_fiemap_extent.self).prefix(count))
      }
      result += extents.map {
        MountedExtent(
          logical: $0.logical, physical: $0.physical, length: $0.length, flags: $0.flags)
      }
      guard let last = extents.last, last.flags & UInt32(FIEMAP_EXTENT_LAST) == 0 else { break }
      let (next, overflow) = last.logical.addingReportingOverflow(last.length)
      guard !overflow, next > position else { break }
      position = next
    }
    return result
  }
}
