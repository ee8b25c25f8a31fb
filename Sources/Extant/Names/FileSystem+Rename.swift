import Ext4Format
import ExtantBase
import struct SystemPackage.Errno

/// renameat2(2).
extension FileSystem {
  /// Throws ENOENT, EEXIST (`noReplace`), EINVAL (a directory into itself), ENOTEMPTY, ENOTDIR,
  /// EISDIR, EMLINK, EPERM, ENOSPC; EBUSY for "." and "..". A whiteout is `caller`'s.
  public func rename(
    _ name: FileName, in parent: InodeNumber, to newName: FileName, in newParent: InodeNumber,
    _ flags: RenameFlags = [], by caller: Caller = .superuser
  ) throws(FileSystemError) {
    try requireWritable()
    guard flags.isSubset(of: [.noReplace, .exchange, .whiteout]),
      !flags.contains(.exchange) || flags == .exchange
    else { throw .refused(.invalidArgument) }
    if name.isDotOrDotDot { throw .refused(.resourceBusy) }
    if newName.isDotOrDotDot {
      throw .refused(flags.contains(.noReplace) ? .fileExists : .resourceBusy)
    }
    var rename = Rename(name: name, newName: newName, flags: flags, caller: caller)
    if parent == newParent {
      try withNode(parent) { (parent) throws(FileSystemError) in
        try parent.lock.withExclusiveLock { () throws(FileSystemError) in
          try perform(&rename, parent, parent)
        }
      }
    } else {
      try renameLock.withLock { () throws(FileSystemError) in
        try watch { () throws(FileSystemError) in try renameAcross(&rename, parent, newParent) }
      }
    }
    for node in rename.held { release(node) }
  }

  private func renameAcross(
    _ rename: inout Rename, _ parent: InodeNumber, _ newParent: InodeNumber
  ) throws(FileSystemError) {
    // Directories change place only under the rename lock: these stay true.
    rename.above = try ancestors(of: parent)
    rename.aboveNew = try ancestors(of: newParent)
    let source = try acquire(parent)
    defer { release(source) }
    let target = try acquire(newParent)
    defer { release(target) }
    // What holds the other comes first; unrelated ones go by number.
    let sourceFirst =
      rename.aboveNew.contains(parent)
      || !rename.above.contains(newParent) && parent < newParent
    let (first, second) = sourceFirst ? (source, target) : (target, source)
    first.lock.lockExclusive()
    defer { first.lock.unlock() }
    second.lock.lockExclusive()
    defer { second.lock.unlock() }
    try perform(&rename, source, target)
  }

  /// The directory itself and all above it, up to the root.
  private func ancestors(of directory: InodeNumber) throws(FileSystemError) -> Set<InodeNumber> {
    var result: Set<InodeNumber> = []
    var current = directory
    while result.insert(current).inserted, current != .root {
      current = try withNode(current) { (node) throws(FileSystemError) -> InodeNumber in
        guard node.kind == .directory else { throw .refused(.notDirectory) }
        return try node.lock.withSharedLock { () throws(FileSystemError) -> InodeNumber in
          guard let match = try entries(of: node).lookup(Array("..".utf8)) else {
            throw .corrupt(Corruption("directory", inode: node.number, "it has no \"..\""))
          }
          return match.inode
        }
      }
    }
    return result
  }

  /// Both directories are locked. What `rename.held` names afterwards is released outside.
  private func perform(
    _ rename: inout Rename, _ parent: Node, _ newParent: Node
  ) throws(FileSystemError) {
    do throws(FileSystemError) {
      try check(&rename, parent, newParent)
    } catch {
      // Nothing changed; the directories' locks are older than these nodes' are.
      for node in rename.held { release(node) }
      rename.held = []
      throw error
    }
  }

