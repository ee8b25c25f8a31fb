import Ext4Format
import ExtantBase

import struct SystemPackage.Errno

/// Extended attributes by their full names: "user.comment", "system.posix_acl_access".
///
/// Who may read or change which is the caller's to check, but for what no one may: EPERM for a
/// change on an immutable or append-only inode, or of a `user.` attribute on anything but a file
/// or directory.
extension FileSystem {
  /// getxattr(2): ENODATA where there is no such attribute. The ACLs come in Linux's form.
  public func extendedAttribute(
    _ name: [UInt8], of inode: InodeNumber
  ) throws(FileSystemError) -> [UInt8] {
    let name = try XattrName(name)
    try requireRunning()
    return try withNode(inode) { (node) throws(FileSystemError) -> [UInt8] in
      try node.lock.withSharedLock { () throws(FileSystemError) -> [UInt8] in
        guard let value = try xattrs(of: node).linuxValue(of: name) else {
          throw .refused(.noData)
        }
        return value
      }
    }
  }

  /// listxattr(2): the full names.
  public func extendedAttributeNames(
    of inode: InodeNumber
  ) throws(FileSystemError) -> [[UInt8]] {
    try withNode(inode) { (node) throws(FileSystemError) -> [[UInt8]] in
      try node.lock.withSharedLock { () throws(FileSystemError) -> [[UInt8]] in
        try xattrs(of: node).all().compactMap(\.name.text)
      }
    }
  }

  /// setxattr(2): EEXIST and ENODATA as the flags say, ENOSPC where there is no room, E2BIG past
  /// 64 KiB. An access ACL changes the mode; one that the mode can say is not stored.
  /// - Parameter dropsSetGroupID: an access ACL takes set-group-ID away: who sets it is neither in
  ///   the file's group nor has CAP_FSETID.
  public func setExtendedAttribute(
    _ name: [UInt8], _ value: [UInt8], of inode: InodeNumber,
    _ flags: ExtendedAttributeFlags = [], by caller: Caller = .superuser,
    dropsSetGroupID: Bool = false
  ) throws(FileSystemError) {
    let name = try XattrName(name)
    try changeXattrs(of: inode, name, caller) {
      (xattrs, inode) throws(FileSystemError) -> (XattrChange, UInt16) in
      if name == .accessACL || name == .defaultACL {
        var (change, mode) = try xattrs.planSetAccessControlList(name, value, mode: inode.mode)
        if dropsSetGroupID, name == .accessACL { mode &= ~0o2000 }
        return (change, mode)
      }
      return (try xattrs.planSet(name, value, flags), inode.mode)
    }
  }

  /// removexattr(2): ENODATA where there is no such attribute; an ACL may be missing.
  public func removeExtendedAttribute(
    _ name: [UInt8], of inode: InodeNumber, by caller: Caller = .superuser
  ) throws(FileSystemError) {
    let name = try XattrName(name)
    try changeXattrs(of: inode, name, caller) {
      (xattrs, inode) throws(FileSystemError) -> (XattrChange, UInt16) in
      if name == .accessACL || name == .defaultACL {
        return try xattrs.planSetAccessControlList(name, [], mode: inode.mode)
      }
      return (try xattrs.planRemoval(of: name), inode.mode)
    }
  }

  private func changeXattrs(
    of inode: InodeNumber, _ name: XattrName, _ caller: Caller,
    _ plan: (ExtendedAttributes, Inode) throws(FileSystemError) -> (XattrChange, UInt16)
  ) throws(FileSystemError) {
    try requireWritable()
    try withNode(inode) { (node) throws(FileSystemError) in
      try node.lock.withExclusiveLock { () throws(FileSystemError) in
        let inode = node.state.withLock { node.inode }
        guard inode.flags.isDisjoint(with: [.immutable, .append]) else {
          throw .refused(.notPermitted)
        }
        if name.isUser, node.kind != .regular, node.kind != .directory {
          throw .refused(.notPermitted)
        }
        let xattrs = try xattrs(of: node)
        let (change, mode) = try plan(xattrs, inode)
        guard !change.isEmpty || mode != inode.mode else { return }
        try perform(reserving: UInt64(change.newBlockCount), claim: claim(of: caller)) {
          (operation) throws(FileSystemError) in
          try xattrs.apply(change, operation)
          node.state.withLock {
            node.inode.mode = mode
            touchAttributes(node)
          }
          operation.changed(node)
        }
      }
    }
  }

  // MARK: For other operations

  /// Called with the node's lock held.
  func xattrs(of node: Node) throws(FileSystemError) -> ExtendedAttributes {
    ExtendedAttributes(try NodeXattrs(node, self))
  }

  /// What a new inode in `parent` gets from its default ACL, checked to fit an inode.
  func inheritedAccess(
    _ parent: Node, _ kind: FileKind, _ mode: UInt16, _ caller: Caller
  ) throws(FileSystemError) -> InheritedAccess {
    let standard = try xattrs(of: parent).accessControlList(.defaultACL)
    let access = InheritedAccess(standard, mode: kind.rawValue | mode & 0o7777, umask: caller.umask)
    guard !access.attributes.isEmpty else { return access }
    var layout = XattrLayout(
      inInode: [], inBlock: [],
      inodeCapacity: InodeXattrs.capacity(byteCount: newXattrRegionByteCount),
      blockCapacity: XattrBlock.capacity(blockSize: blockSize))
    for attribute in access.attributes { try layout.set(attribute) }
    return access
  }

  private var newXattrRegionByteCount: Int {
    let template = Inode(
      mode: 0, uid: 0, gid: 0, time: Timestamp(seconds: 0), superblock: superblock)
    return template.xattrRange(inodeSize: superblock.inodeSize)?.count ?? 0
  }

  /// Gives a new inode its ACLs. A block for them has been reserved.
  func apply(
    _ access: InheritedAccess, to node: Node, _ operation: Operation
  ) throws(FileSystemError) {
    guard !access.attributes.isEmpty else { return }
    let xattrs = try xattrs(of: node)
    let change = try xattrs.plan { (layout) throws(FileSystemError) in
      for attribute in access.attributes { try layout.set(attribute) }
    }
    try xattrs.apply(change, operation)
  }

  /// What a change of attributes does to the extended ones: chmod(2) to the access ACL, and a
  /// capability may go. Nil where there is nothing.
  func planXattrs(
    of node: Node, mode: UInt16?, _ loss: PrivilegeLoss
  ) throws(FileSystemError) -> XattrChange? {
    let xattrs = try xattrs(of: node)
    var access: AccessControlList?
    if let mode, node.kind != .symbolicLink {
      access = try xattrs.accessControlList(.accessACL)?.changingMode(to: mode)
    }
    let dropsCapability = loss.contains(.capability)
    guard access != nil || dropsCapability else { return nil }
    return try xattrs.plan { (layout) throws(FileSystemError) in
      if let access {
        let value = access.encodeForDisk()
        if layout.value(of: .accessACL) != value { try layout.set(Xattr(.accessACL, value)) }
      }
      if dropsCapability { _ = layout.remove(.capability) }
    }
  }
}
