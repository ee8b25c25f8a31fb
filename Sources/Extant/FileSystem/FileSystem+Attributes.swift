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
    guard let map = node.contents.map else { return node.inode.blocks512 }
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
    if flags.contains(.append), !change.suitsAppendOnly { throw .refused(.notPermitted) }
    if let size = change.size {
      switch node.kind {
      case .regular: try mappedContents(of: node).truncate(to: size)
      case .directory: throw .refused(.isDirectory)
      default: throw .refused(.invalidArgument)
      }
    }
    let loss = node.kind == .directory ? [] : change.loses
    let xattrChange = try planXattrs(of: node, mode: change.mode, loss)
    let xattrs = try xattrs(of: node)
    try perform(
      reserving: UInt64(xattrChange?.newBlockCount ?? 0), claim: claim(of: caller)
    ) { (operation) throws(FileSystemError) in
      if let xattrChange { try xattrs.apply(xattrChange, operation) }
      try node.withState { () throws(FileSystemError) in
        let extraSize = node.inode.extraSize
        if let mode = change.mode {
          node.inode.mode = node.inode.mode & FileKind.mask | mode & 0o7777
        }
        if let uid = change.uid { node.inode.uid = uid }
        if let gid = change.gid { node.inode.gid = gid }
        node.inode.mode = loss.remaining(of: node.inode.mode)
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

  /// Takes privileges from a file whose contents are about to change; only then is the change made.
  /// False, and nothing is written, where there is nothing to take. Append-only files lose theirs,
  /// too: appending is a write. EPERM where the inode is immutable, as the write itself would give.
  public func dropPrivileges(
    _ loss: PrivilegeLoss, of inode: InodeNumber
  ) throws(FileSystemError) -> Bool {
    try requireWritable()
    return try withNode(inode) { (node) throws(FileSystemError) -> Bool in
      try node.lock.withExclusiveLock { () throws(FileSystemError) -> Bool in
        let inode = node.state.withLock { node.inode }
        if inode.flags.contains(.immutable) { throw .refused(.notPermitted) }
        let xattrChange = try planXattrs(of: node, mode: nil, loss)
        let mode = loss.remaining(of: inode.mode)
        guard mode != inode.mode || xattrChange?.isEmpty == false else { return false }
        let xattrs = try xattrs(of: node)
        try perform(reserving: UInt64(xattrChange?.newBlockCount ?? 0), claim: .tree) {
          (operation) throws(FileSystemError) in
          if let xattrChange { try xattrs.apply(xattrChange, operation) }
          node.state.withLock {
            node.inode.mode = mode
            touchAttributes(node)
          }
          operation.changed(node)
        }
        return true
      }
    }
  }

  private func time(_ time: AttributeChange.Time) -> Timestamp {
    switch time {
    case .now: timestamp()
    case .at(let time): time
    }
  }
}

extension AttributeChange {
  /// Whether a file that is only appended to takes the change: both times set to now, or none.
  fileprivate var suitsAppendOnly: Bool {
    mode == nil && uid == nil && gid == nil && size == nil && accessTime == modificationTime
      && (accessTime ?? .now) == .now
  }
}
