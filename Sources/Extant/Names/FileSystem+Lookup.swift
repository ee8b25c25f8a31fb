import Ext4Format
import ExtantBase
import struct SystemPackage.Errno

/// Finding and listing names.
extension FileSystem {
  /// The inode behind `name`. With `retaining` it keeps one reference until `forget`, so that its
  /// number stays valid when the name goes.
  ///
  /// Throws ENOENT, ENOTDIR.
  public func lookup(
    _ name: FileName, in parent: InodeNumber, retaining: Bool = false
  ) throws(FileSystemError) -> Attributes {
    try withNode(parent) { (parent) throws(FileSystemError) -> Attributes in
      try parent.lock.withSharedLock { () throws(FileSystemError) -> Attributes in
        let match = try find(name, in: parent)
        let node = try acquire(namedBy: match.inode)
        defer { if !retaining { release(node) } }
        return attributes(of: node)
      }
    }
  }

  /// The inode of this number, retained: what opens a file handle, which may be old or made up.
  ///
  /// Throws ENOENT where the number is no file's, or no longer; nothing of that counts as corruption.
  /// Whether the file is the one that the handle was made of, `Attributes.generation` tells.
  public func retain(_ inode: InodeNumber) throws(FileSystemError) -> Attributes {
    let isFile =
      inode == .root
      || inode.rawValue >= superblock.firstInode && inode.rawValue <= superblock.inodeCount
        && !hidden.contains(inode)
    guard isFile else { throw .refused(.noSuchFileOrDirectory) }
    // The table may hold anything where no inode is in use.
    if nodes.existing(inode) == nil, try !inodes.isAllocated(inode) {
      throw .refused(.noSuchFileOrDirectory)
    }
    let node = try acquire(inode)
    let isGone = node.state.withLock {
      node.inode.linkCount == 0 || node.inode.flags.contains(.eaInode)
    }
    guard !isGone else {
      release(node)
      throw .refused(.noSuchFileOrDirectory)
    }
    return attributes(of: node)
  }

  /// Files of the filesystem itself that need not be among the reserved inodes.
  private var hidden: [InodeNumber] {
    [superblock.journalInode, superblock.orphanFileInode, superblock.quotaInode(.project)]
      .compactMap { $0 }
  }

  /// Gives back references that `retaining` took.
  public func forget(_ inode: InodeNumber, count: UInt64 = 1) {
    guard let node = nodes.existing(inode) else { return }
    release(node, count: count)
  }

  /// Calls `body` with each entry from `cookie` on (0: the first) until it returns false; the entry
  /// it refuses comes again at the cookie of the one before it.
  ///
  /// Cookies stay valid while entries come and go: an entry that is there all the time is seen
  /// exactly once.
  public func readDirectory(
    _ directory: InodeNumber, from cookie: UInt64, _ body: (DirectoryEntry) -> Bool
  ) throws(FileSystemError) {
    try withNode(directory) { (node) throws(FileSystemError) in
      guard node.kind == .directory else { throw .refused(.notDirectory) }
      try node.lock.withSharedLock { () throws(FileSystemError) in
        // A removed directory that is still open lists nothing.
        guard !node.isUnlinked else { return }
        try entries(of: node).forEachEntry(from: cookie, body)
      }
      noteAccess(node)
    }
  }

  /// The entries from `cookie` on, until `takes` refuses one, each with the attributes of its inode,
  /// which keeps one reference until `forget`: what readdirplus asks for, in one pass.
  ///
  /// Nil for `.` and `..`, and for what cannot be had: one bad inode does not hide the others.
  public func readDirectoryRetaining(
    _ directory: InodeNumber, from cookie: UInt64, _ takes: (DirectoryEntry) -> Bool
  ) throws(FileSystemError) -> [(entry: DirectoryEntry, attributes: Attributes?)] {
    try withNode(directory) { (node) throws(FileSystemError) in
      guard node.kind == .directory else { throw .refused(.notDirectory) }
      let result = try node.lock.withSharedLock { () throws(FileSystemError) in
        var entries: [DirectoryEntry] = []
        guard !node.isUnlinked else { return [(entry: DirectoryEntry, attributes: Attributes?)]() }
        try self.entries(of: node).forEachEntry(from: cookie) { entry in
          guard takes(entry) else { return false }
          entries.append(entry)
          return true
        }
        return entries.map { (entry: $0, attributes: retainedAttributes(of: $0)) }
      }
      noteAccess(node)
      return result
    }
  }

  /// The directory's lock is held.
  private func retainedAttributes(of entry: DirectoryEntry) -> Attributes? {
    guard !entry.isDotOrDotDot, let node = try? acquire(namedBy: entry.inode) else { return nil }
    return attributes(of: node)
  }

  /// readlink(2): the target as it was given. EINVAL where the inode is no symbolic link.
  public func readSymbolicLink(_ inode: InodeNumber) throws(FileSystemError) -> [UInt8] {
    try withNode(inode) { (node) throws(FileSystemError) -> [UInt8] in
      guard node.kind == .symbolicLink else { throw .refused(.invalidArgument) }
      noteAccess(node)
      let inode = node.state.withLock { node.inode }
      if let contents = contents(of: node) { return try readSlowLink(contents, inode) }
      guard let target = inode.fastSymlinkTarget else {
        throw .corrupt(Corruption("symbolic link", inode: node.number, "length is in i_block"))
      }
      return target
    }
  }

  private func readSlowLink(
    _ contents: FileContents, _ inode: Inode
  ) throws(FileSystemError) -> [UInt8] {
    guard inode.size > 0, inode.size <= blockSize64 else {
      throw .corrupt(
        Corruption("symbolic link", inode: contents.node.number, "length fits a block"))
    }
    let piece = try contents.node.withState { () throws(FileSystemError) -> MappedPiece in
      try contents.piece(at: LogicalBlock(0))
    }
    guard case .blocks(let address) = piece.content else {
      throw .corrupt(
        Corruption("symbolic link", inode: contents.node.number, "its block is not mapped"))
    }
    let buffer = try read(address) { _ in }
    return buffer.bytes.array(0..<Int(inode.size))
  }

  // MARK: For operations on names

  func entries(of node: Node) -> DirectoryEntries<NodeDirectory> {
    DirectoryEntries(NodeDirectory(node, self))
  }

  /// The entry `name` of a directory whose lock is held. ENOENT, ENOTDIR.
  func find(
    _ name: FileName, in parent: Node
  ) throws(FileSystemError) -> DirectoryMatch {
    guard let match = try findIfThere(name, in: parent) else {
      throw .refused(.noSuchFileOrDirectory)
    }
    return match
  }

  func findIfThere(
    _ name: FileName, in parent: Node
  ) throws(FileSystemError) -> DirectoryMatch? {
    guard parent.kind == .directory else { throw .refused(.notDirectory) }
    guard !parent.isUnlinked else { return nil }
    return try entries(of: parent).lookup(name.bytes)
  }
}