  private func check(
    _ rename: inout Rename, _ parent: Node, _ newParent: Node
  ) throws(FileSystemError) {
    let match = try find(rename.name, in: parent)
    guard newParent.kind == .directory else { throw .refused(.notDirectory) }
    guard !newParent.isUnlinked else { throw .refused(.noSuchFileOrDirectory) }
    let newMatch = try findIfThere(rename.newName, in: newParent)
    if newMatch != nil, rename.flags.contains(.noReplace) { throw .refused(.fileExists) }
    if newMatch == nil, rename.flags.contains(.exchange) {
      throw .refused(.noSuchFileOrDirectory)
    }
    if rename.aboveNew.contains(match.inode) { throw .refused(.invalidArgument) }
    if let newMatch, rename.above.contains(newMatch.inode) {
      throw .refused(rename.flags.contains(.exchange) ? .invalidArgument : .directoryNotEmpty)
    }
    // Two names of one file: nothing to do, says POSIX.
    if let newMatch, newMatch.inode == match.inode { return }

    let node = try acquire(namedBy: match.inode)
    rename.held.append(node)
    var target: Node?
    if let newMatch {
      let node = try acquire(namedBy: newMatch.inode)
      rename.held.append(node)
      target = node
    }
    guard node !== parent, node !== newParent, target !== parent, target !== newParent else {
      throw .corrupt(Corruption("directory", inode: newParent.number, "it holds itself"))
    }
    // A directory before a file: the file may have a name in it.
    let all: [Node] = [node, target].compactMap { $0 }
    let directories = all.filter { $0.kind == .directory }.sorted { $0.number < $1.number }
    let others = all.filter { $0.kind != .directory }.sorted { $0.number < $1.number }
    let locked = directories + others
    for node in locked { node.lock.lockExclusive() }
    defer { for node in locked { node.lock.unlock() } }

    try requireRemovable(node, from: parent)
    if let target { try requireRemovable(target, from: newParent) }
    if rename.flags.contains(.exchange), let target, let newMatch {
      try exchange((node, match, parent), (target, newMatch, newParent))
    } else {
      let whiteout = try move(
        (node, match, parent), to: newParent, rename, replacing: target, newMatch)
      if let whiteout { rename.held.append(whiteout) }
    }
  }

  private typealias Place = (node: Node, match: DirectoryMatch, parent: Node)

  private func exchange(_ a: Place, _ b: Place) throws(FileSystemError) {
    if a.node.kind == .directory, b.node.kind != .directory, a.parent !== b.parent {
      try requireRoomForSubdirectory(b.parent)
    }
    if b.node.kind == .directory, a.node.kind != .directory, a.parent !== b.parent {
      try requireRoomForSubdirectory(a.parent)
    }
    let upA = try parentEntry(of: a.node, movingFrom: a.parent, to: b.parent)
    let upB = try parentEntry(of: b.node, movingFrom: b.parent, to: a.parent)
    try perform { (operation) throws(FileSystemError) in
      try entries(of: a.parent).replace(a.match, with: b.node.number, b.node.kind, operation)
      try entries(of: b.parent).replace(b.match, with: a.node.number, a.node.kind, operation)
      try setParent(of: a.node, upA, from: a.parent, to: b.parent, operation)
      try setParent(of: b.node, upB, from: b.parent, to: a.parent, operation)
      for node in [a.node, b.node] {
        node.state.withLock { touchAttributes(node) }
        operation.changed(node)
      }
      entriesChanged(of: a.parent, operation)
      entriesChanged(of: b.parent, operation)
    }
  }

