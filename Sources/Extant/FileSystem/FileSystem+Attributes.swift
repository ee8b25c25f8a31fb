import Ext4Format
import ExtantBase
import struct SystemPackage.Errno

extension FileSystem {
  public func attributes(of inode: InodeNumber) throws(FileSystemError) -> Attributes {
    try withNode(inode) { (node) throws(FileSystemError) in attributes(of: node) }
  }

  func attributes(of node: Node) -> Attributes {
    node.state.withLock {
      let inode = node.inode
      let sectors = allocatedSectors(of: node)
      let isDevice = node.kind == .blockDevice || node.kind == .characterDevice
      return Attributes(
        inode: node.number, kind: node.kind, mode: inode.mode & 0o7777,
        linkCount: UInt32(inode.linkCount), uid: inode.uid, gid: inode.gid, size: inode.size,
        blocks512: sectors, accessTime: inode.accessTime,
        modificationTime: inode.modificationTime, changeTime: inode.changeTime,
        creationTime: inode.creationTime,
        device: isDevice ? inode.deviceNumber : DeviceNumber(major: 0, minor: 0),
        flags: inode.flags, generation: inode.generation, projectID: inode.projectID)
    }
  }

  /// st_blocks: what the inode counts, delayed blocks, and the tree nodes that the next commit adds
  /// or frees. Called under `node.state`.
  private func allocatedSectors(of node: Node) -> UInt64 {
    guard let map = node.map else { return node.inode.blocks512 }
    let sectors = node.inode.blocks512 + map.delayedBlockCount * sectorsPerBlock
    let change = map.pendingNodeChange
    // Delayed runs get their nodes with their blocks.
    if change > 0 {
      return map.delayedBlockCount > 0 ? sectors : sectors + UInt64(change) * sectorsPerBlock
    }
    return sectors - min(sectors, UInt64(-change) * sectorsPerBlock)
  }

  /// chmod, chown, truncate and utimensat in one. Who may do so is the caller's to check; EPERM
  /// where the inode is immutable or only for appending.
  public func setAttributes(
    _ change: AttributeChange, of inode: InodeNumber, by caller: Caller = .superuser
  ) throws(FileSystemError) -> Attributes {
    try requireWritable()
    return try withNode(inode) { (node) throws(FileSystemError) -> Attributes in
      try node.lock.withExclusiveLock { () throws(FileSystemError) in
        try setAttributes(change, of: node, caller)
      }
      return attributes(of: node)
    }
  }

  private func setAttributes(
    _ change: AttributeChange, of node: Node, _ caller: Caller
  ) throws(FileSystemError) {
    let flags = node.state.withLock { node.inode.flags }
    if flags.contains(.immutable) { throw .refused(.notPermitted) }
    if flags.contains(.append) {
      let onlyNow =
        change.mode == nil && change.uid == nil && change.gid == nil && change.size == nil
        && (change.accessTime ?? .now) == .now && (change.modificationTime ?? .now) == .now
      guard onlyNow else { throw .refused(.notPermitted) }
    }
    if let size = change.size {
      switch node.kind {
      case .regular: try truncate(node, to: size)
      case .directory: throw .refused(.isDirectory)
      default: throw .refused(.invalidArgument)
      }
    }
    let accessChange = try planAccessChange(of: node, toMode: change.mode)
    let xattrs = try xattrs(of: node)
    try perform(
      reserving: UInt64(accessChange?.newBlockCount ?? 0), claim: claim(of: caller)
    ) { (operation) throws(FileSystemError) in
      if let accessChange { try xattrs.apply(accessChange, operation) }
      try node.withState { () throws(FileSystemError) in
        let extraSize = node.inode.extraSize
        if let mode = change.mode {
          node.inode.mode = node.inode.mode & FileKind.mask | mode & 0o7777
        }
        if let uid = change.uid { node.inode.uid = uid }
        if let gid = change.gid { node.inode.gid = gid }
        if change.dropsPrivileges { dropPrivilegeBits(node) }
        if let time = change.accessTime {
          node.inode.accessTime = Inode.storable(self.time(time), extraSize: extraSize)
        }
        if let time = change.modificationTime {
          node.inode.modificationTime = Inode.storable(self.time(time), extraSize: extraSize)
        }
        touchAttributes(node)
        operation.changed(node)
      }
    }
  }

  /// What a write or truncate by an ordinary user does to a program's privileges: no more
  /// set-user-ID, and no set-group-ID where the group may execute. Called under `node.state`.
  private func dropPrivilegeBits(_ node: Node) {
    guard node.kind == .regular else { return }
    node.inode.mode &= ~0o4000
    if node.inode.mode & 0o010 != 0 { node.inode.mode &= ~0o2000 }
  }

  private func time(_ time: AttributeChange.Time) -> Timestamp {
    switch time {
    case .now: timestamp()
    case .at(let time): time
    }
  }

  // MARK: Flags

  /// The flags that chattr(1) may change.
  public static let changeableFlags: InodeFlags = [
    .secureDeletion, .undelete, .compressed, .synchronous, .immutable, .append, .noDump,
    .noAccessTime, .journalData, .noTailMerging, .directorySynchronous, .topDirectory,
    .projectInherit,
  ]

  /// FS_IOC_SETFLAGS: sets the changeable flags as given; the others stay. EOPNOTSUPP for a change
  /// of `extents`, which would need the file to be converted.
  public func setInodeFlags(
    _ flags: InodeFlags, of inode: InodeNumber
  ) throws(FileSystemError) {
    try requireWritable()
    try withNode(inode) { (node) throws(FileSystemError) in
      try node.lock.withExclusiveLock { () throws(FileSystemError) in
        let old = node.state.withLock { node.inode.flags }
        guard old.contains(.extents) == flags.contains(.extents) || node.map == nil else {
          throw .refused(.notSupportedOnSocket)
        }
        if old.contains(.journalData) != flags.contains(.journalData) {
          try settleJournaledData(of: node)
        }
        try perform { (operation) throws(FileSystemError) in
          try node.withState { () throws(FileSystemError) in
            node.inode.flags = InodeFlags(
              rawValue: old.subtracting(Self.changeableFlags).rawValue
                | flags.intersection(Self.changeableFlags).rawValue)
            touchAttributes(node)
            operation.changed(node)
          }
        }
      }
    }
  }
}
