import Ext4Format
import ExtantBase
import ExtentMap
import struct SystemPackage.Errno

/// Making files, directories, devices and links.
///
/// Each throws EEXIST, ENOENT (the parent was removed), ENOTDIR, ENOSPC; EPERM where
/// the parent is immutable. `retaining` as in `lookup`.
extension FileSystem {
  /// The most links an inode has (EXT4_LINK_MAX).
  static let maximumLinkCount: UInt16 = 65_000

  public func createFile(
    _ name: FileName, in parent: InodeNumber, mode: UInt16, by caller: Caller = .superuser,
    retaining: Bool = false
  ) throws(FileSystemError) -> Attributes {
    try create(name, in: parent, .regular, mode, caller, retaining)
  }

  public func makeDirectory(
    _ name: FileName, in parent: InodeNumber, mode: UInt16, by caller: Caller = .superuser,
    retaining: Bool = false
  ) throws(FileSystemError) -> Attributes {
    try create(name, in: parent, .directory, mode, caller, retaining, blocks: 1) {
      (node, parent, operation) throws(FileSystemError) in
      try entries(of: node).initialise(parent: parent.number, operation)
    }
  }

  /// mknod(2) for all but directories and links. `device` counts for devices only.
  public func makeNode(
    _ name: FileName, in parent: InodeNumber, kind: FileKind, mode: UInt16,
    device: DeviceNumber = DeviceNumber(major: 0, minor: 0), by caller: Caller = .superuser,
    retaining: Bool = false
  ) throws(FileSystemError) -> Attributes {
    guard kind != .directory, kind != .symbolicLink else { throw .refused(.invalidArgument) }
    guard device.isStorable else { throw .refused(.invalidArgument) }
    return try create(name, in: parent, kind, mode, caller, retaining) { (node, _, _) in
      if kind == .blockDevice || kind == .characterDevice { node.inode.deviceNumber = device }
    }
  }

  /// symlink(2). The target may be anything of 1 to block size - 1 bytes without NUL: ENOENT
  /// where it is empty, ENAMETOOLONG past that.
  public func makeSymbolicLink(
    _ name: FileName, in parent: InodeNumber, target: [UInt8], by caller: Caller = .superuser,
    retaining: Bool = false
  ) throws(FileSystemError) -> Attributes {
    guard !target.isEmpty else { throw .refused(.noSuchFileOrDirectory) }
    guard target.count < min(blockSize, 4096) else { throw .refused(.fileNameTooLong) }
    guard !target.contains(0) else { throw .refused(.invalidArgument) }
    let isFast = target.count <= Inode.fastSymlinkLimit
    return try create(
      name, in: parent, .symbolicLink, 0o777, caller, retaining, blocks: isFast ? 0 : 1,
      mapsBlocks: !isFast
    ) { (node, _, operation) throws(FileSystemError) in
      if isFast {
        guard node.inode.setFastSymlinkTarget(target) else { throw .refused(.fileNameTooLong) }
      } else {
        let block = try NodeDirectory(node, self).append(operation)
        var bytes = block.buffer.mutableBytes
        bytes.copy(target, at: 0)
      }
      node.state.withLock {
        node.inode.size = UInt64(target.count)
        node.diskSize = node.inode.size
      }
    }
  }

  /// link(2): EPERM for a directory, EMLINK at the limit, ENOENT for a file without a name left.
  public func link(
    _ inode: InodeNumber, as name: FileName, in parent: InodeNumber,
    by caller: Caller = .superuser, retaining: Bool = false
  ) throws(FileSystemError) -> Attributes {
    try requireWritable()
    return try withNode(parent) { (parent) throws(FileSystemError) -> Attributes in
      try withNode(inode) { (node) throws(FileSystemError) -> Attributes in
        guard node.kind != .directory else { throw .refused(.notPermitted) }
        return try parent.lock.withExclusiveLock { () throws(FileSystemError) -> Attributes in
          try node.lock.withExclusiveLock { () throws(FileSystemError) -> Attributes in
            try link(node, as: name, in: parent, caller)
            if retaining { nodes.retain(node) }
            return attributes(of: node)
          }
        }
      }
    }
  }

  private func link(
    _ node: Node, as name: FileName, in parent: Node, _ caller: Caller
  ) throws(FileSystemError) {
    let insertion = try planInsertion(of: name, in: parent)
    let inode = node.state.withLock { node.inode }
    guard inode.linkCount > 0 else { throw .refused(.noSuchFileOrDirectory) }
    guard inode.linkCount < Self.maximumLinkCount else { throw .refused(.tooManyLinks) }
    guard inode.flags.isDisjoint(with: [.immutable, .append]) else {
      throw .refused(.notPermitted)
    }
    try perform(
      reserving: try blocksNeeded(for: insertion, in: parent), claim: claim(of: caller)
    ) { (operation) throws(FileSystemError) in
      try entries(of: parent).insert(insertion, inode: node.number, node.kind, operation)
      node.state.withLock {
        node.inode.linkCount += 1
        touchAttributes(node)
      }
      operation.changed(node)
      entriesChanged(of: parent, operation)
    }
  }

  // MARK: Shared by all

  /// A place for `name` in a directory whose lock is held; EEXIST where it is taken.
  func planInsertion(
    of name: FileName, in parent: Node
  ) throws(FileSystemError) -> DirectoryInsertion {
    guard parent.kind == .directory else { throw .refused(.notDirectory) }
    guard !parent.isUnlinked else { throw .refused(.noSuchFileOrDirectory) }
    let entries = entries(of: parent)
    guard try entries.lookup(name.bytes) == nil else { throw .refused(.fileExists) }
    guard !parent.state.withLock({ parent.inode.flags.contains(.immutable) }) else {
      throw .refused(.notPermitted)
    }
    return try entries.planInsertion(of: name.bytes)
  }

