import CFuse3
import Ext4Format
import Extant
import ExtantBase
import SystemPackage

/// Inode flags: the ioctls of chattr(1), lsattr(1) and xfs_io(8).
extension FuseServer {
  func inodeFlags(of inode: InodeNumber) throws(FileSystemError) -> UInt32 {
    try engine.attributes(of: inode).flags.intersection(.userVisible).rawValue
  }

  /// Answers by itself, and where a file becomes immutable from a shift worker: what mappings have
  /// dirtied until then is still to be written, which other threads must be free to do.
  ///
  /// - Parameter refusal: the answer where the flags are set.
  func setInodeFlags(
    _ request: Request, _ flags: InodeFlags, of inode: InodeNumber,
    refusal: FileSystemError? = nil
  ) {
    let mayChangeJournalData = request.callerHas(.systemResource)
    let set: @Sendable () -> Void = {
      do throws(FileSystemError) {
        try self.engine.setInodeFlags(
          flags, of: inode, mayChangeJournalData: mayChangeJournalData)
        self.invalidateAttributes(of: inode)
        if let refusal { throw refusal }
        request.reply(ioctl: [])
      } catch { request.fail(error, self) }
    }
    guard flags.contains(.immutable) else { return set() }
    shifts.run(for: inode) {
      self.invalidatePages(of: inode, from: 0)
      set()
    }
  }

  func fileAttributes(of inode: InodeNumber) throws(FileSystemError) -> fsxattr {
    let attributes = try engine.attributes(of: inode)
    var result = fsxattr()
    result.fsx_xflags = XFlags.from(attributes.flags)
    result.fsx_projid = attributes.projectID
    return result
  }

  /// Extent sizes mean nothing to ext4, and are passed over as there. EOPNOTSUPP for another project,
  /// when the flags are set, as there.
  func setFileAttributes(
    _ request: Request, _ wanted: fsxattr, of inode: InodeNumber
  ) throws(FileSystemError) {
    let attributes = try engine.attributes(of: inode)
    let refusal = FileSystemError.refused(.notSupportedOnSocket)
    guard wanted.fsx_xflags & ~XFlags.known == 0 else { throw refusal }
    let flags = XFlags.apply(wanted.fsx_xflags, to: attributes.flags.intersection(.userVisible))
    setInodeFlags(
      request, flags, of: inode,
      refusal: wanted.fsx_projid == attributes.projectID ? nil : refusal)
  }
}

/// `FS_XFLAG_*` of FS_IOC_FSGETXATTR against ext4's inode flags.
enum XFlags {
  private static let pairs: [(xflag: UInt32, flag: InodeFlags)] = [
    (UInt32(FS_XFLAG_IMMUTABLE), .immutable), (UInt32(FS_XFLAG_APPEND), .append),
    (UInt32(FS_XFLAG_SYNC), .synchronous), (UInt32(FS_XFLAG_NOATIME), .noAccessTime),
    (UInt32(FS_XFLAG_NODUMP), .noDump), (UInt32(FS_XFLAG_PROJINHERIT), .projectInherit),
    (UInt32(FS_XFLAG_DAX), .dax),
  ]

  /// Those of other filesystems as well: ext4 passes over them.
  static let known: UInt32 = 0x8001_fffb

  static func from(_ flags: InodeFlags) -> UInt32 {
    pairs.reduce(0) { flags.contains($1.flag) ? $0 | $1.xflag : $0 }
  }

  static func apply(_ xflags: UInt32, to flags: InodeFlags) -> InodeFlags {
    var flags = flags
    for (xflag, flag) in pairs {
      if xflags & xflag != 0 { flags.insert(flag) } else { flags.remove(flag) }
    }
    return flags
  }
}
