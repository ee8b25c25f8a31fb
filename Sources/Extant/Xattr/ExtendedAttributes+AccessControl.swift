import Ext4Format
import ExtantBase
import SystemPackage

// Access control lists are attributes whose value ext4 stores in a form of its own, and whose
// change may change the inode's mode.
extension ExtendedAttributes {
  /// The list called `name`, one of the two ACLs; nil where there is none.
  func accessControlList(_ name: XattrName) throws(FileSystemError) -> AccessControlList? {
    guard let value = try value(of: name) else { return nil }
    return try AccessControlList(disk: value, inode: storage.number)
  }

  /// An attribute's value as getxattr(2) gives it; nil where there is none.
  func linuxValue(of name: XattrName) throws(FileSystemError) -> [UInt8]? {
    name == .accessACL || name == .defaultACL
      ? try accessControlList(name)?.encodeForLinux() : try value(of: name)
  }

  /// What setxattr(2) of one of the two ACLs comes to.
  ///
  /// - Parameters:
  ///   - value: in Linux's form; a list without entries removes.
  ///   - mode: the inode's 16 bits. A list that the mode's nine bits can say is not stored.
  /// - Returns: the change, and the mode that the inode gets. (Whether the caller may keep the
  ///   set-group-id bit is the caller's to decide.)
  ///
  /// Throws EINVAL for a list that is not valid, EACCES for a default list of anything but a
  /// directory, EOPNOTSUPP for a symbolic link, ENOSPC.
  func planSetAccessControlList(
    _ name: XattrName, _ value: [UInt8], mode: UInt16
  ) throws(FileSystemError) -> (change: XattrChange, mode: UInt16) {
    let kind = FileKind(mode: mode)
    guard kind != .symbolicLink else { throw .refused(.notSupported) }
    let entries = value.isEmpty ? [] : try AccessControlList.entries(linux: value)
    // The kernel asks whether the list may be there before it asks whether it is valid.
    guard name == .accessACL || kind == .directory || entries.isEmpty else {
      throw .refused(.permissionDenied)
    }
    let list = entries.isEmpty ? nil : try AccessControlList(entries)
    var mode = mode
    var stored = list
    if name == .accessACL, let list {
      mode = mode & ~0o777 | list.modeBits
      if list.isEquivalentToMode { stored = nil }
    }
    return (try planStore(stored, name), mode)
  }

  /// Stores or removes, with no complaint when there is nothing to remove.
  private func planStore(
    _ list: AccessControlList?, _ name: XattrName
  ) throws(FileSystemError) -> XattrChange {
    try plan { (layout) throws(FileSystemError) in
      if let list {
        let value = list.encodeForDisk()
        if layout.value(of: name) != value { try layout.set(Xattr(name, value)) }
      } else {
        _ = layout.remove(name)
      }
    }
  }
}

/// What a new inode gets from its directory's default list and its creator's umask.
struct InheritedAccess {
  /// All 16 bits.
  var mode: UInt16
  var access: AccessControlList?
  /// The new directory's own default list.
  var standard: AccessControlList?

  /// - Parameters:
  ///   - directoryDefault: the directory's default list, nil where it has none. The umask counts
  ///     only then.
  ///   - mode: what was asked for, the kind's bits included.
  init(_ directoryDefault: AccessControlList?, mode: UInt16, umask: UInt16) {
    guard FileKind(mode: mode) != .symbolicLink else {
      self.mode = mode
      return
    }
    guard let directoryDefault else {
      self.mode = mode & ~(umask & 0o777)
      return
    }
    (access, self.mode) = directoryDefault.inherited(mode: mode)
    if FileKind(mode: mode) == .directory { standard = directoryDefault }
  }

  /// Blocks to reserve for them.
  var worstCaseNewBlocks: UInt64 {
    attributes.isEmpty ? 0 : UInt64(ExtendedAttributes.worstCaseNewBlocks)
  }

  /// The attributes to store.
  var attributes: [Xattr] {
    var attributes: [Xattr] = []
    if let standard { attributes.append(Xattr(.defaultACL, standard.encodeForDisk())) }
    if let access { attributes.append(Xattr(.accessACL, access.encodeForDisk())) }
    return attributes
  }
}