  /// Blocks to reserve for an insertion: the directory's and its tree's. Throws `corrupt` where
  /// new blocks could not be put behind the last one.
  func blocksNeeded(
    for insertion: DirectoryInsertion, in parent: Node
  ) throws(FileSystemError) -> UInt64 {
    guard insertion.newBlockCount > 0 else { return 0 }
    return try parent.withState { () throws(FileSystemError) -> UInt64 in
      let (end, rest) = parent.inode.size.quotientAndRemainder(dividingBy: blockSize64)
      guard rest == 0, end < LogicalBlock.limit.rawValue, let contents = contents(of: parent),
        try contents.map.isHole(LogicalBlock(end)..<LogicalBlock.limit)
      else {
        throw .corrupt(
          Corruption("directory", inode: parent.number, "its size does not end its last block"))
      }
      return UInt64(insertion.newBlockCount)
        + contents.nodesNeeded(newEntries: insertion.newBlockCount)
    }
  }

  /// A name came or went: the directory's times.
  func entriesChanged(of parent: Node, _ operation: Operation) {
    let isSynchronous = parent.state.withLock {
      touchContents(parent)
      return !parent.inode.flags.isDisjoint(with: [.synchronous, .directorySynchronous])
    }
    operation.changed(parent)
    if isSynchronous || options.synchrony != .nothing { operation.mustBeDurable = true }
  }

  private func create(
    _ name: FileName, in parent: InodeNumber, _ kind: FileKind, _ mode: UInt16, _ caller: Caller,
    _ retaining: Bool, blocks: UInt64 = 0, mapsBlocks: Bool = true,
    _ fill: (Node, Node, Operation) throws(FileSystemError) -> Void = { _, _, _ in }
  ) throws(FileSystemError) -> Attributes {
    try requireWritable()
    return try withNode(parent) { (parent) throws(FileSystemError) -> Attributes in
      try parent.lock.withExclusiveLock { () throws(FileSystemError) -> Attributes in
        let insertion = try planInsertion(of: name, in: parent)
        if kind == .directory { try requireRoomForSubdirectory(parent) }
        let access = try inheritedAccess(parent, kind, mode, caller)
        let node = try perform(
          reserving: try blocksNeeded(for: insertion, in: parent) + blocks
            + access.worstCaseNewBlocks,
          claim: claim(of: caller)
        ) { (operation) throws(FileSystemError) -> Node in
          let node = try allocateNode(in: parent, kind, access.mode, caller, mapsBlocks, operation)
          try fill(node, parent, operation)
          try apply(access, to: node, operation)
          try entries(of: parent).insert(insertion, inode: node.number, kind, operation)
          if kind == .directory { changeSubdirectoryCount(of: parent, by: 1) }
          entriesChanged(of: parent, operation)
          operation.changed(node)
          return node
        }
        defer { if !retaining { release(node) } }
        return attributes(of: node)
      }
    }
  }

  /// A new inode in memory, referenced once, with nothing in it.
  func allocateNode(
    in parent: Node, _ kind: FileKind, _ mode: UInt16, _ caller: Caller, _ mapsBlocks: Bool,
    _ operation: Operation
  ) throws(FileSystemError) -> Node {
    let number = try inodes.allocate(kind: kind, parent: parent.number, handle: operation)
    // The slot may hold attributes of the inode that had the number before.
    let (buffer, address, range) = try inodeSlot(number)
    operation.modify(address, buffer)
    var bytes = buffer.mutableBytes
    bytes.fill(range, with: 0)

    let template = parent.state.withLock { parent.inode }
    var inode = Inode(
      mode: kind.rawValue | mode & 0o7777, uid: caller.uid, gid: caller.gid, time: timestamp(),
      superblock: superblock)
    if template.mode & 0o2000 != 0 {
      inode.gid = template.gid
      if kind == .directory { inode.mode |= 0o2000 }
    }
    inode.linkCount = kind == .directory ? 2 : 1
    inode.generation = generations.withLock { $0.next() }
    inode.flags = template.flags.inherited(by: kind)
    let maps =
      mapsBlocks && (kind == .regular || kind == .directory || kind == .symbolicLink)
    var contents = kind == .symbolicLink ? NodeContents.target : .none
    if maps {
      inode.flags.insert(.extents)
      inode.blockArea = ExtentNode(depth: 0, entries: .leaf([])).encodeRoot()
      contents = try extentTree(
        .empty, extentContext(number, generation: inode.generation))
    }
    let node = Node(number: number, kind: kind, inode: inode, contents: contents)
    nodes.insert(node)
    return node
  }

  // MARK: Link counts of directories

  /// EMLINK where a directory can have no more subdirectories: only an indexed one may stop
  /// counting (feature dir_nlink).
  func requireRoomForSubdirectory(_ parent: Node) throws(FileSystemError) {
    let inode = parent.state.withLock { parent.inode }
    let stopsCounting =
      superblock.features.readOnlyCompat.contains(.dirNlink) && inode.flags.contains(.index)
    guard inode.linkCount < Self.maximumLinkCount || stopsCounting else {
      throw .refused(.tooManyLinks)
    }
  }

  /// Past the limit a directory's count is 1 and stays so.
  func changeSubdirectoryCount(of parent: Node, by change: Int) {
    parent.state.withLock {
      let count = Int(parent.inode.linkCount)
      guard count != 1 else { return }
      let new = count + change
      parent.inode.linkCount =
        new > Int(Self.maximumLinkCount) ? 1 : UInt16(clamping: max(2, new))
    }
  }
}