  /// Returns the whiteout that takes the old name, if there is to be one.
  private func move(
    _ source: Place, to newParent: Node, _ rename: Rename, replacing target: Node?,
    _ newMatch: DirectoryMatch?
  ) throws(FileSystemError) -> Node? {
    let node = source.node
    if let target {
      if node.kind == .directory, target.kind != .directory { throw .refused(.notDirectory) }
      if node.kind != .directory, target.kind == .directory { throw .refused(.isDirectory) }
      if target.kind == .directory, try !entries(of: target).isEmpty() {
        throw .refused(.directoryNotEmpty)
      }
    } else if node.kind == .directory, source.parent !== newParent {
      try requireRoomForSubdirectory(newParent)
    }
    let insertion = newMatch == nil ? try planInsertion(of: rename.newName, in: newParent) : nil
    var needed: UInt64 = 0
    if let insertion { needed = try blocksNeeded(for: insertion, in: newParent) }
    let up = try parentEntry(of: node, movingFrom: source.parent, to: newParent)
    let access = try whiteoutAccess(rename, in: source.parent)
    if let access { needed += access.worstCaseNewBlocks }
    return try perform(
      reserving: needed, claim: claim(of: rename.caller),
      credits: access == nil ? Self.ordinaryCredits : whiteoutCredits
    ) { (operation) throws(FileSystemError) -> Node? in
      // First: it is what may fail for want of an inode.
      var whiteout: Node?
      if let access {
        let new = try allocateNode(
          in: source.parent, .characterDevice, access.mode, rename.caller, false, operation)
        try apply(access, to: new, operation)
        operation.changed(new)
        whiteout = new
      }
      if let newMatch {
        try entries(of: newParent).replace(newMatch, with: node.number, node.kind, operation)
      }
      if let whiteout {
        try entries(of: source.parent).replace(
          source.match, with: whiteout.number, whiteout.kind, operation)
      } else {
        try entries(of: source.parent).remove(source.match, operation)
      }
      if let insertion {
        try entries(of: newParent).insert(insertion, inode: node.number, node.kind, operation)
      }
      if let target {
        if target.kind == .directory { changeSubdirectoryCount(of: newParent, by: -1) }
        dropLink(of: target, operation)
      }
      try setParent(of: node, up, from: source.parent, to: newParent, operation)
      node.state.withLock { touchAttributes(node) }
      operation.changed(node)
      entriesChanged(of: source.parent, operation)
      entriesChanged(of: newParent, operation)
      return whiteout
    }
  }

  /// With what access a whiteout comes to be in `parent`; nil where none is asked for.
  private func whiteoutAccess(
    _ rename: Rename, in parent: Node
  ) throws(FileSystemError) -> InheritedAccess? {
    guard rename.flags.contains(.whiteout) else { return nil }
    return try inheritedAccess(parent, .characterDevice, 0, rename.caller)
  }

  /// A rename and a creation.
  private var whiteoutCredits: Int { min(2 * Self.ordinaryCredits, journal.maximumCredits) }

  /// The entry ".." of a directory that gets another parent; nil where nothing changes.
  private func parentEntry(
    of node: Node, movingFrom parent: Node, to newParent: Node
  ) throws(FileSystemError) -> DirectoryMatch? {
    guard node.kind == .directory, parent !== newParent else { return nil }
    guard let match = try entries(of: node).lookup(Array("..".utf8)) else {
      throw .corrupt(Corruption("directory", inode: node.number, "it has no \"..\""))
    }
    return match
  }

  private func setParent(
    of node: Node, _ up: DirectoryMatch?, from parent: Node, to newParent: Node,
    _ operation: Operation
  ) throws(FileSystemError) {
    guard let up else { return }
    try entries(of: node).replace(up, with: newParent.number, .directory, operation)
    changeSubdirectoryCount(of: parent, by: -1)
    changeSubdirectoryCount(of: newParent, by: 1)
  }
}

/// One call of rename while it is under way.
private struct Rename {
  var name: FileName
  var newName: FileName
  var flags: RenameFlags
  var caller: Caller
  /// The old and the new parent with all directories above them; empty where they are the same.
  var above: Set<InodeNumber> = []
  var aboveNew: Set<InodeNumber> = []
  /// Nodes referenced on the way. Released when all locks are free.
  var held: [Node] = []
}
